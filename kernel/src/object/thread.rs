//! Threads, and the one token that each has.
//!
//! A thread that does not run is owned by whoever holds its [`Parked`]: a run queue, an endpoint, a reply
//! slot, a wait list. The token cannot be copied, so only its holder touches the registers. The thread that
//! runs on a CPU is that CPU's [`Running`].
//!
//! A token is one word, the end of the thread's frame: where the entry stubs begin to push, and what the
//! assembly of messages (`cpu/fast_path.rs`) moves about without counting anything.

use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use core::cell::UnsafeCell;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use abi::Status;
use abi::syscall::CpuMask;
use percpu_core::CpuId;

use super::capability::{FastSlot, FastTable};
use super::census::{Counted, Kind};
use super::ending::Ending;
use super::fault_handler::FaultHandler;
use super::place::WaitsAt;
use super::queue::InRow;
use super::{Memory, Process, Space};
use crate::cpu::fpu::State;
use crate::cpu::frame::{Frame, SYSCALL_VECTOR};
use crate::cpu::{self, breath};
use crate::ipc;
use crate::ipc::capabilities::{Gifts, Handles};
use crate::mailbox::CpuSet;
use crate::memory::heap;
use crate::refusal::Answer;
use crate::schedule;
use crate::sync::{Lock, rank};

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

/// Where a thread may run.
#[derive(Clone, Copy)]
pub struct Affinity {
    /// On these CPUs.
    pub mask: CpuMask,
    /// As long as none of them is online, anywhere.
    pub is_loose: bool,
}

/// What only the holder of the thread's token touches.
#[repr(C)]
pub struct Context {
    /// User registers.
    pub frame: Frame,
    /// FS base of user mode.
    pub fs_base: u64,
    /// FPU registers, from the first use on.
    pub fpu: Option<State>,
    /// The word behind this thread in a chain of receivers, or in a row.
    pub next: u64,
    /// The word in front of it in a row.
    pub previous: u64,
    /// At which it runs, or would: a caller's, while it serves one; else its own. Wrong for a receiver that waits.
    pub priority: u64,
    /// Where its more words of a message are, in the physical map; 0 without a message page.
    pub page: u64,
    /// The memory with its message page.
    pub page_memory: Option<Arc<Memory>>,
    /// The address of its last page fault that was told.
    pub fault_address: u64,
    /// The badge that this thread's call used, while it waits for a receiver.
    pub badge: u64,
    /// The capabilities that a call of this thread carries to its receiver.
    pub gifts: Gifts,
    /// How many it takes.
    pub accepts: usize,
    /// The handles of those that came with the last message that had any.
    pub received: Handles,
}

/// What the assembly of messages reads of any thread, whoever holds its token.
#[repr(C)]
pub struct Fast {
    /// Not 0: this thread is for the kernel's Rust code. Bits of [`attention`].
    pub attention: AtomicU64,
    /// The page table of its process.
    pub root: u64,
    /// The CPUs that may hold translations of that: a `CpuSet`.
    pub cpus: *const CpuSet,
    /// Capabilities of its process: the slots of a [`FastTable`].
    pub table: *const FastSlot,
}

/// Why a thread's next step needs Rust code.
pub mod attention {
    /// Its process has ended.
    pub const ENDED: u64 = 1;
    /// Its set of CPUs or its priority was changed.
    pub const MOVED: u64 = 2;
    /// The caller that it holds is not a thread of its CPU.
    pub const CALLER_ELSEWHERE: u64 = 4;
    /// Its calls are counted, because its process is to end at one of them.
    pub const COUNTED: u64 = 8;
    /// It waits for a verdict on its fault, or goes on to its end with [`DOOMED`].
    pub const FAULTED: u64 = 16;
    /// Nobody resumes it after its fault: it ends its process as soon as it is run.
    pub const DOOMED: u64 = 32;
    /// It has changed its priority while it serves a caller, who has another.
    pub const RAISED: u64 = 64;
    /// Its own priority holds also while it serves somebody less urgent.
    pub const FLOOR: u64 = 128;
}

// SAFETY: `context` is reached only through `Parked`, of which there is one for each thread (`make` makes it,
// nothing copies it) and which is `Send` like what it owns. The pointers in `fast` lead to what `kept` holds,
// and both types are `Sync`. Everything else is `Send` and `Sync` by itself.
unsafe impl Sync for Thread {}
// SAFETY: as above.
unsafe impl Send for Thread {}

/// The token of a thread that is not running: whoever holds it owns the thread's registers, and keeps the
/// thread. A pointer to the end of its frame.
#[repr(transparent)]
pub struct Parked(NonNull<Frame>);

// SAFETY: it owns a reference to a thread, which is `Send` and `Sync`, and its context, which is `Send`.
unsafe impl Send for Parked {}

/// The token of the thread that this CPU runs.
pub struct Running(Parked);

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
        let context = Context {
            frame,
            fs_base: 0,
            fpu: None,
            next: 0,
            previous: 0,
            priority,
            page: 0,
            page_memory: None,
            fault_address: 0,
            badge: 0,
            gifts: Gifts::new(),
            accepts: 1,
            received: Handles::new(),
        };
        let own_priority = AtomicU64::new(priority);
        let (cpus, table) = (space.shared_cpus(), process.fast_table());
        Parked::of(Arc::new(Thread {
            context: UnsafeCell::new(context),
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

    /// Where it may run.
    pub fn affinity(&self) -> Affinity {
        *self.affinity.lock()
    }

    /// Changes the CPUs that it may run on.
    pub fn set_affinity(&self, affinity: Affinity) {
        *self.affinity.lock() = affinity;
        self.fast.attention.fetch_or(attention::MOVED, Ordering::SeqCst);
    }

    /// Whether it may run nowhere before one of its CPUs is online.
    pub fn is_bound_to_none_online(&self) -> bool {
        let affinity = self.affinity.lock();
        !affinity.is_loose && !schedule::is_any_online(&affinity.mask)
    }

    /// The same for a thread that waits on a CPU that is online: its CPUs must have been changed.
    pub fn is_stranded(&self) -> bool {
        let attention = self.fast.attention.load(Ordering::SeqCst);
        attention & attention::MOVED != 0 && self.is_bound_to_none_online()
    }

    /// Whether it may run on `cpu`.
    pub fn may_run_on(&self, cpu: CpuId) -> bool {
        let affinity = self.affinity.lock();
        affinity.mask.contains(cpu.index()) || affinity.is_loose && !schedule::is_any_online(&affinity.mask)
    }

    /// The CPU that it runs on or ran on last.
    pub fn cpu(&self) -> Option<CpuId> {
        let cpu = self.cpu.load(Ordering::Relaxed);
        (cpu != NOWHERE).then(|| CpuId::new(cpu))
    }

    /// Changes the priority at which it runs for itself.
    pub fn set_priority(&self, priority: u64) {
        self.own_priority.store(priority, Ordering::SeqCst);
        self.fast.attention.fetch_or(attention::MOVED, Ordering::SeqCst);
    }

    /// Whether its own priority holds also while it serves somebody less urgent. If it serves somebody without a floor now,
    /// it may be at another priority than he.
    pub fn set_floor(&self, is_floor: bool) {
        let had_floor = self.fast.attention.load(Ordering::SeqCst) & attention::FLOOR != 0;
        match is_floor {
            true => self.set_attention(attention::FLOOR, attention::FLOOR),
            false if had_floor => self.set_attention(attention::FLOOR | attention::RAISED, attention::RAISED),
            false => {}
        }
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

    /// Takes the caller that waits for this thread's answer.
    ///
    /// The word is written by the holder of this thread's token, without a lock by the assembly. Others take the caller
    /// only of a thread whose process has ended, when no CPU can run it any more ([`super::Space`] is dropped
    /// then): no assembly touches the word from then on, and whoever else drops the thread exchanges it, too.
    pub fn take_caller(&self) -> Option<Parked> {
        // SAFETY: 1. every word here came from `set_caller` or the assembly, and the exchange takes it out.
        unsafe { Parked::from_word(self.caller.swap(0, Ordering::SeqCst)) }
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

impl Parked {
    /// The token of a thread that has none yet.
    fn of(thread: Arc<Thread>) -> Parked {
        let thread = Arc::into_raw(thread).cast_mut().cast::<Frame>();
        Parked(NonNull::new(thread.wrapping_add(1)).expect("an Arc is not at the end of memory"))
    }

    /// The token as a word, for where only words can be kept.
    pub fn into_word(self) -> u64 {
        ManuallyDrop::new(self).0.as_ptr().expose_provenance() as u64
    }

    /// The token of a word; none of 0.
    ///
    /// # Safety
    /// 1. The word is 0, or came from [`Parked::into_word`] and has not been made a token again since.
    pub unsafe fn from_word(word: u64) -> Option<Parked> {
        NonNull::new(core::ptr::with_exposed_provenance_mut(word as usize)).map(Parked)
    }

    /// The word of a thread's token, for whoever knows where that is.
    pub fn word_of(thread: &Thread) -> u64 {
        let frame = core::ptr::from_ref(thread).cast::<Frame>();
        frame.wrapping_add(1).expose_provenance() as u64
    }

    fn pointer(&self) -> *const Thread {
        self.0.as_ptr().wrapping_sub(1).cast::<Thread>()
    }

    /// The thread.
    pub fn thread(&self) -> &Thread {
        // SAFETY: the token keeps the thread, and only `context` of it is ever borrowed mutably.
        unsafe { &*self.pointer() }
    }

    /// The thread, for whoever keeps it longer than the token.
    pub fn share(&self) -> Arc<Thread> {
        // SAFETY: the pointer came from `Arc::into_raw`, and the token holds a reference.
        unsafe { Arc::increment_strong_count(self.pointer()) };
        // SAFETY: the reference that was just counted.
        unsafe { Arc::from_raw(self.pointer()) }
    }

    /// Its process.
    pub fn process(&self) -> &Arc<Process> {
        &self.thread().process
    }

    /// Whether it must not run any more.
    pub fn is_dead(&self) -> bool {
        self.process().has_ended()
    }

    /// What the token owns.
    pub fn context(&mut self) -> &mut Context {
        // SAFETY: this is the thread's only token, borrowed mutably; no CPU runs the thread's user code now,
        // so the entry stubs do not write its frame.
        unsafe { &mut *self.thread().context.get() }
    }

    /// Takes the caller that waits for this thread's answer.
    pub fn take_caller(&mut self) -> Option<Parked> {
        let caller = self.thread().take_caller();
        self.thread()
            .set_attention(attention::CALLER_ELSEWHERE | attention::RAISED, 0);
        caller
    }

    /// The priority at which it is to run: without a caller its own.
    pub fn settle_priority(&mut self) -> u64 {
        let thread = self.thread();
        if thread.caller.load(Ordering::Relaxed) == 0 {
            let own = thread.own_priority.load(Ordering::SeqCst);
            self.context().priority = own;
        }
        self.context().priority
    }

    /// Takes over the priority of a caller that it is to serve.
    pub fn take_over(&mut self, priority: u64) {
        let floor = match self.has_attention(attention::FLOOR) {
            true => self.thread().own_priority.load(Ordering::SeqCst),
            false => 0,
        };
        self.context().priority = priority.max(floor);
    }

    /// Runs at this priority from now on, until it answers whom it serves.
    pub fn raise(&mut self, priority: u64) {
        self.thread().set_priority(priority);
        self.context().priority = priority;
        if self.thread().caller.load(Ordering::Relaxed) != 0 {
            self.thread().set_attention(attention::RAISED, attention::RAISED);
        }
    }

    /// Lets a caller wait for this thread's answer. It holds none.
    pub fn set_caller(&mut self, caller: Parked) {
        // Settled anew before it is run elsewhere.
        if caller.thread().cpu() != self.thread().cpu() {
            self.thread()
                .set_attention(attention::CALLER_ELSEWHERE, attention::CALLER_ELSEWHERE);
        }
        self.set_caller_here(caller);
    }

    /// The same for a caller of the CPU at which this thread waited.
    pub fn set_caller_here(&mut self, caller: Parked) {
        let before = self.thread().caller.swap(caller.into_word(), Ordering::SeqCst);
        assert!(before == 0, "a thread that receives has no caller any more");
    }

    /// The CPU of the caller that waits for the answer of this thread, which a CPU runs or is about to.
    fn cpu_of_caller(&self) -> Option<Option<CpuId>> {
        // SAFETY: 1. as in `Thread::take_caller`; the token is only looked at, and nobody takes it meanwhile.
        let caller = unsafe { Parked::from_word(self.thread().caller.load(Ordering::SeqCst)) };
        caller.map(|caller| ManuallyDrop::new(caller).thread().cpu())
    }

    /// Settles what the assembly has to know before it is run on `cpu`, which it may run on.
    pub fn settle_on(&mut self, cpu: CpuId) {
        let is_elsewhere = self.cpu_of_caller().is_some_and(|home| home != Some(cpu));
        let elsewhere = if is_elsewhere {
            attention::CALLER_ELSEWHERE
        } else {
            0
        };
        self.thread()
            .set_attention(attention::CALLER_ELSEWHERE | attention::MOVED, elsewhere);
    }

    /// The same for a thread that was looked at before: a change of its CPUs since then is not forgotten.
    pub fn settle_again_on(&mut self, cpu: CpuId) {
        self.settle_on(cpu);
        if !self.thread().may_run_on(cpu) {
            self.thread().set_attention(attention::MOVED, attention::MOVED);
        }
    }

    /// Its fault is told to somebody, from whom it gets a verdict.
    pub fn note_fault(&mut self, address: u64) {
        self.context().fault_address = address;
        self.thread()
            .set_attention(attention::FAULTED, attention::FAULTED);
    }

    /// Whether it waits for a verdict on its fault, not for an answer.
    pub fn has_faulted(&self) -> bool {
        self.has_attention(attention::FAULTED)
    }

    /// Whether its fault ends its process.
    pub fn is_doomed(&self) -> bool {
        self.has_attention(attention::DOOMED)
    }

    fn has_attention(&self, bits: u64) -> bool {
        self.thread().fast.attention.load(Ordering::SeqCst) & bits != 0
    }

    /// The verdict on its fault.
    pub fn settle_fault(&mut self, goes_on: bool) {
        let value = if goes_on {
            0
        } else {
            attention::FAULTED | attention::DOOMED
        };
        self.thread()
            .set_attention(attention::FAULTED | attention::DOOMED, value);
    }

    /// Puts the answer of its call into its registers.
    pub fn answer(&mut self, answer: Answer) {
        let frame = &mut self.context().frame;
        // The assembly of messages does not say so: the frame may be that of an interrupt before the call.
        frame.vector = SYSCALL_VECTOR;
        match answer {
            Ok(registers) => {
                frame.set_registers(&registers);
                frame.set_status(Status::Ok);
            }
            Err(refusal) => {
                [frame.rdi, frame.rsi] = refusal.words;
                frame.set_status(refusal.status);
            }
        }
    }
}

/// A thread that goes leaves no caller waiting.
impl Drop for Parked {
    fn drop(&mut self) {
        if let Some(caller) = self.thread().take_caller() {
            ipc::lose(caller);
        }
        // SAFETY: the token's own reference, which came from `Arc::into_raw`.
        drop(unsafe { Arc::from_raw(self.pointer()) });
    }
}

impl Running {
    /// The token of the thread that this CPU was about to leave, or has entered.
    pub fn new(parked: Parked) -> Running {
        Running(parked)
    }

    /// Ends its time on this CPU: from here on somebody else may run it.
    pub fn park(mut self) -> Parked {
        let context = self.0.context();
        context.fs_base = cpu::fs_base();
        if let Some(fpu) = &mut context.fpu {
            fpu.save();
        }
        self.0
    }

    /// Its first use of the FPU; whether there is room for its state.
    pub fn open_fpu(&mut self) -> bool {
        let account = self.process().account.clone();
        let fpu = &mut self.0.context().fpu;
        if fpu.is_none() {
            let _payer = heap::charge_to(&account);
            *fpu = State::new().filter(|_| heap::paid().is_ok());
        }
        fpu.as_ref().inspect(|fpu| fpu.load()).is_some()
    }

    /// Gives the token back to where it was taken from, for a thread that goes on running here.
    pub fn stay(self) {
        // It still stands there: the exit takes this thread's frame.
        let _ = ManuallyDrop::new(self.0);
    }
}

impl core::ops::Deref for Running {
    type Target = Parked;
    fn deref(&self) -> &Parked {
        &self.0
    }
}

impl core::ops::DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Parked {
        &mut self.0
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
