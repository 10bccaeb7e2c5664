//! Filling a new process: its segments, its stack, its start page.

use abi::start::{ARGUMENT_OFFSET, NAME_OFFSET, START_INFO_ADDRESS, StartInfo};
use abi::syscall::{Placement, access};
use abi::{Handle, PAGE_SIZE, Rights};
use boot_module::{Program, Segment};
use userlib::memory::{Mapping, Memory};
use userlib::process::Child;
use userlib::start;

use crate::failure::Failure;

/// Pages of the first thread's stack; nothing is mapped below or above.
const STACK_PAGES: u64 = 16;
/// The end of the first thread's stack.
const STACK_END: u64 = 0x7ffe_0000_0000;

/// Maps a program and a stack into a child.
pub fn load(child: &Child, program: &Program<'_>) -> Result<(), Failure> {
    for segment in &program.segments {
        load_segment(child, segment)?;
    }
    let stack = memory(child, STACK_PAGES)?;
    let address = STACK_END - STACK_PAGES * PAGE_SIZE;
    child
        .map(&stack, address, access::WRITE)
        .map_err(Failure::doing("map a stack"))
}

fn load_segment(child: &Child, segment: &Segment<'_>) -> Result<(), Failure> {
    let memory = filled(child, segment.pages, |contents| {
        let end = segment.skip + segment.bytes.len();
        contents[segment.skip..end].copy_from_slice(segment.bytes);
    })?;
    child
        .map(&memory, segment.address, segment.access)
        .map_err(Failure::doing("map a segment"))
}

/// Gives a child the capabilities that every program has.
pub fn give_basics(child: &Child, console: Rights) -> Result<StartInfo, Failure> {
    let grant = |capability: Handle, rights: Rights| {
        child
            .grant(capability, rights, 0)
            .map_err(Failure::doing("grant a capability"))
    };
    Ok(StartInfo {
        process: grant(child.process(), Rights::READ.or(Rights::MANAGE).or(Rights::GRANT))?,
        console: grant(start::info().console, console)?,
        ..StartInfo::default()
    })
}

/// What a child finds on its start page beside the words.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its argument.
    pub argument: &'a str,
}

/// Writes the start page and starts the first thread.
pub fn start(child: &Child, entry: u64, info: StartInfo, texts: Texts<'_>) -> Result<(), Failure> {
    let Texts { name, argument } = texts;
    let info = StartInfo {
        name_bytes: name.len() as u64,
        argument_bytes: argument.len() as u64,
        ..info
    };
    let page = filled(child, 1, |page| {
        for (to, word) in page.chunks_exact_mut(8).zip(info.encode()) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        page[NAME_OFFSET..NAME_OFFSET + name.len()].copy_from_slice(name.as_bytes());
        page[ARGUMENT_OFFSET..ARGUMENT_OFFSET + argument.len()].copy_from_slice(argument.as_bytes());
    })?;
    child
        .map(&page, START_INFO_ADDRESS, access::READ)
        .map_err(Failure::doing("map a start page"))?;
    child
        .start(entry, STACK_END)
        .map_err(Failure::doing("start a thread"))
}

/// Memory that the child pays for, filled here and mapped nowhere.
fn filled(child: &Child, pages: u64, fill: impl FnOnce(&mut [u8])) -> Result<Memory, Failure> {
    let memory = memory(child, pages)?;
    let mut mapping = Mapping::new(memory).map_err(Failure::doing("map memory to fill it"))?;
    fill(mapping.as_mut_slice());
    Ok(mapping.unmap().expect("a mapping made of memory has it"))
}

fn memory(child: &Child, pages: u64) -> Result<Memory, Failure> {
    let memory = Memory::create(child.process(), pages, Placement::Anywhere);
    memory.map_err(Failure::doing("make memory for a program"))
}
