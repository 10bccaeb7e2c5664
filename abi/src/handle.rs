//! Handles name capabilities; rights say what a capability permits.
//!
//! A handle is the index of a slot in the caller's capability table together with the slot's generation: a
//! handle of a capability that was dropped never names the one that took its slot.

/// The caller's name for a capability. Zero names none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Handle(pub u64);

impl Handle {
    /// No capability.
    pub const NONE: Handle = Handle(0);

    /// The handle of slot `index` (below 65,536) in its `generation`.
    #[must_use]
    pub const fn new(index: u16, generation: u32) -> Handle {
        Handle((generation as u64) << 16 | index as u64)
    }

    /// The slot in the capability table.
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0 & 0xffff) as usize
    }

    /// The generation of the slot that this handle was made for; bits above it make a handle invalid.
    #[must_use]
    pub const fn generation(self) -> u64 {
        self.0 >> 16
    }

    /// Whether this names no capability.
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

/// What a capability permits: a set of bits. A copy never has more than its source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(transparent)]
pub struct Rights(pub u32);

impl Rights {
    /// Nothing.
    pub const NONE: Rights = Rights(0);
    /// Read (memory), query (process statistics, waiting for an end, notices of CPUs).
    pub const READ: Rights = Rights(1);
    /// Write (memory, console, filling a window), take CPUs of the machine off and on.
    pub const WRITE: Rights = Rights(2);
    /// Call an endpoint.
    pub const SEND: Rights = Rights(4);
    /// Receive at an endpoint.
    pub const RECEIVE: Rights = Rights(8);
    /// Copy the capability to another process.
    pub const GRANT: Rights = Rights(16);
    /// Change the object: map into a process, create its threads, end it, map into a window, end the machine.
    pub const MANAGE: Rights = Rights(32);
    /// All rights that exist.
    pub const ALL: Rights = Rights(63);

    /// Whether every right in `needed` is in this set.
    #[must_use]
    pub const fn contains(self, needed: Rights) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// The rights in both sets.
    #[must_use]
    pub const fn and(self, other: Rights) -> Rights {
        Rights(self.0 & other.0)
    }

    /// The rights in either set.
    #[must_use]
    pub const fn or(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    /// Checks a word from a user: bits that are no right are refused.
    #[must_use]
    pub const fn from_word(word: u64) -> Option<Rights> {
        if word & !(Rights::ALL.0 as u64) == 0 {
            Some(Rights(word as u32))
        } else {
            None
        }
    }
}
