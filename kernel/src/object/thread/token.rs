//! The one token of a thread: of one that waits, or of the one that a CPU runs.

use alloc::sync::Arc;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;

use abi::Status;

use super::{Context, Thread};
use crate::cpu;
use crate::cpu::fpu::State;
use crate::cpu::frame::{Frame, SYSCALL_VECTOR};
use crate::ipc;
use crate::memory::heap;
use crate::object::Process;
use crate::refusal::Answer;

/// The token of a thread that is not running: whoever holds it owns the thread's registers, and keeps the
/// thread. A pointer to the end of its frame.
#[repr(transparent)]
pub struct Parked(NonNull<Frame>);

// SAFETY: it owns a reference to a thread, which is `Send` and `Sync`, and its context, which is `Send`.
unsafe impl Send for Parked {}

impl Parked {
    /// The token of a thread that has none yet.
    pub(super) fn of(thread: Arc<Thread>) -> Parked {
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

    pub(super) fn has_attention(&self, bits: u64) -> bool {
        self.thread().fast.attention.load(Ordering::SeqCst) & bits != 0
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

/// The token of the thread that this CPU runs.
pub struct Running(Parked);

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
