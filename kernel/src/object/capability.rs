//! Capabilities, and the flat table that each process has of them.
//!
//! A handle is a slot and its generation; the generation changes when the slot is emptied, so an old handle
//! never names a new capability. [`FastTable`] says the same of endpoints, for the assembly of messages.

mod fast;

use alloc::sync::Arc;
use alloc::vec::Vec;

use abi::{Handle, Rights, Status};

pub use fast::{FAST_SLOTS, FastSlot, FastTable};

use super::interrupt::{Interrupt, Ports};
use super::{Endpoint, Memory, Notification, Process, Thread};
use crate::refusal::Refusal;

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
#[derive(Clone)]
pub struct Capability {
    /// The object.
    pub object: Object,
    /// What it permits.
    pub rights: Rights,
    /// For endpoints: what a receiver learns about the caller. 0 is none.
    pub badge: u64,
}

impl Capability {
    /// All rights to an object.
    pub fn all(object: Object) -> Capability {
        Capability {
            object,
            rights: Rights::ALL,
            badge: 0,
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
    capability: Option<Capability>,
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

    /// Puts a capability into a free slot.
    pub fn insert(&mut self, capability: Capability) -> Result<Handle, Refusal> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => self.grow()?,
        };
        let slot = &mut self.slots[usize::from(index)];
        let handle = Handle::new(index, slot.generation);
        self.fast.set(handle, &capability);
        slot.capability = Some(capability);
        Ok(handle)
    }

    fn grow(&mut self) -> Result<u16, Refusal> {
        if self.slots.is_empty() {
            self.slots.push(Slot {
                generation: 1,
                capability: None,
            });
        }
        if self.slots.len() >= LIMIT {
            return Err(Refusal {
                status: Status::TableFull,
                words: [LIMIT as u64, 0],
            });
        }
        self.slots.push(Slot {
            generation: 1,
            capability: None,
        });
        Ok((self.slots.len() - 1) as u16)
    }

    /// The capability of a handle.
    pub fn find(&self, handle: Handle) -> Result<&Capability, Refusal> {
        let slot = self.slots.get(handle.index()).ok_or(Status::NoSuchHandle)?;
        let generation = u64::from(slot.generation);
        match &slot.capability {
            _ if handle.generation() == 0 || handle.generation() > generation => {
                Err(Status::NoSuchHandle.into())
            }
            _ if handle.generation() < generation => Err(Status::StaleHandle.into()),
            Some(capability) => Ok(capability),
            None => Err(Status::NoSuchHandle.into()),
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
        let slot = &mut self.slots[handle.index()];
        // A slot whose generations are used up is never used again.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(handle.index() as u16);
        }
        slot.capability.take().ok_or_else(|| Status::NoSuchHandle.into())
    }
}
