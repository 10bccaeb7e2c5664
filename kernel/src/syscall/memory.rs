//! Calls on memory objects.

use alloc::sync::Arc;

use abi::syscall::{Placement, access};
use abi::{Registers, Rights, Status};

use super::one;
use crate::object::space::Placing;
use crate::object::{Capability, Memory, Object, Process};
use crate::refusal::{Answer, DONE, require};

/// `MemoryCreate`: `[account: MANAGE process, pages, placement]`.
pub fn create(caller: &Process, words: &[u64; 9]) -> Answer {
    let [payer, pages, placement, ..] = *words;
    let payer = caller.look_up(payer, Rights::MANAGE, Object::as_process)?;
    let placement = Placement::decode(placement).ok_or(Status::BadArgument)?;
    let memory = Memory::create(&payer.account, pages, placement)?;
    one(caller.insert(Capability::all(Object::Memory(Arc::new(memory))))?)
}

/// `MemoryMap`: `[process: MANAGE, memory, address, first page, pages, access]`.
pub fn map(caller: &Process, words: &[u64; 9]) -> Answer {
    let [process, memory, address, first, pages, how, ..] = *words;
    let process = caller.look_up(process, Rights::MANAGE, Object::as_process)?;
    let needed = if how == access::WRITE {
        Rights::READ.or(Rights::WRITE)
    } else {
        Rights::READ
    };
    let memory = caller.look_up(memory, needed, Object::as_memory)?;
    let placing = Placing {
        address,
        memory,
        first,
        pages,
    };
    process.living_space()?.map(&placing, how)?;
    DONE
}

/// `MemoryQuery`: `[memory: READ]`.
pub fn query(caller: &Process, words: &[u64; 9]) -> Answer {
    let memory = caller.look_up(words[0], Rights::READ, Object::as_memory)?;
    Ok(Registers::of(&memory.query()))
}

/// `MemoryClean`: `[memory: MANAGE, first page, pages]`.
pub fn clean(caller: &Process, words: &[u64; 9]) -> Answer {
    let [memory, first, pages, ..] = *words;
    let memory = caller.look_up(memory, Rights::MANAGE, Object::as_memory)?;
    let available = memory.pages_per_cpu().ok_or(Status::BadArgument)?;
    let end = first.checked_add(pages).ok_or(Status::BadArgument)?;
    require(pages > 0 && end <= available, Status::BadArgument)?;
    Ok(Registers::of(&[memory.clean(first, pages)?]))
}

/// `MemoryUnmap`: `[process: MANAGE, address, pages]`.
pub fn unmap(caller: &Process, words: &[u64; 9]) -> Answer {
    let [process, address, pages, ..] = *words;
    let process = caller.look_up(process, Rights::MANAGE, Object::as_process)?;
    process.living_space()?.unmap(address, pages)?;
    DONE
}
