//! Messages between threads and programs.

use abi::message::{MOST_GIFTS, gift};
use abi::{Call, Handle, Message, Received, Registers, Rights};

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
    #[inline]
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
    #[inline]
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

/// A capability that goes with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gift {
    /// The sender's handle. It needs the right `GRANT`.
    pub handle: Handle,
    /// At most these rights arrive.
    pub rights: Rights,
    /// Other than 0: a badge for an endpoint that has none.
    pub badge: u64,
    /// Whether the sender loses it; else it is copied.
    pub is_moved: bool,
}

impl Gift {
    /// A copy with all rights that the sender has.
    #[must_use]
    pub const fn copy(handle: Handle) -> Gift {
        Gift {
            handle,
            rights: Rights::ALL,
            badge: 0,
            is_moved: false,
        }
    }

    /// The capability itself.
    #[must_use]
    pub const fn moved(handle: Handle) -> Gift {
        Gift {
            is_moved: true,
            ..Gift::copy(handle)
        }
    }

    const fn words(self) -> [u64; 3] {
        let moved = if self.is_moved { gift::MOVED } else { 0 };
        [self.handle.0, self.rights.0 as u64 | moved, self.badge]
    }
}

/// Calls `send` with the message and these capabilities in it.
///
/// # Panics
/// With more than [`MOST_GIFTS`], or the message has one of its own.
fn with_gifts<T>(message: &Message, gifts: &[Gift], send: impl FnOnce(&Message) -> T) -> T {
    assert!(
        gifts.len() <= MOST_GIFTS && message.capability.is_none(),
        "too many capabilities"
    );
    let mut list = [[0; 3]; MOST_GIFTS];
    list.iter_mut()
        .zip(gifts)
        .for_each(|(to, gift)| *to = gift.words());
    let word = match gifts.len() {
        0 => 0,
        count => gift::word((&raw const list) as u64, count),
    };
    // The kernel reads it where it is.
    let list = core::hint::black_box(&list);
    let result = send(&message.with_capability(Handle(word)));
    core::hint::black_box(list);
    result
}

impl Endpoint {
    /// [`Endpoint::call`] with up to four capabilities.
    ///
    /// # Errors
    /// The kernel's refusal; all of them stay then.
    ///
    /// # Panics
    /// With more than four, or the message has one of its own.
    pub fn call_with(self, message: &Message, gifts: &[Gift]) -> Result<Message, Refusal> {
        with_gifts(message, gifts, |message| self.call(message))
    }

    /// [`Endpoint::reply_receive`] with up to four capabilities.
    ///
    /// # Errors
    /// The kernel's refusal; all of them stay then.
    ///
    /// # Panics
    /// With more than four, or the answer has one of its own.
    pub fn reply_receive_with(self, answer: &Message, gifts: &[Gift]) -> Result<Received, Refusal> {
        with_gifts(answer, gifts, |answer| self.reply_receive(answer))
    }
}

/// [`reply`] with up to four capabilities.
///
/// # Errors
/// The kernel's refusal; all of them stay then.
///
/// # Panics
/// With more than four, or the answer has one of its own.
pub fn reply_with(answer: &Message, gifts: &[Gift]) -> Result<(), Refusal> {
    with_gifts(answer, gifts, reply)
}

/// How many capabilities this thread takes with a message, 1 before it says so.
///
/// # Errors
/// The kernel's refusal: there can be no more than four.
pub fn accept(count: usize) -> Result<(), Refusal> {
    ask(Call::CapabilityAccept, &Registers::of(&[count as u64])).map(drop)
}

/// The handles of those that came with the last message with any that this thread got; the rest is none.
///
/// # Errors
/// The kernel's refusal.
pub fn received() -> Result<[Handle; MOST_GIFTS], Refusal> {
    let [_, a, b, c, d, ..] = ask(Call::CapabilityReceived, &Registers::default())?.0;
    Ok([a, b, c, d].map(Handle))
}

/// Takes every copy of a capability away from whoever has it, and every copy of those. How many there were.
///
/// # Errors
/// The kernel's refusal.
pub fn revoke(handle: Handle) -> Result<u64, Refusal> {
    let mut taken = 0;
    loop {
        let [some, are_all, ..] = ask(Call::CapabilityRevoke, &Registers::of(&[handle.0]))?.0;
        taken += some;
        if are_all != 0 {
            return Ok(taken);
        }
    }
}

/// Gives a capability up.
///
/// # Errors
/// The kernel's refusal.
pub fn drop_capability(handle: Handle) -> Result<(), Refusal> {
    ask(Call::CapabilityDrop, &Registers::of(&[handle.0])).map(drop)
}
