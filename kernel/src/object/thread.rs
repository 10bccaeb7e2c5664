//! Threads, and the one token that each has.
//!
//! A thread that does not run is owned by whoever holds its [`Parked`]: a run queue, an endpoint, a reply
//! slot, a wait list. The token cannot be copied, so only its holder touches the registers. The thread that
//! runs on a CPU is that CPU's [`Running`].
//!
//! A token is one word, the end of the thread's frame: where the entry stubs begin to push, and what the
//! assembly of messages (`cpu/fast_path.rs`) moves about without counting anything.

mod affinity;
mod caller;
mod context;
mod fault;
mod priority;
mod token;

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use abi::syscall::CpuMask;
use percpu_core::CpuId;

use super::capability::FastTable;
use super::census::{Counted, Kind};
use super::ending::Ending;
use super::fault_handler::FaultHandler;
use super::place::WaitsAt;
use super::queue::InRow;
use super::{Process, Space};
use crate::cpu::breath;
use crate::cpu::frame::Frame;
use crate::mailbox::CpuSet;
use crate::sync::{Lock, rank};

pub use affinity::Affinity;
pub use context::{Context, Fast, attention};
pub use token::{Parked, Running};

/// A thread that has not run on any CPU.
const NOWHERE: u16 = u16::MAX;

/// A thread of a process.
#[repr(C)]
pub struct Thread {
    /// First, because a token points to the end of the frame in it.
    pub(crate) context: UnsafeCell<Context>,
    pub(crate) fast: Fast,
    /// Its process.
    pub process: Arc<Process>,
    /// Its number there, for reports.
    pub number: u64,
    /// Its end.
    pub ending: Ending,
    /// The caller that it has received and not answered: the word of a token, or 0. See [`Thread::take_caller`].
    pub(crate) caller: AtomicU64,
    /// Where its faults are told.
    pub handler: FaultHandler,
    /// What it waits for in a row.
    pub waits_at: WaitsAt,
    /// In which row it waits.
    pub in_row: InRow,
    /// At which it runs for itself.
    pub(crate) own_priority: AtomicU64,
    /// The CPU in whose queue it was put last.
    queue: AtomicU16,
    affinity: Lock<Affinity, { rank::AFFINITY }>,
    /// The CPU that it ran on last.
    cpu: AtomicU16,
    /// What `fast` points to.
    kept: (Arc<CpuSet>, Arc<FastTable>),
    _counted: Counted,
}

// SAFETY: `context` is reached only through `Parked`, of which there is one for each thread (`make` makes it,
// nothing copies it) and which is `Send` like what it owns. The pointers in `fast` lead to what `kept` holds,
// and both types are `Sync`. Everything else is `Send` and `Sync` by itself.
unsafe impl Sync for Thread {}
// SAFETY: as above.
unsafe impl Send for Thread {}

impl Thread {
    /// A thread that is in no queue yet. The token runs it.
    pub fn make(
        process: &Arc<Process>,
        space: &Space,
        number: u64,
        frame: Frame,
        affinity: CpuMask,
    ) -> Parked {
        let priority = process.priorities.start();
        let own_priority = AtomicU64::new(priority);
        let (cpus, table) = (space.shared_cpus(), process.fast_table());
        Parked::of(Arc::new(Thread {
            context: UnsafeCell::new(Context::new(frame, priority)),
            fast: Fast {
                attention: AtomicU64::new(0),
                root: space.root(),
                cpus: Arc::as_ptr(&cpus),
                table: table.slots().as_ptr(),
            },
            process: process.clone(),
            number,
            ending: Ending::new(),
            caller: AtomicU64::new(0),
            handler: FaultHandler::none(),
            waits_at: WaitsAt::nothing(),
            in_row: InRow::none(),
            own_priority,
            queue: AtomicU16::new(NOWHERE),
            affinity: Lock::new(Affinity {
                mask: affinity,
                is_loose: false,
            }),
            cpu: AtomicU16::new(NOWHERE),
            kept: (cpus, table),
            _counted: Counted::new(Kind::Thread),
        }))
    }

    /// The CPU that it runs on or ran on last.
    pub fn cpu(&self) -> Option<CpuId> {
        let cpu = self.cpu.load(Ordering::Relaxed);
        (cpu != NOWHERE).then(|| CpuId::new(cpu))
    }

    /// The CPU in whose queue it was put last.
    pub fn queue(&self) -> Option<CpuId> {
        let cpu = self.queue.load(Ordering::SeqCst);
        (cpu != NOWHERE).then(|| CpuId::new(cpu))
    }

    /// Notes in whose queue it is put.
    pub fn note_queue(&self, cpu: CpuId) {
        self.queue.store(cpu.get(), Ordering::SeqCst);
    }

    /// For CR3.
    pub fn root(&self) -> u64 {
        self.fast.root
    }

    /// Whether nothing about it has changed since a CPU entered it.
    pub fn is_settled(&self) -> bool {
        self.fast.attention.load(Ordering::SeqCst) & !attention::FLOOR == 0
    }

    /// Whether it ran on `cpu` last, which keeps its address space, and needs no look before it goes on there.
    pub fn is_settled_on(&self, cpu: CpuId) -> bool {
        self.is_settled() && self.cpu.load(Ordering::Relaxed) == cpu.get() && self.kept.0.contains(cpu)
    }

    /// Notes where it runs now; whether that is a migration.
    pub fn note_cpu(&self, cpu: CpuId) -> bool {
        let before = self.cpu.swap(cpu.get(), Ordering::Relaxed);
        before != NOWHERE && before != cpu.get()
    }

    /// Its process has ended: no assembly may run it any more.
    pub fn note_end(&self) {
        self.fast.attention.fetch_or(attention::ENDED, Ordering::SeqCst);
    }

    /// Its process is to end at one of its calls, or not any more.
    pub fn count_calls(&self, is_counted: bool) {
        let value = if is_counted { attention::COUNTED } else { 0 };
        self.set_attention(attention::COUNTED, value);
    }

    fn set_attention(&self, bits: u64, value: u64) {
        let before = self.fast.attention.load(Ordering::SeqCst);
        if value & !before != 0 {
            self.fast.attention.fetch_or(value, Ordering::SeqCst);
        }
        if before & bits & !value != 0 {
            self.fast.attention.fetch_and(!(bits & !value), Ordering::SeqCst);
        }
    }
}

/// Threads of a process, by their numbers.
pub type Threads = BTreeMap<u64, Weak<Thread>>;

/// Lets go of what is left of threads that have ended, if nobody else has the list.
pub fn forget(ended: Option<Arc<Threads>>) {
    if let Some(mut threads) = ended.and_then(Arc::into_inner) {
        breath::for_each(core::iter::from_fn(|| threads.pop_first()), 1, drop);
    }
}
