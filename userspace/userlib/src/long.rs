//! Messages of ten words: six in registers, and four in a message page of the thread, which the kernel copies.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU64, Ordering};

use abi::message::{IN_PAGE, LONG_WORDS, MESSAGE_WORDS};
use abi::{Call, Message, Received, Registers};

use crate::Refusal;
use crate::ipc::{self, Endpoint};
use crate::memory::{Mapping, Memory};
use crate::syscall::command;

/// A message of ten words, which carries no capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LongMessage {
    /// The request's number, or the answer's status: the protocol decides.
    pub label: u64,
    /// The arguments.
    pub words: [u64; LONG_WORDS],
}

/// The calling thread's message page, as long as this lives. Each thread has one at most: a second one takes the place of the
/// first, and messages through the first come without their last words then.
#[derive(Debug)]
pub struct MessagePage {
    mapping: Mapping,
    /// It belongs to the thread that made it.
    _thread: PhantomData<*const ()>,
}

impl MessagePage {
    /// Gives the calling thread a page.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn new() -> Result<MessagePage, Refusal> {
        let memory = Memory::own(1)?;
        let handle = memory.handle();
        let mapping = Mapping::new(memory)?;
        // SAFETY: 1. the words are used as atomics only, as long as the kernel may write them. 2. starts no thread.
        unsafe { command(Call::MessagePage, &Registers::of(&[handle.0, 0]))? };
        let _thread = PhantomData;
        Ok(MessagePage { mapping, _thread })
    }

    /// The whole page, the last four words of messages first. The kernel uses no others.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        self.mapping.words()
    }

    /// Sends a message and waits for the answer. Words that the answer did not bring are 0.
    ///
    /// # Errors
    /// The kernel's refusal: `NoMessagePage` when the receiver has none.
    pub fn call(&mut self, endpoint: Endpoint, message: &LongMessage) -> Result<LongMessage, Refusal> {
        let message = self.put(message);
        endpoint.call(&message).map(|answer| self.get(&answer))
    }

    /// Waits for a caller, long message or short; its badge comes first.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn receive(&mut self, endpoint: Endpoint) -> Result<(u64, LongMessage), Refusal> {
        endpoint.receive().map(|received| self.received(&received))
    }

    /// Answers the caller that was received last, and waits for the next.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn reply_receive(
        &mut self,
        endpoint: Endpoint,
        answer: &LongMessage,
    ) -> Result<(u64, LongMessage), Refusal> {
        let answer = self.put(answer);
        endpoint
            .reply_receive(&answer)
            .map(|received| self.received(&received))
    }

    /// Answers the caller that was received last.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn reply(&mut self, answer: &LongMessage) -> Result<(), Refusal> {
        ipc::reply(&self.put(answer))
    }

    fn put(&self, message: &LongMessage) -> Message {
        let (first, more) = message.words.split_at(MESSAGE_WORDS);
        for (to, word) in self.mapping.words().iter().zip(more) {
            to.store(*word, Ordering::Relaxed);
        }
        let first = core::array::from_fn(|index| first[index]);
        Message::new(message.label, first).with_capability(IN_PAGE)
    }

    fn received(&self, received: &Received) -> (u64, LongMessage) {
        (received.badge, self.get(&received.message))
    }

    fn get(&self, message: &Message) -> LongMessage {
        let mut words = [0; LONG_WORDS];
        words[..MESSAGE_WORDS].copy_from_slice(&message.words);
        if message.capability == IN_PAGE {
            let more = words[MESSAGE_WORDS..].iter_mut();
            for (to, word) in more.zip(self.mapping.words()) {
                *to = word.load(Ordering::Relaxed);
            }
        }
        LongMessage {
            label: message.label,
            words,
        }
    }
}

impl Drop for MessagePage {
    fn drop(&mut self) {
        // SAFETY: 1. from here on the kernel writes nothing. 2. starts no thread.
        let _cannot_be_refused = unsafe { command(Call::MessagePage, &Registers::default()) };
    }
}
