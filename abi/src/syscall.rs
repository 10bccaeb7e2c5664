//! The system calls: their numbers, and how arguments lie in registers.
//!
//! `syscall` with the number in `rax`. Arguments and results are the nine words of [`Registers`]; each call
//! below names its words in that order, unused ones are ignored and should be zero. `rcx` and `r11` are lost
//! (the instruction takes them), every other register keeps its value unless it carries a result. When a call that has waited
//! for somebody is refused, the nine words are lost.

mod arguments;
mod records;

use crate::{Handle, Message, Received};

pub use arguments::{Argument, Kind};
pub use records::{CpuMask, End, MemoryKind, Moment, Placement, access};

/// Argument and result words, in this order: `rdi rsi rdx r10 r8 r9 r12 r13 r14`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Registers(pub [u64; 9]);

impl Registers {
    /// Arguments for a call that takes fewer than nine words.
    #[must_use]
    pub fn of(words: &[u64]) -> Registers {
        let mut registers = Registers::default();
        for (to, from) in registers.0.iter_mut().zip(words) {
            *to = *from;
        }
        registers
    }

    /// A message for `first` (the endpoint's handle, or the badge of the caller).
    #[must_use]
    pub const fn message(first: u64, message: &Message) -> Registers {
        let w = &message.words;
        Registers([
            first,
            message.label,
            w[0],
            w[1],
            w[2],
            w[3],
            w[4],
            w[5],
            message.capability.0,
        ])
    }

    /// The badge and message in these words.
    #[must_use]
    pub const fn received(&self) -> Received {
        let r = &self.0;
        let words = [r[2], r[3], r[4], r[5], r[6], r[7]];
        Received {
            badge: r[0],
            message: Message {
                label: r[1],
                words,
                capability: Handle(r[8]),
            },
        }
    }
}

macro_rules! calls {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal,)+) => {
        /// The calls of the kernel. Arguments → results, refusals common to all calls left out: a bad handle
        /// is `NoSuchHandle` or `StaleHandle`, a wrong one `WrongKind` or `MissingRight`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u64)]
        pub enum Call {
            $($(#[doc = $doc])+ $name = $number,)+
        }

        impl Call {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Call] = &[$(Call::$name,)+];

            /// The call with this number; `None` for a number that no call has.
            #[must_use]
            pub const fn from_word(word: u64) -> Option<Call> {
                match word {
                    $($number => Some(Call::$name),)+
                    _ => None,
                }
            }
        }
    };
}

calls! {
    /// Nothing, the cheapest way into the kernel and back.
    Nothing = 0,
    /// `[endpoint: SEND, message…]` → `[0, answer…]`: sends and waits for the answer. A capability in the
    /// message is copied (it needs `GRANT`); for several see [`crate::message::gift`]. `ReplyLost` when the receiver ends
    /// first; `TableFull`, `TooManyCapabilities` when it cannot take them: then all stay where they are. `NoMessagePage` for
    /// more words without a page, the caller's or the receiver's.
    Call = 1,
    /// `[endpoint: RECEIVE, answer…]` → `[badge, message…]`: answers the caller that this thread received
    /// last, and waits for the next one. Without such a caller it just waits. More words for a caller without a
    /// message page are left out.
    ReplyReceive = 2,
    /// `[endpoint: RECEIVE]` → `[badge, message…]`: waits for a caller. One that was not answered yet gets
    /// `ReplyLost`.
    Receive = 3,
    /// `[0, answer…]` → `[]`: answers the caller that this thread received last. `NoCaller` without one.
    Reply = 4,
    /// `[memory: READ and WRITE, or 0 for none, byte offset]` → `[]`: where the calling thread has the
    /// [`crate::message::MORE_WORDS`] more words of messages with [`crate::message::IN_PAGE`]. A multiple of 64 in memory
    /// that is not per-CPU. The thread keeps the memory. `BadArgument`, `Misaligned`.
    MessagePage = 5,
    /// `[process: MANAGE, limit, priority]` → `[]`: the highest priority that it may give to a thread, and the one that its
    /// threads begin with. A new process has [`DEFAULT_PRIORITY`] for both, or its maker's limit. `BadArgument`,
    /// `PriorityTooHigh`.
    ProcessPriority = 7,
    /// `[]` → `[endpoint]` with all rights and badge 0. `EndpointsExhausted`.
    EndpointCreate = 8,
    /// `[]` → `[notification]` with all rights.
    NotificationCreate = 9,
    /// `[notification: SEND, bits]` → `[]`: sets bits; never waits. `BadArgument` without any.
    NotificationSignal = 10,
    /// `[notification: RECEIVE]` → `[bits]`: waits until some are set, and takes them all. `Bound`.
    NotificationWait = 11,
    /// `[notification: RECEIVE]` → `[bits]`: takes them all, 0 when none is set. `Bound`.
    NotificationCollect = 12,
    /// `[notification: RECEIVE, endpoint: RECEIVE]` → `[]`: from now on its bits go to receivers at the endpoint, as
    /// a message with [`NOTIFICATION_BADGE`] and the bits as its label, before any call. `Bound`.
    NotificationBind = 13,
    /// `[frames, name, name]` → `[process, window]`: an empty process that may own `frames` frames, taken from
    /// the caller's account, with a name of up to 16 bytes (zero padded) for reports. `AccountExhausted`,
    /// `BadArgument` (zero frames).
    ProcessCreate = 16,
    /// `[process: READ]` → `[preemptions, migrations, frames used, frame limit, threads, heap frames, heap bytes]`;
    /// heap frames are those of the frames used that hold kernel objects, and heap bytes what these objects are.
    ProcessStats = 17,
    /// `[process: MANAGE]` → `[]`: ends it and all of its threads, and the processes that it made, and so on.
    ProcessEnd = 18,
    /// `[process or thread: READ]` → `[end kind, code, address, instruction]`: waits until it has ended; see
    /// [`End`].
    Wait = 19,
    /// `[code]`: ends the caller's own process.
    ProcessExit = 20,
    /// `[process or window: READ, notification: SEND, bits]` → `[]`: signals the bits when the process has ended
    /// and all memory that was mapped there is back; at once when it is by now. `BadArgument` without bits,
    /// `TableFull`.
    DeathNotice = 21,
    /// `[]` → `[]`: lets another thread of this CPU run for a slice at most, or until it comes into the kernel, also one that
    /// is less urgent: all priorities take turns. For who waits for somebody, and does not know for whom.
    ThreadLend = 23,
    /// `[process: MANAGE, entry, stack, argument, cpu]` → `[thread]`: starts a thread at `entry` with
    /// `rsp = stack` and `rdi = argument`, on CPU `cpu` only or on any ([`ANY_CPU`]). `BadAddress`,
    /// `NotOnline`, `ProcessEnded`.
    ThreadCreate = 24,
    /// `[code]`: ends the calling thread; the process ends with its last thread.
    ThreadExit = 25,
    /// `[]` → `[]`: lets the next thread of this CPU run that is as urgent.
    ThreadYield = 26,
    /// `[thread: MANAGE or 0 for the caller, mask × 4, loosely]` → `[]`: the CPUs it may run on, bit c of word c / 64.
    /// A caller that may not stay moves at once. As long as no CPU of the mask is online, the thread does not run
    /// (`loosely` 0), or may run anywhere (`loosely` 1). `NotOnline` when none is online now, `BadArgument`.
    ThreadAffinity = 27,
    /// `[thread or process: MANAGE, or 0 for the caller, endpoint: SEND, or 0 for none]` → `[]`: where its faults are told, see
    /// [`crate::fault`]. A thread's own goes before its process'. The endpoint is not kept by this, and whoever takes back what
    /// is below the capability, or the capability, takes this back, too. `BeingRevoked`, `TooDeep`.
    ThreadFaults = 28,
    /// `[address]` → `[]`: writes all registers of the thread whose fault this thread received last to its memory, see
    /// [`crate::fault::FaultRegisters`]. `NotFaulted`, `BadAddress`.
    FaultRegisters = 29,
    /// `[address]` → `[]`: the opposite. `NotFaulted`, `BadAddress` (also for an instruction or stack outside user space).
    FaultSetRegisters = 30,
    /// `[thread: MANAGE, or 0 for the caller, priority, is floor]` → `[]`: below [`PRIORITIES`], greater is more urgent. As a
    /// floor (1, not 0) it holds also while the thread serves a less urgent caller: for servers with locks. The caller itself
    /// runs at it from now on, also while it serves somebody, until it answers. `BadArgument`, `PriorityTooHigh`.
    ThreadPriority = 31,
    /// `[account: MANAGE process, pages, placement]` → `[memory]`: cleared frames, paid by that process. See
    /// [`Placement`]. `NodeExhausted`, `AccountExhausted`, `BadArgument` (none, or over [`MAX_MEMORY_PAGES`]).
    MemoryCreate = 32,
    /// `[process: MANAGE, memory, address, first page, pages, access]` → `[]`: see [`access`]; the memory
    /// capability needs `READ`, and `WRITE` for a writable mapping. Not for per-CPU memory. `Misaligned`,
    /// `BadAddress`, `AlreadyMapped`, `AccountExhausted` (page tables are paid too).
    MemoryMap = 33,
    /// `[process: MANAGE, address, pages]` → `[]`: `NotMapped` when any page of the range is not.
    MemoryUnmap = 34,
    /// `[memory: READ]` → `[id, pages, kind, pages in windows, clean pages]`: a number that no other memory object has
    /// or had, its pages (of each CPU), a [`MemoryKind`]; clean are those that `WindowMap` need not clear.
    MemoryQuery = 35,
    /// `[window: MANAGE, memory: MANAGE, window page, memory page, pages, tag, note]` → `[]`: maps pages of
    /// per-CPU memory at the same place in all units, CPU c's frames in unit c, cleared; remembers the tag
    /// for the range and the note for the window. `PageInUse`, `AlreadyMapped`, `BadArgument`,
    /// `AccountExhausted`.
    WindowMap = 40,
    /// `[window: MANAGE, window page, pages, note]` → `[pages taken away]`: takes whatever is mapped at these
    /// pages away from all units and waits until no CPU can reach it. `NotMapped` when nothing is.
    WindowUnmap = 41,
    /// `[window: WRITE, byte offset, source address, bytes]` → `[]`: copies at most a page of the caller's
    /// memory to the same offset of every unit. `NotMapped`, `BadAddress`, `BadArgument`.
    WindowFill = 42,
    /// `[window: READ, start page]` → `[first page, pages, tag, note, memory id, memory page]`: the first mapped
    /// range at or behind `start page`. `NotMapped` when there is none. Word 0: the note.
    WindowQuery = 43,
    /// `[window: MANAGE, list address, entries, tag, note]` → `[]`: what `WindowMap` does, for up to
    /// [`MAX_WINDOW_LIST`] ranges at once, all or none; an entry is the four words `[memory: MANAGE, window page,
    /// memory page, pages]`. `BadAddress`, and the refusals of `WindowMap`.
    WindowMapList = 44,
    /// `[window: MANAGE, note]` → `[]`: sets the note alone.
    WindowNote = 45,
    /// `[window: MANAGE, page]` → `[memory]` with all rights: what is mapped at a page. `NotMapped`.
    WindowMemory = 46,
    /// `[window: READ, page]` → `[mask × 4]`: the CPUs in whose units this page has a frame. `NotMapped`.
    WindowPopulated = 47,
    /// `[process: MANAGE, capability: GRANT, rights, badge]` → `[handle in that process]`: copies a capability
    /// with at most `rights`. A badge other than 0 can be given only to an endpoint that has none;
    /// [`NOTIFICATION_BADGE`] to nobody.
    CapabilityGrant = 48,
    /// `[capability]` → `[]`.
    CapabilityDrop = 49,
    /// `[machine: MANAGE, interrupt]` → `[interrupt]` with all rights: claims an interrupt of a device, an ISA one below
    /// 16, else a line of the I/O APICs. `BadArgument` without such a line, `InUse`.
    InterruptCreate = 72,
    /// `[interrupt: MANAGE, notification: SEND, bits]` → `[]`: from now on it arrives on the caller's CPU and sets these
    /// bits. `BadArgument` without bits.
    InterruptBind = 73,
    /// `[interrupt: MANAGE]` → `[]`: the device is silent, the interrupt may come again. One by edge needs none.
    InterruptAcknowledge = 74,
    /// `[machine: MANAGE, first, count]` → `[ports]` with all rights: I/O ports. `BadArgument` for none, or beyond 65,536.
    PortsCreate = 75,
    /// `[ports: READ, port, width]` → `[value]`: reads 1, 2 or 4 bytes. `BadArgument` for others, or ports that are not
    /// among them.
    PortRead = 76,
    /// `[ports: WRITE, port, width, value]` → `[]`: writes them. `BadArgument`, also for a value that is too large.
    PortWrite = 77,
    /// `[machine: READ]` → `[free frames, heap frames, own heap bytes, processes, threads, endpoints, notifications,
    /// memory objects, heap bytes]`: what there is now; heap frames and bytes are those of all accounts, own heap bytes the
    /// kernel's.
    MachineStats = 50,
    /// `[capability]` → `[how many were taken, whether these were all]`: takes every copy that was made of it away
    /// from whoever has it, and every copy of those; some at a time. Until all are gone, nothing can be copied from it.
    /// Threads that wait go on waiting: what they asked for was permitted.
    CapabilityRevoke = 51,
    /// `[how many]` → `[]`: the calling thread takes so many capabilities with a message, 1 before it says so.
    /// `BadArgument`.
    CapabilityAccept = 52,
    /// `[]` → `[how many, handle × 4]`: of the last message with any that the calling thread got.
    CapabilityReceived = 53,
    /// `[console: WRITE, address, bytes]` → `[]`: at most [`MAX_CONSOLE_BYTES`], printed in one piece.
    ConsoleWrite = 56,
    /// `[machine: MANAGE, verdict]`: ends the run: 0 all checks done, 1 a check failed.
    MachineExit = 57,
    /// `[process: MANAGE, calls, moment]` → `[]`: for tests: ends the process at its call with this number from now
    /// on (the next is 1), see [`Moment`]; 0 calls take it back. `BadArgument`.
    DebugEndAt = 58,
    /// `[machine: WRITE, cpu]` → `[]`: takes a CPU off, and returns when it is parked: its threads have moved or are
    /// kept, its units stay. A caller that runs there moves first. `BadArgument` (no such CPU, or the caller may run
    /// nowhere else), `BootCpu`, `NotOnline`, `CpusChanging`.
    CpuOffline = 60,
    /// `[machine: WRITE, cpu]` → `[]`: brings a CPU back, and returns when it is online. `BadArgument` (no such CPU),
    /// `AlreadyOnline`, `NotPresent`, `CpusChanging`.
    CpuOnline = 61,
    /// `[machine: READ, notification: SEND, gone, come]` → `[]`: from now on signals the bits `gone` whenever a CPU
    /// was taken off, and `come` whenever one is online again. `BadArgument` without bits, `TableFull`.
    CpuNotice = 62,
    /// `[cpu, byte offset, bytes, expected, new]` → `[found]`: changes 1, 2, 4 or 8 bytes in the caller's own window, in
    /// the unit of a CPU that does not run, from `expected` to `new` if they are so; the CPU stays off meanwhile.
    /// `AlreadyOnline` when it runs, `BadArgument`, `Misaligned`, `NotMapped`.
    ParkedExchange = 63,
    /// `[memory: MANAGE, first page, pages]` → `[pages cleared]`: clears pages of per-CPU memory that are in no
    /// window, on all CPUs, as far as they are not clean, so that `WindowMap` need not. `PageInUse`, `BadArgument`.
    MemoryClean = 64,
}

/// The badge of bits of a notification among messages; no capability is ever given it.
pub const NOTIFICATION_BADGE: u64 = u64::MAX;

/// For [`Call::ThreadCreate`]: no particular CPU.
pub const ANY_CPU: u64 = u64::MAX;

/// Priorities are below this.
pub const PRIORITIES: u64 = 8;

/// The most urgent one: init's and the percpu server's, for what they do by themselves.
pub const HIGHEST_PRIORITY: u64 = PRIORITIES - 1;

/// The priority of whom nobody gave another.
pub const DEFAULT_PRIORITY: u64 = 3;

/// Most frames of one memory object (per-CPU memory: pages × possible CPUs).
pub const MAX_MEMORY_PAGES: u64 = 1 << 16;

/// Most entries of one [`Call::WindowMapList`].
pub const MAX_WINDOW_LIST: u64 = 128;

/// Longest text of one [`Call::ConsoleWrite`].
pub const MAX_CONSOLE_BYTES: u64 = 512;
