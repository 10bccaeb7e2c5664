//! init's protocol for programs that start, count and arm: the stress program and tests. A program has it only if
//! its entry in the list of programs says so.
//!
//! A request's label is its number; its words are its arguments, the others must be zero. An answer's label is 0
//! or [`REFUSED`].

use crate::message::{MESSAGE_WORDS, Message};

/// The answer to everything that makes no sense or did not work. The cause is on the console.
pub const REFUSED: u64 = 1;

/// What a program asks of init.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// → `{}` + the process: one more process of the asking program, with these three numbers as its argument.
    Launch([u64; 3]),
    /// `{calls, moment}` → `{}`: the percpu server ends at this kernel call of its, see
    /// [`crate::Call::DebugEndAt`].
    ArmServer([u64; 2]),
    /// The same for the percpu server that will follow, from its first call on.
    ArmNextServer([u64; 2]),
    /// → `{restarts}` of the percpu server.
    Restarts,
    /// `{pages}` → `{}`: the asking program's quota at the percpu server.
    SetQuota(u64),
    /// → `{pages}` that the percpu server gave back to the kernel.
    Drain,
    /// → `{}`: the percpu server ends now.
    EndServer,
    /// → `{}` + the machine, to take CPUs off and on and to be told of that, no more.
    Machine,
    /// `{cpu, 1 for on or 0 for off}` → `{label, word}` of the percpu server's answer.
    SetCpu([u64; 2]),
    /// → `{frames, frames, frames}` that init's account and that of the pools have used, and those of init's that have
    /// kernel objects.
    Frames,
}

/// The requests' numbers.
pub mod number {
    #![expect(missing_docs, reason = "each is the number of the request of that name")]
    pub const LAUNCH: u64 = 1;
    pub const ARM_SERVER: u64 = 2;
    pub const ARM_NEXT_SERVER: u64 = 3;
    pub const RESTARTS: u64 = 4;
    pub const SET_QUOTA: u64 = 5;
    pub const DRAIN: u64 = 6;
    pub const END_SERVER: u64 = 7;
    pub const MACHINE: u64 = 8;
    pub const SET_CPU: u64 = 9;
    pub const FRAMES: u64 = 16;
}

impl Request {
    /// The message to send.
    #[must_use]
    pub const fn encode(self) -> Message {
        match self {
            Request::Launch([a, b, c]) => Message::new(number::LAUNCH, [a, b, c, 0, 0, 0]),
            Request::ArmServer([calls, moment]) => {
                Message::new(number::ARM_SERVER, [calls, moment, 0, 0, 0, 0])
            }
            Request::ArmNextServer([calls, moment]) => {
                Message::new(number::ARM_NEXT_SERVER, [calls, moment, 0, 0, 0, 0])
            }
            Request::Restarts => Message::new(number::RESTARTS, [0; MESSAGE_WORDS]),
            Request::SetQuota(pages) => Message::new(number::SET_QUOTA, [pages, 0, 0, 0, 0, 0]),
            Request::Drain => Message::new(number::DRAIN, [0; MESSAGE_WORDS]),
            Request::EndServer => Message::new(number::END_SERVER, [0; MESSAGE_WORDS]),
            Request::Machine => Message::new(number::MACHINE, [0; MESSAGE_WORDS]),
            Request::SetCpu([cpu, is_on]) => Message::new(number::SET_CPU, [cpu, is_on, 0, 0, 0, 0]),
            Request::Frames => Message::new(number::FRAMES, [0; MESSAGE_WORDS]),
        }
    }

    /// Reads a message that anyone may have sent; `None` when it is no request.
    #[must_use]
    pub fn decode(message: &Message) -> Option<Request> {
        let [a, b, c, ..] = message.words;
        let request = match message.label {
            number::LAUNCH => Request::Launch([a, b, c]),
            number::ARM_SERVER => Request::ArmServer([a, b]),
            number::ARM_NEXT_SERVER => Request::ArmNextServer([a, b]),
            number::RESTARTS => Request::Restarts,
            number::SET_QUOTA => Request::SetQuota(a),
            number::DRAIN => Request::Drain,
            number::END_SERVER => Request::EndServer,
            number::MACHINE => Request::Machine,
            number::SET_CPU => Request::SetCpu([a, b]),
            number::FRAMES => Request::Frames,
            _ => return None,
        };
        (request.encode() == *message).then_some(request)
    }
}
