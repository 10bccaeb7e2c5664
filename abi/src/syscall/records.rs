//! Arguments and results of calls that are more than a number: accesses, placements, ends, CPU sets.

use crate::MAX_CPUS;

/// What a mapping permits, for [`super::Call::MemoryMap`]. Every mapping is readable; writable and executable
/// exclude each other.
pub mod access {
    /// Read only.
    pub const READ: u64 = 0;
    /// Read and write.
    pub const WRITE: u64 = 1;
    /// Read and execute.
    pub const EXECUTE: u64 = 2;
}

/// Where the frames of a memory object lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Placement {
    /// On the caller's node, or on another when that one is exhausted.
    Anywhere,
    /// On the node with this number, or refused.
    Node(u16),
    /// `pages` frames for each possible CPU, each on its CPU's node: memory for windows.
    PerCpu,
    /// The same, but each frame is only kept free on its node, and taken when its page is touched.
    PerCpuOnTouch,
}

impl Placement {
    /// The word for the call.
    #[must_use]
    pub const fn encode(self) -> u64 {
        match self {
            Placement::Anywhere => u64::MAX,
            Placement::PerCpu => u64::MAX - 1,
            Placement::PerCpuOnTouch => u64::MAX - 2,
            Placement::Node(node) => node as u64,
        }
    }

    /// Reads the word back; `None` for one that means nothing.
    #[must_use]
    pub const fn decode(word: u64) -> Option<Placement> {
        match word {
            u64::MAX => Some(Placement::Anywhere),
            w if w == u64::MAX - 1 => Some(Placement::PerCpu),
            w if w == u64::MAX - 2 => Some(Placement::PerCpuOnTouch),
            w if w < 0x1_0000 => Some(Placement::Node(w as u16)),
            _ => None,
        }
    }
}

/// What a memory object is, as [`super::Call::MemoryQuery`] tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum MemoryKind {
    /// Frames in a row.
    Plain = 0,
    /// Frames for each possible CPU.
    PerCpu = 1,
    /// Frames for each possible CPU that are taken when they are touched.
    PerCpuOnTouch = 2,
    /// A part of the first chunk.
    FirstChunk = 3,
}

/// For [`super::Call::DebugEndAt`]: when a process is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Moment {
    /// Before the call does anything.
    Before = 0,
    /// After it did all that it does; one that waits, all that comes before the wait.
    After = 1,
}

impl Moment {
    /// Reads the word back; `None` for one that means nothing.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Moment> {
        match word {
            0 => Some(Moment::Before),
            1 => Some(Moment::After),
            _ => None,
        }
    }
}

/// How a process or thread ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// By itself, with this code; 0 is success.
    Exited(u64),
    /// By a fault: the vector (SDM volume 3, table 6-1), for a page fault the address, and where.
    Faulted {
        /// Exception vector, 0 to 31.
        vector: u64,
        /// Value of CR2 for a page fault, else 0.
        address: u64,
        /// The instruction's address.
        instruction: u64,
    },
    /// Ended by another one.
    Killed,
}

impl End {
    /// The four result words of [`super::Call::Wait`].
    #[must_use]
    pub const fn encode(self) -> [u64; 4] {
        match self {
            End::Exited(code) => [0, code, 0, 0],
            End::Faulted {
                vector,
                address,
                instruction,
            } => [1, vector, address, instruction],
            End::Killed => [2, 0, 0, 0],
        }
    }

    /// Reads the words back; `None` when they mean nothing.
    #[must_use]
    pub const fn decode(words: [u64; 4]) -> Option<End> {
        match words[0] {
            0 => Some(End::Exited(words[1])),
            1 => Some(End::Faulted {
                vector: words[1],
                address: words[2],
                instruction: words[3],
            }),
            2 => Some(End::Killed),
            _ => None,
        }
    }
}

/// A set of CPUs as the four words of [`super::Call::ThreadAffinity`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CpuMask(pub [u64; MAX_CPUS / 64]);

impl CpuMask {
    /// Every CPU.
    pub const ALL: CpuMask = CpuMask([u64::MAX; MAX_CPUS / 64]);

    /// One CPU; the empty set when there is no such number.
    #[must_use]
    pub fn only(cpu: usize) -> CpuMask {
        let mut mask = CpuMask::default();
        if let Some(word) = mask.0.get_mut(cpu / 64) {
            *word = 1 << (cpu % 64);
        }
        mask
    }

    /// Puts a CPU into the set; a number that no CPU can have changes nothing.
    pub fn insert(&mut self, cpu: usize) {
        if let Some(word) = self.0.get_mut(cpu / 64) {
            *word |= 1 << (cpu % 64);
        }
    }

    /// Takes a CPU out of the set.
    pub fn remove(&mut self, cpu: usize) {
        if let Some(word) = self.0.get_mut(cpu / 64) {
            *word &= !(1 << (cpu % 64));
        }
    }

    /// Whether `cpu` is in the set.
    #[must_use]
    pub fn contains(&self, cpu: usize) -> bool {
        self.0
            .get(cpu / 64)
            .is_some_and(|word| word >> (cpu % 64) & 1 == 1)
    }
}
