//! A message: a label, six words and at most one capability. The kernel carries it and knows no protocol.

use crate::Handle;

/// Most capabilities that go with a message.
pub const MOST_GIFTS: usize = 4;

/// Several capabilities in one message: where its capability stands among the words, stands the place of a list in the
/// sender's memory. An entry is three words `[handle, rights, badge]`. The receiver gets the first one's handle in the
/// message, and asks for the others ([`crate::Call::CapabilityReceived`]).
pub mod gift {
    use super::MOST_GIFTS;

    /// Set in the word: it is the place of a list.
    pub const LIST: u64 = 1 << 63;
    /// Set beside the rights: the sender loses the capability, the receiver gets it and not a copy.
    pub const MOVED: u64 = 1 << 32;
    /// Bytes of an entry.
    pub const BYTES: usize = 24;

    /// The word for a list at an address, a multiple of 8 in user space, of so many entries.
    #[must_use]
    pub const fn word(address: u64, count: usize) -> u64 {
        LIST | address | count as u64
    }

    /// The address and length of a list; `None` for a word that makes no sense.
    #[must_use]
    pub const fn place(word: u64) -> Option<(u64, usize)> {
        let count = (word & 7) as usize;
        match word & LIST != 0 && count > 0 && count <= MOST_GIFTS {
            true => Some((word & !LIST & !7, count)),
            false => None,
        }
    }
}

/// Words in a message, beside the label.
pub const MESSAGE_WORDS: usize = 6;

/// Words of a long message: those of a [`Message`], and [`MORE_WORDS`] that lie in the message page.
pub const LONG_WORDS: usize = MESSAGE_WORDS + MORE_WORDS;

/// Words in a thread's message page, at the place that [`crate::Call::MessagePage`] named.
pub const MORE_WORDS: usize = 4;

/// In place of a capability: more words of this message are in the message page. What is received has it only if they were
/// sent: without it the page's words are from before, and not this message's.
pub const IN_PAGE: Handle = Handle(u64::MAX);

/// What a caller sends, and what a server answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Message {
    /// The request's number, or the answer's status: the protocol decides.
    pub label: u64,
    /// The arguments.
    pub words: [u64; MESSAGE_WORDS],
    /// The capability to copy to the other side (it needs the right `GRANT`), or the handle of the one
    /// received.
    pub capability: Handle,
}

impl Message {
    /// A message without a capability; words beyond `words` are zero.
    #[must_use]
    pub const fn new(label: u64, words: [u64; MESSAGE_WORDS]) -> Message {
        Message {
            label,
            words,
            capability: Handle::NONE,
        }
    }

    /// The same message with a capability.
    #[must_use]
    pub const fn with_capability(self, capability: Handle) -> Message {
        Message { capability, ..self }
    }
}

/// A message as it arrives at a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Received {
    /// The badge of the endpoint capability that was called: it identifies the caller and cannot be forged.
    pub badge: u64,
    /// What the caller sent.
    pub message: Message,
}
