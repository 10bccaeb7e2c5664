//! What each call takes, word by word, and how each wrong word is refused: one table, from which tests try them all.
//!
//! A wrong handle is refused in the same way everywhere: `NoSuchHandle`, `StaleHandle`, `WrongKind`, `MissingRight`.
//! Words are looked at in an order, so what is said here holds for one wrong word among right ones.

use super::{
    Call, DEFAULT_PRIORITY, HIGHEST_PRIORITY, MAX_CONSOLE_BYTES, MAX_MEMORY_PAGES, MAX_WINDOW_LIST,
    NOTIFICATION_BADGE, PRIORITIES,
};
use crate::window::WINDOW_BASE;
use crate::{PAGE_SIZE, Rights, Status};

/// What a capability can be to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A process.
    Process,
    /// A thread.
    Thread,
    /// An endpoint.
    Endpoint,
    /// A notification.
    Notification,
    /// A memory object.
    Memory,
    /// The window of a process.
    Window,
    /// The console.
    Console,
    /// The machine.
    Machine,
    /// An interrupt of a device.
    Interrupt,
    /// I/O ports.
    Ports,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 10] = [
        Kind::Process,
        Kind::Thread,
        Kind::Endpoint,
        Kind::Notification,
        Kind::Memory,
        Kind::Window,
        Kind::Console,
        Kind::Machine,
        Kind::Interrupt,
        Kind::Ports,
    ];
}

/// A word that a call takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Argument {
    /// A handle of one of these kinds with these rights. If the call needs the process to live, the last one is what it
    /// says when it does not.
    Object(&'static [Kind], Rights, Option<Status>),
    /// The same, or no handle.
    Optional(&'static [Kind], Rights),
    /// A handle of any kind with these rights.
    Any(Rights),
    /// No handle, or one of any kind with the right to grant it, or a list of such.
    Carried,
    /// Any word at all.
    Word,
    /// A number: these are wrong, among many, each for its reason.
    Number(&'static [(u64, Status)]),
}

use Argument::{Any, Carried, Number, Object, Optional, Word};
use Status::{
    AccountExhausted, BadAddress, BadArgument, Misaligned, NotMapped, NotOnline, PriorityTooHigh,
    ProcessEnded,
};

/// An address of the kernel.
const KERNEL: u64 = 0xffff_ffff_8020_0000;
/// The first address that is not canonical.
const HOLE: u64 = 0x8000_0000_0000;
/// The last page of user space, which can never be mapped.
const LAST_PAGE: u64 = HOLE - PAGE_SIZE;
/// The last page of all.
const TOP_PAGE: u64 = 0u64.wrapping_sub(PAGE_SIZE);
const MAX: u64 = u64::MAX;

const PROCESS: &[Kind] = &[Kind::Process];
const ENDPOINT: &[Kind] = &[Kind::Endpoint];
const NOTIFICATION: &[Kind] = &[Kind::Notification];
const MEMORY: &[Kind] = &[Kind::Memory];
const WINDOW: &[Kind] = &[Kind::Window];

const NOT_ZERO: Argument = Number(&[(0, BadArgument)]);
const READABLE: Argument = Number(&[
    (0, BadAddress),
    (KERNEL, BadAddress),
    (HOLE - 1, BadAddress),
    (HOLE, BadAddress),
    (LAST_PAGE, BadAddress),
    (MAX, BadAddress),
]);
/// Pages of a memory object of two, with one page of it asked for.
const PAGE_OF_TWO: Argument = Number(&[(2, BadArgument), (MAX - 1, BadArgument), (MAX, BadArgument)]);
const PAGES_OF_TWO: Argument = Number(&[(0, BadArgument), (3, BadArgument), (MAX, BadArgument)]);
const UNIT_PAGE: Argument = Number(&[(0, BadArgument), (1 << 52, BadArgument), (MAX, BadArgument)]);
/// Of a process that has what everybody has.
const PRIORITY: Argument = Number(&[
    (HIGHEST_PRIORITY, PriorityTooHigh),
    (PRIORITIES, BadArgument),
    (MAX, BadArgument),
]);
const EMPTY_PAGE: Argument = Number(&[(0, NotMapped), (MAX, NotMapped)]);

const fn living(kinds: &'static [Kind], rights: Rights) -> Argument {
    Object(kinds, rights, Some(ProcessEnded))
}

const fn any_state(kinds: &'static [Kind], rights: Rights) -> Argument {
    Object(kinds, rights, None)
}

impl Call {
    /// What the call takes. Words behind these are ignored.
    #[must_use]
    pub const fn arguments(self) -> &'static [Argument] {
        match self {
            Call::Nothing
            | Call::Reply
            | Call::EndpointCreate
            | Call::NotificationCreate
            | Call::ProcessExit
            | Call::ThreadExit
            | Call::ThreadYield
            | Call::ThreadLend
            | Call::CapabilityReceived => &[],
            Call::Call => {
                const {
                    &[
                        any_state(ENDPOINT, Rights::SEND),
                        Word,
                        Word,
                        Word,
                        Word,
                        Word,
                        Word,
                        Word,
                        Carried,
                    ]
                }
            }
            Call::ReplyReceive | Call::Receive => const { &[any_state(ENDPOINT, Rights::RECEIVE)] },
            Call::NotificationSignal => const { &[any_state(NOTIFICATION, Rights::SEND), NOT_ZERO] },
            Call::NotificationWait | Call::NotificationCollect => {
                const { &[any_state(NOTIFICATION, Rights::RECEIVE)] }
            }
            Call::NotificationBind => {
                const {
                    &[
                        any_state(NOTIFICATION, Rights::RECEIVE),
                        any_state(ENDPOINT, Rights::RECEIVE),
                    ]
                }
            }
            Call::ProcessCreate => {
                const {
                    &[
                        Number(&[
                            (0, BadArgument),
                            (1 << 40, AccountExhausted),
                            (MAX, AccountExhausted),
                        ]),
                        Word,
                        Word,
                    ]
                }
            }
            Call::ProcessStats => const { &[any_state(PROCESS, Rights::READ)] },
            Call::ProcessEnd => const { &[any_state(PROCESS, Rights::MANAGE)] },
            Call::Wait => const { &[any_state(&[Kind::Process, Kind::Thread], Rights::READ)] },
            Call::DeathNotice => {
                const {
                    &[
                        any_state(&[Kind::Process, Kind::Window], Rights::READ),
                        any_state(NOTIFICATION, Rights::SEND),
                        NOT_ZERO,
                    ]
                }
            }
            Call::ThreadCreate => {
                const {
                    &[
                        living(PROCESS, Rights::MANAGE),
                        Number(&[
                            (KERNEL, BadAddress),
                            (HOLE, BadAddress),
                            (LAST_PAGE, BadAddress),
                            (MAX, BadAddress),
                        ]),
                        Number(&[(KERNEL, BadAddress), (HOLE, BadAddress), (MAX, BadAddress)]),
                        Word,
                        Number(&[(1 << 16, BadArgument), (MAX - 1, BadArgument)]),
                    ]
                }
            }
            Call::ThreadAffinity => {
                const {
                    &[
                        Optional(&[Kind::Thread], Rights::MANAGE),
                        Number(&[(0, NotOnline)]),
                        Word,
                        Word,
                        Word,
                    ]
                }
            }
            Call::ThreadFaults => {
                const {
                    &[
                        Optional(&[Kind::Thread, Kind::Process], Rights::MANAGE),
                        Optional(ENDPOINT, Rights::SEND),
                    ]
                }
            }
            Call::MessagePage => const { &[Optional(MEMORY, Rights::READ.or(Rights::WRITE)), Word] },
            // As for `MachineExit`: nobody else has the machine to try.
            Call::CpuOffline | Call::CpuOnline => {
                const { &[any_state(&[Kind::Machine], Rights::WRITE), Word] }
            }
            Call::CpuNotice => {
                const {
                    &[
                        any_state(&[Kind::Machine], Rights::READ),
                        any_state(NOTIFICATION, Rights::SEND),
                        Word,
                        Word,
                    ]
                }
            }
            Call::ParkedExchange => &[Word],
            // Without a fault to look at, no word is better than others.
            Call::FaultRegisters | Call::FaultSetRegisters => &[Word],
            Call::ThreadPriority => const { &[Optional(&[Kind::Thread], Rights::MANAGE), PRIORITY] },
            Call::ProcessPriority => {
                const {
                    &[
                        any_state(PROCESS, Rights::MANAGE),
                        PRIORITY,
                        Number(&[(DEFAULT_PRIORITY + 1, BadArgument), (MAX, BadArgument)]),
                    ]
                }
            }
            Call::MemoryClean => const { &[any_state(MEMORY, Rights::MANAGE), PAGE_OF_TWO, PAGES_OF_TWO] },
            // As for `MachineExit`: nobody else has the machine to try.
            Call::InterruptCreate | Call::PortsCreate => {
                const { &[any_state(&[Kind::Machine], Rights::MANAGE), Word, Word] }
            }
            Call::InterruptBind => {
                const {
                    &[
                        any_state(&[Kind::Interrupt], Rights::MANAGE),
                        any_state(NOTIFICATION, Rights::SEND),
                        NOT_ZERO,
                    ]
                }
            }
            Call::InterruptAcknowledge => const { &[any_state(&[Kind::Interrupt], Rights::MANAGE)] },
            Call::PortRead => const { &[any_state(&[Kind::Ports], Rights::READ), Word, Word] },
            Call::PortWrite => const { &[any_state(&[Kind::Ports], Rights::WRITE), Word, Word, Word] },
            Call::MemoryCreate => {
                const {
                    &[
                        living(PROCESS, Rights::MANAGE),
                        Number(&[
                            (0, BadArgument),
                            (MAX_MEMORY_PAGES + 1, BadArgument),
                            (MAX, BadArgument),
                        ]),
                        Number(&[
                            (0xfff0, BadArgument),
                            (1 << 16, BadArgument),
                            (MAX - 3, BadArgument),
                        ]),
                    ]
                }
            }
            Call::MemoryMap => {
                const {
                    &[
                        living(PROCESS, Rights::MANAGE),
                        any_state(MEMORY, Rights::READ),
                        Number(&[
                            (0, BadAddress),
                            (1, Misaligned),
                            (PAGE_SIZE + 8, Misaligned),
                            (WINDOW_BASE, BadAddress),
                            (LAST_PAGE - PAGE_SIZE, BadAddress),
                            (LAST_PAGE, BadAddress),
                            (HOLE, BadAddress),
                            (KERNEL, BadAddress),
                            (TOP_PAGE, BadAddress),
                        ]),
                        PAGE_OF_TWO,
                        PAGES_OF_TWO,
                        Number(&[(3, BadArgument), (MAX, BadArgument)]),
                    ]
                }
            }
            Call::MemoryUnmap => {
                const {
                    &[
                        living(PROCESS, Rights::MANAGE),
                        Number(&[
                            (0, BadAddress),
                            (1, Misaligned),
                            (2 * PAGE_SIZE, NotMapped),
                            (WINDOW_BASE, BadAddress),
                            (LAST_PAGE, BadAddress),
                            (HOLE, BadAddress),
                            (KERNEL, BadAddress),
                            (TOP_PAGE, BadAddress),
                        ]),
                        Number(&[(0, BadArgument), (1 << 52, BadAddress), (MAX, BadAddress)]),
                    ]
                }
            }
            Call::MemoryQuery => const { &[any_state(MEMORY, Rights::READ)] },
            Call::WindowMap => {
                const {
                    &[
                        living(WINDOW, Rights::MANAGE),
                        any_state(MEMORY, Rights::MANAGE),
                        UNIT_PAGE,
                        PAGE_OF_TWO,
                        PAGES_OF_TWO,
                        Word,
                        Word,
                    ]
                }
            }
            Call::WindowUnmap => {
                const {
                    &[
                        living(WINDOW, Rights::MANAGE),
                        Number(&[(0, NotMapped), (MAX, BadArgument)]),
                        Number(&[(0, BadArgument), (MAX, BadArgument)]),
                        Word,
                    ]
                }
            }
            Call::WindowFill => {
                const {
                    &[
                        living(WINDOW, Rights::WRITE),
                        Number(&[(0, NotMapped), (MAX, BadArgument)]),
                        READABLE,
                        Number(&[(PAGE_SIZE + 1, BadArgument), (MAX, BadArgument)]),
                    ]
                }
            }
            Call::WindowQuery => const { &[living(WINDOW, Rights::READ), Number(&[(MAX, NotMapped)])] },
            Call::WindowMapList => {
                const {
                    &[
                        living(WINDOW, Rights::MANAGE),
                        READABLE,
                        Number(&[
                            (0, BadArgument),
                            (MAX_WINDOW_LIST + 1, BadArgument),
                            (MAX, BadArgument),
                        ]),
                        Word,
                        Word,
                    ]
                }
            }
            Call::WindowNote => const { &[living(WINDOW, Rights::MANAGE), Word] },
            Call::WindowMemory => const { &[living(WINDOW, Rights::MANAGE), EMPTY_PAGE] },
            Call::WindowPopulated => const { &[living(WINDOW, Rights::READ), EMPTY_PAGE] },
            Call::CapabilityGrant => {
                const {
                    &[
                        living(PROCESS, Rights::MANAGE),
                        Any(Rights::GRANT),
                        Number(&[
                            (Rights::ALL.0 as u64 + 1, BadArgument),
                            (1 << 32, BadArgument),
                            (MAX, BadArgument),
                        ]),
                        Number(&[(NOTIFICATION_BADGE, BadArgument)]),
                    ]
                }
            }
            Call::CapabilityDrop => &[Any(Rights::NONE)],
            Call::CapabilityRevoke => &[Any(Rights::NONE)],
            Call::CapabilityAccept => const { &[Number(&[(5, BadArgument), (MAX, BadArgument)])] },
            Call::MachineStats => const { &[any_state(&[Kind::Machine], Rights::READ)] },
            Call::ConsoleWrite => {
                const {
                    &[
                        any_state(&[Kind::Console], Rights::WRITE),
                        READABLE,
                        Number(&[(MAX_CONSOLE_BYTES + 1, BadArgument), (MAX, BadArgument)]),
                    ]
                }
            }
            // Nobody but init, who ends by it, could try verdicts.
            Call::MachineExit => const { &[any_state(&[Kind::Machine], Rights::MANAGE), Word] },
            Call::DebugEndAt => {
                const {
                    &[
                        any_state(PROCESS, Rights::MANAGE),
                        Number(&[(1 << 63, BadArgument), (MAX, BadArgument)]),
                        Number(&[(2, BadArgument), (MAX, BadArgument)]),
                    ]
                }
            }
        }
    }
}
