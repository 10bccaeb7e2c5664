//! Calls on windows.

use alloc::vec::Vec;

use abi::syscall::MAX_WINDOW_LIST;
use abi::{PAGE_SIZE, Registers, Rights, Status};

use super::one;
use crate::boot::options;
use crate::memory::heap;
use crate::object::window::{Piece, Words, log_pages};
use crate::object::{Capability, Object, Process};
use crate::refusal::{Answer, DONE, Refusal, require};

/// `WindowMap`: `[window: MANAGE, memory: MANAGE, window page, memory page, pages, tag, note]`.
pub fn map(caller: &Process, words: &[u64; 9]) -> Answer {
    let [window, memory, page, memory_page, pages, tag, note, ..] = *words;
    let process = caller.look_up(window, Rights::MANAGE, Object::as_window)?;
    let piece = piece(caller, [memory, page, memory_page, pages])?;
    map_pieces(&process, &[piece], Words { tag, note })
}

/// `WindowMapList`: `[window: MANAGE, list address, entries, tag, note]`.
pub fn map_list(caller: &Process, words: &[u64; 9]) -> Answer {
    let [window, list, entries, tag, note, ..] = *words;
    let process = caller.look_up(window, Rights::MANAGE, Object::as_window)?;
    require((1..=MAX_WINDOW_LIST).contains(&entries), Status::BadArgument)?;
    let mut bytes = [[[0; 8]; 4]; MAX_WINDOW_LIST as usize];
    let bytes = &mut bytes[..entries as usize];
    let place = bytes.as_flattened_mut().as_flattened_mut();
    caller.living_space()?.copy_in(list, place)?;
    let mut pieces = Vec::new();
    heap::make_room(&mut pieces, entries as usize)?;
    for entry in bytes {
        pieces.push(piece(caller, entry.map(u64::from_le_bytes))?);
    }
    map_pieces(&process, &pieces, Words { tag, note })
}

fn piece(caller: &Process, [memory, page, memory_page, pages]: [u64; 4]) -> Result<Piece, Refusal> {
    Ok(Piece {
        page,
        memory: caller.look_up(memory, Rights::MANAGE, Object::as_memory)?,
        memory_page,
        pages,
    })
}

fn map_pieces(process: &Process, pieces: &[Piece], words: Words) -> Answer {
    process.living_space()?.map_window(pieces, words)?;
    if options::options().log_windows {
        pieces.iter().for_each(|piece| log_pages(process.name, piece));
    }
    DONE
}

/// `WindowUnmap`: `[window: MANAGE, window page, pages, note]`.
pub fn unmap(caller: &Process, words: &[u64; 9]) -> Answer {
    let [window, page, pages, note, ..] = *words;
    let process = caller.look_up(window, Rights::MANAGE, Object::as_window)?;
    let taken = process.living_space()?.unmap_window(page, pages, note)?;
    Ok(Registers::of(&[taken]))
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

/// `WindowNote`: `[window: MANAGE, note]`.
pub fn note(caller: &Process, words: &[u64; 9]) -> Answer {
    let process = caller.look_up(words[0], Rights::MANAGE, Object::as_window)?;
    process.living_space()?.lock().note = words[1];
    DONE
}

/// `WindowMemory`: `[window: MANAGE, page]`.
pub fn memory(caller: &Process, words: &[u64; 9]) -> Answer {
    let process = caller.look_up(words[0], Rights::MANAGE, Object::as_window)?;
    let memory = process.living_space()?.window_memory(words[1])?;
    one(caller.insert(Capability::all(Object::Memory(memory)))?)
}

/// `WindowPopulated`: `[window: READ, page]`.
pub fn populated(caller: &Process, words: &[u64; 9]) -> Answer {
    let process = caller.look_up(words[0], Rights::READ, Object::as_window)?;
    Ok(Registers::of(
        &process.living_space()?.window_populated(words[1])?.0,
    ))
}
