//! The kernel's refusals: each has a number, a name and one cause. A refused call has changed nothing.

macro_rules! statuses {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal,)+) => {
        /// What the kernel answers in `rax`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u64)]
        pub enum Status {
            $($(#[doc = $doc])+ $name = $number,)+
        }

        impl Status {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Status] = &[$(Status::$name,)+];

            /// The status with this number; `None` for a number that no status has.
            #[must_use]
            pub const fn from_word(word: u64) -> Option<Status> {
                match word {
                    $($number => Some(Status::$name),)+
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    /// Done.
    Ok = 0,
    /// `rax` held a number that no call has.
    UnknownCall = 1,
    /// The handle names no slot, or an empty one.
    NoSuchHandle = 2,
    /// The handle's capability was dropped; its slot has another generation now.
    StaleHandle = 3,
    /// The capability is to an object of another kind than the call takes.
    WrongKind = 4,
    /// The capability lacks a right that the call needs.
    MissingRight = 5,
    /// A number is outside the range that the call takes.
    BadArgument = 6,
    /// An address range is empty of meaning: not in user space, wraps around, or not mapped as needed.
    BadAddress = 7,
    /// An address or offset is not a multiple of what the call asks for.
    Misaligned = 8,
    /// No node that may serve the request has enough free frames. Word 0: the node, or all ones.
    NodeExhausted = 9,
    /// The account that has to pay is at its limit. Word 0: the limit in frames, word 1: frames used.
    AccountExhausted = 10,
    /// The capability table that should take the new capability is full. Word 0: its limit.
    TableFull = 11,
    /// The one who should answer ended without answering.
    ReplyLost = 12,
    /// There is no caller to answer.
    NoCaller = 13,
    /// Something is mapped there already.
    AlreadyMapped = 14,
    /// Nothing is mapped there.
    NotMapped = 15,
    /// The process has ended.
    ProcessEnded = 16,
    /// A page of per-CPU memory is mapped in a window already: it can be in one only.
    PageInUse = 17,
    /// A CPU that was named is not online.
    NotOnline = 18,
    /// The kernel's heap has no room for the object.
    HeapExhausted = 19,
    /// The notification is bound to an endpoint: its bits arrive there.
    Bound = 20,
    /// CPU 0 cannot be taken off.
    BootCpu = 21,
    /// The caller that this thread received last, if there is one, has not faulted.
    NotFaulted = 22,
    /// The caller's process may not give so high a priority. Word 0: the highest that it may.
    PriorityTooHigh = 23,
    /// All per-CPU words for endpoints that the process, or one that made it, may have are taken. Word 0: how many
    /// that are.
    EndpointsExhausted = 24,
    /// More words than registers hold, and the sender or the receiver has no message page.
    NoMessagePage = 25,
    /// The capability, or one that it was derived from, is being revoked: nothing can be derived from it meanwhile.
    BeingRevoked = 26,
    /// The capability is a copy of a copy of a copy, and so on, as often as can be.
    TooDeep = 27,
    /// More capabilities come with the message than its receiver takes.
    TooManyCapabilities = 28,
    /// The CPU that was named is online, or on its way.
    AlreadyOnline = 30,
    /// Another CPU is just going or coming. Asking again helps.
    CpusChanging = 31,
    /// The CPU that was named is only announced by firmware, or does not report.
    NotPresent = 32,
    /// Somebody has it already, and there is only one.
    InUse = 37,
}

impl Status {
    /// `Ok` for [`Status::Ok`], otherwise the refusal.
    ///
    /// # Errors
    /// The status itself, when it is a refusal.
    pub const fn into_result(self) -> Result<(), Status> {
        match self {
            Status::Ok => Ok(()),
            refusal => Err(refusal),
        }
    }
}
