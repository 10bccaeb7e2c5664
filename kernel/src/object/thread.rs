//! Threads, and the one token that each has.
//!
//! A thread that does not run is owned by whoever holds its [`Parked`]: a run queue, an endpoint, a reply
//! slot, a wait list. The token cannot be copied, so only its holder touches the registers. The thread that
//! runs on a CPU is that CPU's [`Running`].

use alloc::sync::Arc;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU16, Ordering};

use abi::Status;
use abi::syscall::CpuMask;
use percpu_core::CpuId;

use super::ending::Ending;
use super::{Capability, Process};
use crate::cpu;
use crate::cpu::frame::Frame;
use crate::ipc;
use crate::refusal::Answer;
use crate::sync::Lock;

/// A thread that has not run on any CPU.
const NOWHERE: u16 = u16::MAX;

/// A thread of a process.
pub struct Thread {
    /// Its process.
    pub process: Arc<Process>,
    /// Its number there, for reports.
    pub number: u64,
    /// Its end.
    pub ending: Ending,
    affinity: Lock<CpuMask>,
    /// The CPU that it ran on last.
    cpu: AtomicU16,
    context: UnsafeCell<Context>,
}

/// What only the holder of the thread's token touches.
pub struct Context {
    /// User registers.
    pub frame: Frame,
    /// FS base of user mode.
    pub fs_base: u64,
    /// The caller that this thread has received and not answered.
    pub caller: Option<Parked>,
    /// The capability that a call of this thread carries to its receiver.
    pub transfer: Option<Capability>,
}

// SAFETY: `context` is reached only through `Parked`, of which there is one for each thread (`make` makes it,
// nothing copies it) and which is `Send` like what it owns. Everything else is `Sync` by itself.
unsafe impl Sync for Thread {}

/// The token of a thread that is not running: whoever holds it owns the thread's registers.
pub struct Parked(Arc<Thread>);

/// The token of the thread that this CPU runs.
pub struct Running(Parked);

impl Thread {
    /// A thread that is in no queue yet. The token runs it.
    pub fn make(process: &Arc<Process>, number: u64, frame: Frame, affinity: CpuMask) -> Parked {
        let context = Context {
            frame,
            fs_base: 0,
            caller: None,
            transfer: None,
        };
        Parked(Arc::new(Thread {
            process: process.clone(),
            number,
            ending: Ending::new(),
            affinity: Lock::new(affinity),
            cpu: AtomicU16::new(NOWHERE),
            context: UnsafeCell::new(context),
        }))
    }

    /// The CPUs that it may run on.
    pub fn affinity(&self) -> CpuMask {
        *self.affinity.lock()
    }

    /// Changes the CPUs that it may run on.
    pub fn set_affinity(&self, mask: CpuMask) {
        *self.affinity.lock() = mask;
    }

    /// Whether it may run on `cpu`.
    pub fn may_run_on(&self, cpu: CpuId) -> bool {
        self.affinity.lock().contains(cpu.index())
    }

    /// The CPU that it runs on or ran on last.
    pub fn cpu(&self) -> Option<CpuId> {
        let cpu = self.cpu.load(Ordering::Relaxed);
        (cpu != NOWHERE).then(|| CpuId::new(cpu))
    }

    /// Notes where it runs now; whether that is a migration.
    pub fn note_cpu(&self, cpu: CpuId) -> bool {
        let before = self.cpu.swap(cpu.get(), Ordering::Relaxed);
        before != NOWHERE && before != cpu.get()
    }
}

impl Parked {
    /// The thread.
    pub fn thread(&self) -> &Arc<Thread> {
        &self.0
    }

    /// Its process.
    pub fn process(&self) -> &Arc<Process> {
        &self.0.process
    }

    /// Whether it must not run any more.
    pub fn is_dead(&self) -> bool {
        self.0.process.has_ended()
    }

    /// What the token owns.
    pub fn context(&mut self) -> &mut Context {
        // SAFETY: this is the thread's only token, borrowed mutably; no CPU runs the thread's user code now,
        // so the entry stubs do not write its frame.
        unsafe { &mut *self.0.context.get() }
    }

    /// Puts the answer of its call into its registers.
    pub fn answer(&mut self, answer: Answer) {
        let frame = &mut self.context().frame;
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
        if let Some(caller) = self.context().caller.take() {
            ipc::lose(caller);
        }
    }
}

impl Running {
    /// The token of the thread that this CPU was about to leave, or has entered.
    pub fn new(parked: Parked) -> Running {
        Running(parked)
    }

    /// Ends its time on this CPU: from here on somebody else may run it.
    pub fn park(mut self) -> Parked {
        cpu::switch_fs(&mut self.0.context().fs_base, 0);
        self.0
    }

    /// Keeps the token as it is, for a thread that goes on running here.
    pub fn stay(self) -> Parked {
        self.0
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
