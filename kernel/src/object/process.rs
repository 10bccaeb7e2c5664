//! Processes: an address space, capabilities, an account, threads, and an end.

use alloc::sync::{Arc, Weak};
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use abi::syscall::{CpuMask, End, Moment, PRIORITIES};
use abi::{Handle, Rights, Status};
use lockfree::Doom;

use super::below::Below;
use super::capability::{FastTable, Table};
use super::census::{Counted, Kind};
use super::ending::Ending;
use super::{Account, Capability, FaultHandler, Notification, Object, Parked, Space, Thread, burial, thread};
use crate::cpu::frame::Frame;
use crate::cpu::{apic, breath};
use crate::ipc;
use crate::mailbox::Others;
use crate::memory::heap;
use crate::refusal::{Refusal, require};
use crate::schedule;
use crate::sync::{Guard, Lock, rank};

/// A process.
pub struct Process {
    /// For reports.
    pub name: Name,
    /// Who pays.
    pub account: Arc<Account>,
    /// Its end.
    pub ending: Ending,
    /// What priorities its threads may have.
    pub priorities: Priorities,
    /// Where faults of its threads are told that have no place of their own.
    pub handler: FaultHandler,
    /// When it will be ended for a test.
    pub doom: Doom,
    /// The processes that it has made, which end with it.
    pub below: Below,
    maker: Weak<Process>,
    me: Weak<Process>,
    has_ended: AtomicBool,
    table: Lock<Table, { rank::TABLE }>,
    fast_table: Arc<FastTable>,
    /// None after the end.
    space: Lock<Option<Arc<Space>>, { rank::SPACE_OF }>,
    /// The same, as long as a CPU has it loaded after the end.
    remains: Weak<Space>,
    threads: Lock<Threads, { rank::THREADS }>,
    preemptions: AtomicU64,
    migrations: AtomicU64,
    _counted: Counted,
}

struct Threads {
    alive: thread::Threads,
    started: u64,
}

/// What priorities the threads of a process may have.
pub struct Priorities {
    limit: AtomicU64,
    start: AtomicU64,
}

impl Priorities {
    /// Threads begin with this one and may have lower ones.
    const fn up_to(priority: u64) -> Priorities {
        Priorities {
            limit: AtomicU64::new(priority),
            start: AtomicU64::new(priority),
        }
    }

    /// The highest that it may give to a thread, its own or another's.
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// The one that its threads begin with.
    pub fn start(&self) -> u64 {
        self.start.load(Ordering::Relaxed)
    }

    /// Changes both.
    pub fn set(&self, limit: u64, start: u64) {
        self.limit.store(limit, Ordering::Relaxed);
        self.start.store(start, Ordering::Relaxed);
    }

    /// Whether a process with these may give so high a priority.
    pub fn check(&self, priority: u64) -> Result<(), Refusal> {
        require(priority < PRIORITIES, Status::BadArgument)?;
        match self.limit() {
            limit if priority > limit => Err(Refusal {
                status: Status::PriorityTooHigh,
                words: [limit, 0],
            }),
            _ => Ok(()),
        }
    }
}

/// Up to 16 bytes.
#[derive(Clone, Copy)]
pub struct Name(pub [u8; 16]);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        self.0[..length].escape_ascii().fmt(f)
    }
}

impl Process {
    /// A process without threads, which ends with its maker.
    pub fn new(
        name: Name,
        account: Arc<Account>,
        priority: u64,
        maker: Weak<Process>,
    ) -> Result<Arc<Process>, Refusal> {
        let space = Space::new(&account)?;
        let fast_table = Arc::new(FastTable::new(&account)?);
        Ok(Arc::new_cyclic(|me| Process {
            me: me.clone(),
            name,
            account,
            ending: Ending::new(),
            priorities: Priorities::up_to(priority),
            handler: FaultHandler::none(),
            doom: Doom::none(),
            below: Below::none(),
            maker,
            has_ended: AtomicBool::new(false),
            table: Lock::new(Table::new(fast_table.clone())),
            fast_table,
            remains: Arc::downgrade(&space),
            space: Lock::new(Some(space)),
            threads: Lock::new(Threads {
                alive: thread::Threads::new(),
                started: 0,
            }),
            preemptions: AtomicU64::new(0),
            migrations: AtomicU64::new(0),
            _counted: Counted::new(Kind::Process),
        }))
    }

    /// Whether none of its threads may run any more.
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::SeqCst)
    }

    /// Its capabilities, locked.
    pub fn table(&self) -> Guard<'_, Table, { rank::TABLE }> {
        self.table.lock()
    }

    /// What the assembly of messages sees of its capabilities.
    pub fn fast_table(&self) -> Arc<FastTable> {
        self.fast_table.clone()
    }

    /// The object of a handle; see [`Table::look_up`].
    pub fn look_up<T: Clone>(
        &self,
        handle: u64,
        needed: Rights,
        kind: fn(&Object) -> Option<&T>,
    ) -> Result<T, Refusal> {
        Ok(self.table.lock().look_up(Handle(handle), needed, kind)?.0)
    }

    /// Gives it a capability, whose object is paid by now; the table is its own affair.
    pub fn insert(&self, capability: Capability) -> Result<Handle, Refusal> {
        heap::paid()?;
        let _payer = heap::charge_to(&self.account);
        let mut table = self.table.lock();
        require(!self.has_ended(), Status::ProcessEnded)?;
        table.make_room(1)?;
        Ok(table.insert(capability, self))
    }

    /// For those who find it again, as long as it is there.
    pub fn me(&self) -> Weak<Process> {
        self.me.clone()
    }

    /// Its address space; none after the end.
    pub fn space(&self) -> Option<Arc<Space>> {
        self.space.lock().clone()
    }

    /// Its address space, or the refusal that it has ended.
    pub fn living_space(&self) -> Result<Arc<Space>, Refusal> {
        self.space().ok_or_else(|| Status::ProcessEnded.into())
    }

    /// Makes a thread, which nobody runs yet.
    pub fn add_thread(self: &Arc<Self>, frame: Frame, affinity: CpuMask) -> Result<Parked, Refusal> {
        let mut threads = self.threads.lock();
        require(!self.has_ended(), Status::ProcessEnded)?;
        let space = self.living_space()?;
        let thread = Thread::make(self, &space, threads.started, frame, affinity);
        let number = threads.started;
        let entry = Arc::downgrade(&thread.share());
        threads.alive.insert(number, entry);
        heap::paid().inspect_err(|_| drop(threads.alive.remove(&number)))?;
        threads.started += 1;
        thread.thread().count_calls(self.doom.is_arranged());
        Ok(thread)
    }

    /// Arranges for its end at a kernel call, see [`Doom`].
    pub fn arrange_end(&self, calls: u64, moment: Moment) {
        let threads = self.threads.lock();
        self.doom.arrange(calls, moment);
        let alive = threads.alive.values().filter_map(Weak::upgrade);
        breath::for_each(alive, breath::OFTEN, |thread| thread.count_calls(calls > 0));
    }

    /// Forgets a thread that was never started.
    pub fn forget_thread(&self, thread: &Thread) {
        self.threads.lock().alive.remove(&thread.number);
    }

    /// Ends a thread; the last one ends the process.
    pub fn end_thread(&self, thread: &Thread, end: End) {
        let is_last = {
            let mut threads = self.threads.lock();
            threads.alive.remove(&thread.number);
            threads.alive.is_empty()
        };
        thread.ending.finish(end);
        if is_last {
            self.end(end);
        }
    }

    /// Ends it, and those that it made: their threads never run again, and what they held goes back. The first end
    /// counts.
    pub fn end(&self, end: End) {
        self.end_alone(end);
        self.below.end_all();
    }

    /// The same without those that it made; who calls this ends them next.
    pub fn end_alone(&self, end: End) {
        if self.has_ended.swap(true, Ordering::SeqCst) {
            return;
        }
        let ended = Arc::new(core::mem::take(&mut self.threads.lock().alive));
        let threads = || ended.values().filter_map(Weak::upgrade);
        breath::for_each(threads(), breath::OFTEN, |thread| thread.note_end());
        let capabilities = self.table.lock().clear();
        let mut cpus = CpuMask::default();
        let space = self.space.lock().take();
        if let Some(space) = space {
            space.end(ended.clone());
            // CPUs that have its page table loaded let go of it as soon as they see the mark.
            breath::for_each(space.cpus().others(), 1, |cpu| {
                apic::send_ipi(cpu, apic::WAKE_VECTOR as u8);
                cpus.insert(cpu.index());
            });
        }
        schedule::release_ended();
        breath::for_each(capabilities, 1, drop);
        self.account.close();
        breath::for_each(threads(), 1, |thread| {
            if !thread.let_go() {
                thread.cpu().into_iter().for_each(|cpu| cpus.insert(cpu.index()));
            }
            thread.ending.finish(end);
        });
        ipc::ended::let_go(&cpus);
        thread::forget(Some(ended));
        self.ending.finish(end);
    }

    /// Signals a notification when it has ended and all of its memory is back: at once if it is by now.
    pub fn notice_end(&self, notification: &Arc<Notification>, bits: u64) -> Result<(), Refusal> {
        match self.remains.upgrade() {
            Some(space) => space.notices().add(notification, bits),
            None => {
                notification.signal(bits);
                Ok(())
            }
        }
    }

    /// A thread of it was made to wait for another one.
    pub fn count_preemption(&self) {
        self.preemptions.fetch_add(1, Ordering::Relaxed);
    }

    /// A thread of it goes on, on another CPU.
    pub fn count_migration(&self) {
        self.migrations.fetch_add(1, Ordering::Relaxed);
    }

    /// The words of `ProcessStats`.
    pub fn stats(&self) -> [u64; 7] {
        let [used, limit, heap] = self.account.count();
        let threads = self.threads.lock().alive.len() as u64;
        let [preemptions, migrations] =
            [&self.preemptions, &self.migrations].map(|count| count.load(Ordering::Relaxed));
        let bytes = self.account.heap().bytes_in_use();
        [preemptions, migrations, used, limit, threads, heap, bytes]
    }
}

impl Drop for Process {
    /// Its capabilities may be the last to other processes.
    fn drop(&mut self) {
        if let Some(maker) = self.maker.upgrade() {
            maker.below.forget(self);
        }
        burial::bury(self.table.get_mut().clear());
    }
}
