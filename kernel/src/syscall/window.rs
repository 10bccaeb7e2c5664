//! Calls on windows.

use abi::{PAGE_SIZE, Registers, Rights, Status};

use crate::boot::options;
use crate::object::window::{WindowPlacing, log_pages};
use crate::object::{Object, Process};
use crate::refusal::{Answer, DONE, require};

/// `WindowMap`: `[window: MANAGE, memory: MANAGE, window page, memory page, pages, tag, note]`.
pub fn map(caller: &Process, words: &[u64; 9]) -> Answer {
    let [window, memory, page, memory_page, pages, tag, note, ..] = *words;
    let process = caller.look_up(window, Rights::MANAGE, Object::as_window)?;
    let memory = caller.look_up(memory, Rights::MANAGE, Object::as_memory)?;
    let placing = WindowPlacing {
        page,
        memory,
        memory_page,
        pages,
        tag,
        note,
    };
    process.living_space()?.map_window(&placing)?;
    if options::options().log_windows {
        log_pages(process.name, &placing);
    }
    DONE
}

/// `WindowUnmap`: `[window: MANAGE, window page, pages, note]`.
pub fn unmap(caller: &Process, words: &[u64; 9]) -> Answer {
    let [window, page, pages, note, ..] = *words;
    let process = caller.look_up(window, Rights::MANAGE, Object::as_window)?;
    process.living_space()?.unmap_window(page, pages, note)?;
    DONE
}

/// `WindowFill`: `[window: WRITE, byte offset, source address, bytes]`.
pub fn fill(caller: &Process, words: &[u64; 9]) -> Answer {
    let [window, offset, source, bytes, ..] = *words;
    let process = caller.look_up(window, Rights::WRITE, Object::as_window)?;
    require(bytes <= PAGE_SIZE, Status::BadArgument)?;
    let mut page = [0; PAGE_SIZE as usize];
    let contents = &mut page[..bytes as usize];
    caller.living_space()?.copy_in(source, contents)?;
    process.living_space()?.fill_window(offset, contents)?;
    DONE
}

/// `WindowQuery`: `[window: READ, start page]`.
pub fn query(caller: &Process, words: &[u64; 9]) -> Answer {
    let [window, page, ..] = *words;
    let process = caller.look_up(window, Rights::READ, Object::as_window)?;
    Ok(Registers::of(&process.living_space()?.query_window(page)?))
}
