//! Messages between threads and programs.

use abi::{Call, Handle, Message, Received, Registers};

use crate::Refusal;
use crate::syscall::ask;

/// An endpoint by its handle: calls arrive at it, and are answered in the order in which they are received.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint(pub Handle);

impl Endpoint {
    /// A new endpoint, with all rights.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn create() -> Result<Endpoint, Refusal> {
        let results = ask(Call::EndpointCreate, &Registers::default())?;
        Ok(Endpoint(Handle(results.0[0])))
    }

    /// Sends a message and waits for the answer.
    ///
    /// # Errors
    /// The kernel's refusal; `ReplyLost` when the receiver ended without an answer.
    pub fn call(self, message: &Message) -> Result<Message, Refusal> {
        let results = ask(Call::Call, &Registers::message(self.0.0, message))?;
        Ok(results.received().message)
    }

    /// Waits for a caller.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn receive(self) -> Result<Received, Refusal> {
        let results = ask(Call::Receive, &Registers::of(&[self.0.0]))?;
        Ok(results.received())
    }

    /// Answers the caller that was received last, and waits for the next.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn reply_receive(self, answer: &Message) -> Result<Received, Refusal> {
        let results = ask(Call::ReplyReceive, &Registers::message(self.0.0, answer))?;
        Ok(results.received())
    }
}

/// Answers the caller that this thread received last.
///
/// # Errors
/// The kernel's refusal.
pub fn reply(answer: &Message) -> Result<(), Refusal> {
    ask(Call::Reply, &Registers::message(0, answer)).map(drop)
}

/// Gives a capability up.
///
/// # Errors
/// The kernel's refusal.
pub fn drop_capability(handle: Handle) -> Result<(), Refusal> {
    ask(Call::CapabilityDrop, &Registers::of(&[handle.0])).map(drop)
}
