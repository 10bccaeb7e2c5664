//! Many requests in one message: entries in shared memory, each with its answer beside it.

use crate::message::{MESSAGE_WORDS, Message};

/// Words of an entry: state, label, words, answer's label, answer's words; the rest is spare.
pub const ENTRY_WORDS: usize = 16;

/// Most entries of a batch: those of four pages.
pub const MOST_ENTRIES: u64 = 128;

/// The state of an entry that is still to be done.
pub const TO_DO: u64 = 0;
/// The state of an entry whose answer is there.
pub const ANSWERED: u64 = 1;

/// An entry that asks for something. Only requests without a capability can be in a batch.
#[must_use]
pub fn entry(message: &Message) -> [u64; ENTRY_WORDS] {
    let mut words = [0; ENTRY_WORDS];
    words[1] = message.label;
    words[2..2 + MESSAGE_WORDS].copy_from_slice(&message.words);
    words
}

/// The request of an entry; `None` when it has been answered.
#[must_use]
pub fn request(entry: &[u64; ENTRY_WORDS]) -> Option<Message> {
    (entry[0] == TO_DO).then(|| part(entry, 1))
}

/// The answer of an entry; `None` when there is none yet.
#[must_use]
pub fn answer(entry: &[u64; ENTRY_WORDS]) -> Option<Message> {
    (entry[0] == ANSWERED).then(|| part(entry, 2 + MESSAGE_WORDS))
}

/// Where the words of an entry's answer begin.
pub const ANSWER_WORD: usize = 2 + MESSAGE_WORDS;

fn part(entry: &[u64; ENTRY_WORDS], at: usize) -> Message {
    let mut words = [0; MESSAGE_WORDS];
    words.copy_from_slice(&entry[at + 1..at + 1 + MESSAGE_WORDS]);
    Message::new(entry[at], words)
}
