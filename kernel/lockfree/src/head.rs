//! The word at which receivers of an endpoint wait on one CPU. Only that CPU changes it; the set of CPUs where
//! somebody may wait is shared.

use percpu_core::CpuId;

use crate::atomic::Cell;
use crate::cpu_set::CpuSet;

/// Nobody waits, and whoever wants to wait has to ask for callers first.
pub const CLOSED: u64 = 0;
/// Nobody waits, no caller waits that this CPU knows of, and this CPU is in the set.
pub const OPEN: u64 = 1;

/// This CPU's word, the set, and which CPU this is. Every other value of the word is the first receiver.
pub struct Head<'a> {
    /// See above.
    pub word: &'a Cell<u64>,
    /// CPUs on which somebody may wait.
    pub cpus: &'a CpuSet,
    /// This CPU.
    pub cpu: CpuId,
}

impl Head<'_> {
    /// A receiver is about to wait. Whoever calls holds the lock of the callers, and has seen that none waits.
    #[inline]
    pub fn open(&self) {
        if self.word.get() == CLOSED {
            self.cpus.insert(self.cpu);
            self.word.set(OPEN);
        }
    }

    /// A caller waits, and no receiver does here: the next one has to ask for it.
    #[inline]
    pub fn close(&self) {
        if self.word.get() == OPEN {
            self.word.set(CLOSED);
        }
    }

    /// The same, and nobody needs to ask this CPU any more.
    #[inline]
    pub fn leave(&self) {
        self.close();
        if self.word.get() == CLOSED {
            self.cpus.remove(self.cpu);
        }
    }
}
