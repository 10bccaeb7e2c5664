//! Capabilities, and the flat table that each process has of them.
//!
//! A handle is a slot and its generation; the generation changes when the slot is emptied, so an old handle
//! never names a new capability. [`FastTable`] says the same of endpoints, for the assembly of messages.

#[expect(unsafe_code, reason = "a table that the assembly of messages reads")]
mod fast;
mod tree;

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::syscall::NOTIFICATION_BADGE;
use abi::{Handle, Rights, Status};

pub use fast::{FAST_SLOTS, FastSlot, FastTable};
pub use tree::Node;
use tree::Root;

use super::interrupt::{Interrupt, Ports};
use super::{Endpoint, Memory, Notification, Process, Thread};
use crate::memory::heap;
use crate::refusal::{Refusal, require};

/// Slots of a table; slot 0 stays empty.
const LIMIT: usize = 512;

/// What a capability is to.
#[derive(Clone)]
pub enum Object {
    /// A process.
    Process(Arc<Process>),
    /// A thread.
    Thread(Arc<Thread>),
    /// An endpoint.
    Endpoint(Arc<Endpoint>),
    /// A notification.
    Notification(Arc<Notification>),
    /// A memory object.
    Memory(Arc<Memory>),
    /// The window of this process.
    Window(Arc<Process>),
    /// An interrupt of a device.
    Interrupt(Arc<Interrupt>),
    /// Some I/O ports.
    Ports(Ports),
    /// The console.
    Console,
    /// The machine.
    Machine,
}

/// The kernel's record of what a process may do to an object.
pub struct Capability {
    /// The object.
    pub object: Object,
    /// What it permits.
    pub rights: Rights,
    /// For endpoints: what a receiver learns about the caller. 0 is none.
    pub badge: u64,
    /// What it was derived from, and what from it; none as long as neither is anything.
    node: Option<Node>,
}

/// How a copy differs from what it is a copy of.
#[derive(Clone, Copy, Debug)]
pub struct Copying {
    /// It has no others.
    pub rights: Rights,
    /// Its badge; 0 leaves it as it is.
    pub badge: u64,
}

impl Copying {
    /// Not at all.
    pub const fn exactly() -> Copying {
        Copying {
            rights: Rights::ALL,
            badge: 0,
        }
    }

    /// Whether this can be done: only endpoints that have no badge can get one.
    ///
    /// # Errors
    /// `BadArgument`.
    pub fn check(&self, of: &Capability) -> Result<(), Refusal> {
        let may_be_badged = of.object.as_endpoint().is_some() && of.badge == 0;
        let is_lawful = self.badge == 0 || may_be_badged && self.badge != NOTIFICATION_BADGE;
        require(is_lawful, Status::BadArgument)
    }
}

impl Capability {
    /// All rights to an object.
    pub fn all(object: Object) -> Capability {
        Capability {
            object,
            rights: Rights::ALL,
            badge: 0,
            node: None,
        }
    }

    /// What a copy was derived from and what it is to, for those who keep it outside of tables.
    pub fn into_parts(self) -> (Object, u64, Option<Node>) {
        (self.object, self.badge, self.node)
    }

    /// The same capability, changed as a copy would be.
    pub fn reduced(self, how: Copying) -> Capability {
        let badge = if how.badge == 0 { self.badge } else { how.badge };
        let rights = self.rights.and(how.rights);
        Capability {
            rights,
            badge,
            ..self
        }
    }
}

impl Object {
    /// The process, if it is one.
    pub fn as_process(&self) -> Option<&Arc<Process>> {
        if let Object::Process(process) = self {
            Some(process)
        } else {
            None
        }
    }

    /// The thread, if it is one.
    pub fn as_thread(&self) -> Option<&Arc<Thread>> {
        if let Object::Thread(thread) = self {
            Some(thread)
        } else {
            None
        }
    }

    /// The endpoint, if it is one.
    pub fn as_endpoint(&self) -> Option<&Arc<Endpoint>> {
        if let Object::Endpoint(endpoint) = self {
            Some(endpoint)
        } else {
            None
        }
    }

    /// The notification, if it is one.
    pub fn as_notification(&self) -> Option<&Arc<Notification>> {
        if let Object::Notification(notification) = self {
            Some(notification)
        } else {
            None
        }
    }

    /// The memory object, if it is one.
    pub fn as_memory(&self) -> Option<&Arc<Memory>> {
        if let Object::Memory(memory) = self {
            Some(memory)
        } else {
            None
        }
    }

    /// The process whose window it is, if it is one.
    pub fn as_window(&self) -> Option<&Arc<Process>> {
        if let Object::Window(process) = self {
            Some(process)
        } else {
            None
        }
    }

    /// The interrupt, if it is one.
    pub fn as_interrupt(&self) -> Option<&Arc<Interrupt>> {
        if let Object::Interrupt(interrupt) = self {
            Some(interrupt)
        } else {
            None
        }
    }

    /// The I/O ports, if it is some.
    pub fn as_ports(&self) -> Option<&Ports> {
        if let Object::Ports(ports) = self {
            Some(ports)
        } else {
            None
        }
    }

    /// Whether it is the console.
    pub fn as_console(&self) -> Option<&()> {
        matches!(self, Object::Console).then_some(&())
    }

    /// Whether it is the machine.
    pub fn as_machine(&self) -> Option<&()> {
        matches!(self, Object::Machine).then_some(&())
    }
}

/// A slot of a table.
pub struct Slot {
    generation: u32,
    content: Content,
}

enum Content {
    Empty,
    Held(Capability),
    /// In slot 0 of a table that is let go: the next one (`burial.rs`).
    Buried(Vec<Slot>),
}

impl Slot {
    const fn new() -> Slot {
        Slot {
            generation: 1,
            content: Content::Empty,
        }
    }
}

/// Puts a table behind one that is let go, which is not empty.
pub fn chain(slots: &mut [Slot], next: Vec<Slot>) {
    slots[0].content = Content::Buried(next);
}

/// Takes the table behind this one.
pub fn unchain(slots: &mut [Slot]) -> Vec<Slot> {
    match core::mem::replace(&mut slots[0].content, Content::Empty) {
        Content::Buried(next) => next,
        _ => Vec::new(),
    }
}

/// A process' capabilities.
pub struct Table {
    slots: Vec<Slot>,
    free: Vec<u16>,
    fast: Arc<FastTable>,
}

impl Table {
    /// No capabilities.
    pub const fn new(fast: Arc<FastTable>) -> Table {
        Table {
            slots: Vec::new(),
            free: Vec::new(),
            fast,
        }
    }

    /// Takes all capabilities out. Dropped by the caller, who holds no lock then.
    pub fn clear(&mut self) -> Vec<Slot> {
        self.fast.clear();
        self.free.clear();
        core::mem::take(&mut self.slots)
    }

    /// Puts a capability into a slot, for which there is room ([`Table::make_room`]). One that was taken back on its way
    /// has been there, and is gone.
    pub fn insert(&mut self, capability: Capability, owner: &Process) -> Handle {
        let index = self.keep();
        self.fill(index, capability, owner)
    }

    /// Keeps a slot for a capability that is on its way, for which there is room.
    pub fn keep(&mut self) -> u16 {
        self.free.pop().expect("room was made")
    }

    /// Gives slots back that were kept.
    pub fn give_back(&mut self, slots: &[u16]) {
        slots.iter().rev().for_each(|slot| self.free.push(*slot));
    }

    /// Puts a capability into a slot that was kept for it.
    pub fn fill(&mut self, index: u16, capability: Capability, owner: &Process) -> Handle {
        let slot = &mut self.slots[usize::from(index)];
        let handle = Handle::new(index, slot.generation);
        let node = capability.node.as_ref();
        if node.is_some_and(|node| !node.arrive((owner.me(), handle))) {
            self.leave(handle);
            return handle;
        }
        self.fast.set(handle, &capability);
        slot.content = Content::Held(capability);
        handle
    }

    /// The refusal of a table that takes no more.
    pub fn full() -> Refusal {
        Refusal {
            status: Status::TableFull,
            words: [LIMIT as u64, 0],
        }
    }

    /// Makes room for so many capabilities.
    ///
    /// # Errors
    /// `TableFull`, and those of memory.
    pub fn make_room(&mut self, count: usize) -> Result<(), Refusal> {
        while self.free.len() < count {
            self.grow()?;
        }
        Ok(())
    }

    fn grow(&mut self) -> Result<(), Refusal> {
        if self.slots.len() >= LIMIT {
            return Err(Table::full());
        }
        // Slot 0 and a first one; giving slots back never needs room.
        let more = if self.slots.is_empty() { 2 } else { 1 };
        heap::make_room(&mut self.slots, more)?;
        let unlisted = self.slots.len() + more - self.free.len();
        heap::make_room(&mut self.free, unlisted)?;
        (0..more).for_each(|_| self.slots.push(Slot::new()));
        // In front of those that were used before, which are next.
        self.free.insert(0, (self.slots.len() - 1) as u16);
        Ok(())
    }

    /// A copy of a capability, for another table or this one. The owner is the one of this table.
    ///
    /// # Errors
    /// See [`Copying::check`], `BeingRevoked`, `TooDeep`, and that nobody pays for the node.
    pub fn derive(
        &mut self,
        handle: Handle,
        how: Copying,
        owner: &Arc<Process>,
    ) -> Result<Capability, Refusal> {
        self.find(handle)?;
        let Content::Held(source) = &mut self.slots[handle.index()].content else {
            return Err(Status::NoSuchHandle.into());
        };
        how.check(source)?;
        if source.node.is_none() {
            let _payer = heap::charge_to(&owner.account);
            let node = Node::root((owner.me(), handle));
            heap::paid()?;
            source.node = Some(node);
        }
        let node = source.node.as_ref().map(Node::below).transpose()?;
        heap::paid()?;
        let copy = Capability {
            object: source.object.clone(),
            rights: source.rights,
            badge: source.badge,
            node,
        };
        Ok(copy.reduced(how))
    }

    /// What was derived from a capability; none if nothing was.
    ///
    /// # Errors
    /// That of a bad handle.
    pub fn close(&self, handle: Handle) -> Result<Option<Root>, Refusal> {
        Ok(self.find(handle)?.node.as_ref().and_then(Node::close))
    }

    /// The capability of a handle.
    pub fn find(&self, handle: Handle) -> Result<&Capability, Refusal> {
        let slot = self.slots.get(handle.index()).ok_or(Status::NoSuchHandle)?;
        let generation = u64::from(slot.generation);
        match &slot.content {
            _ if handle.generation() == 0 || handle.generation() > generation => {
                Err(Status::NoSuchHandle.into())
            }
            _ if handle.generation() < generation => Err(Status::StaleHandle.into()),
            Content::Held(capability) => Ok(capability),
            _ => Err(Status::NoSuchHandle.into()),
        }
    }

    /// The object of a handle, if it is of the right kind and the capability has the rights; and its badge.
    pub fn look_up<T: Clone>(
        &self,
        handle: Handle,
        needed: Rights,
        kind: fn(&Object) -> Option<&T>,
    ) -> Result<(T, u64), Refusal> {
        let capability = self.find(handle)?;
        let object = kind(&capability.object).ok_or(Status::WrongKind)?;
        if !capability.rights.contains(needed) {
            return Err(Status::MissingRight.into());
        }
        Ok((object.clone(), capability.badge))
    }

    /// Takes a capability out. Dropped by the caller, who holds no lock then.
    pub fn remove(&mut self, handle: Handle) -> Result<Capability, Refusal> {
        self.find(handle)?;
        self.fast.unset(handle);
        let content = core::mem::replace(&mut self.slots[handle.index()].content, Content::Empty);
        self.leave(handle);
        match content {
            Content::Held(capability) => Ok(capability),
            _ => Err(Status::NoSuchHandle.into()),
        }
    }

    /// A handle is none from now on. A slot whose generations are used up is never used again.
    fn leave(&mut self, handle: Handle) {
        let slot = &mut self.slots[handle.index()];
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(handle.index() as u16);
        }
    }
}
