//! The caller that waits for a thread's answer.

use core::mem::ManuallyDrop;
use core::sync::atomic::Ordering;

use percpu_core::CpuId;

use super::{Parked, Thread, attention};

impl Thread {
    /// Takes the caller that waits for this thread's answer.
    ///
    /// The word is written by the holder of this thread's token, without a lock by the assembly. Others take the caller
    /// only of a thread whose process has ended, when no CPU can run it any more ([`super::Space`] is dropped
    /// then): no assembly touches the word from then on, and whoever else drops the thread exchanges it, too.
    pub fn take_caller(&self) -> Option<Parked> {
        // SAFETY: 1. every word here came from `set_caller` or the assembly, and the exchange takes it out.
        unsafe { Parked::from_word(self.caller.swap(0, Ordering::SeqCst)) }
    }
}

impl Parked {
    /// Takes the caller that waits for this thread's answer.
    pub fn take_caller(&mut self) -> Option<Parked> {
        let caller = self.thread().take_caller();
        self.thread()
            .set_attention(attention::CALLER_ELSEWHERE | attention::RAISED, 0);
        caller
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
    pub(super) fn cpu_of_caller(&self) -> Option<Option<CpuId>> {
        // SAFETY: 1. as in `Thread::take_caller`; the token is only looked at, and nobody takes it meanwhile.
        let caller = unsafe { Parked::from_word(self.thread().caller.load(Ordering::SeqCst)) };
        caller.map(|caller| ManuallyDrop::new(caller).thread().cpu())
    }
}
