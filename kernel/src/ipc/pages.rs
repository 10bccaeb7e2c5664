//! More words of a message than registers hold: each thread may have a few in a page of its own, and the kernel copies
//! them from the one's to the other's through the physical map. Neither needs the page mapped.
//!
//! The thread keeps the memory, so its frames stay; only the holder of the thread's token uses them here. Programs that
//! write them meanwhile harm themselves.

use abi::message::{IN_PAGE, MORE_WORDS};
use abi::{Handle, PAGE_SIZE, Rights, Status};

use crate::object::{Object, Parked, Running, contents};
use crate::refusal::{Answer, DONE, Refusal, require};

/// Bytes of the words.
const BYTES: u64 = MORE_WORDS as u64 * 8;
/// What the place of the words must be a multiple of.
const ALIGN: u64 = 64;

const _: () = assert!(BYTES <= ALIGN && PAGE_SIZE.is_multiple_of(ALIGN));

/// Whether a message has more words.
pub fn has_more(words: &[u64; 9]) -> bool {
    words[super::CAPABILITY] == IN_PAGE.0
}

/// `MessagePage`: `[memory: READ and WRITE, or 0 for none, byte offset]`.
pub fn set(caller: &mut Running, words: &[u64; 9]) -> Answer {
    let [handle, offset, ..] = *words;
    let (page, memory) = match Handle(handle) {
        Handle::NONE => (0, None),
        _ => {
            let needed = Rights::READ.or(Rights::WRITE);
            let memory = caller.process().look_up(handle, needed, Object::as_memory)?;
            require(offset.is_multiple_of(ALIGN), Status::Misaligned)?;
            let frames = memory.plain().ok_or(Status::BadArgument)?;
            let frame = frames.get((offset / PAGE_SIZE) as usize);
            let frame = frame.ok_or(Status::BadArgument)?.pointer() as u64;
            (frame + offset % PAGE_SIZE, Some(memory))
        }
    };
    let context = caller.context();
    context.page = page;
    // The memory that it had may go now.
    drop(core::mem::replace(&mut context.page_memory, memory));
    DONE
}

/// Whether a thread has a message page.
pub fn require_page(thread: &mut Parked) -> Result<(), Refusal> {
    require(thread.context().page != 0, Status::NoMessagePage)
}

/// Copies the words from one thread's page to another's; both have one.
pub fn copy(from: &mut Parked, to: &mut Parked) {
    contents::copy_words(from.context().page, to.context().page, MORE_WORDS);
}
