//! The first program: read from the boot module, given everything that there is to give.
//!
//! init's frames are all that are free now; whatever else runs later is paid from its account. Errors here
//! are those of whoever built the boot module, so they end the boot.

use alloc::sync::{Arc, Weak};

use abi::start::{
    ARGUMENT_BYTES, ARGUMENT_OFFSET, Handover, MODULE_ADDRESS, NAME_OFFSET, START_INFO_ADDRESS, StartInfo,
};
use abi::syscall::{CpuMask, HIGHEST_PRIORITY, Placement, access};
use abi::{Handle, PAGE_SIZE};
use boot_files::{Program, Segment};

use super::{firmware, first_chunk, module, options, smp};
use crate::cpu::frame::Frame;
use crate::ipc::requests;
use crate::mailbox;
use crate::memory::PHYSICAL_OFFSET;
use crate::memory::address_space::Access;
use crate::memory::frame::{self, PhysicalFrame};
use crate::memory::heap;
use crate::object::process::Name;
use crate::object::space::Placing;
use crate::object::{Account, Capability, Memory, Object, Process, contents};
use crate::refusal::Refusal;
use crate::schedule;

/// Frames that no program may have: for what the kernel's own heap grows by, ...
const KERNEL_FRAMES: u64 = 64;
/// ... and for what the call of one CPU overdraws its account by, until it is refused.
const KERNEL_FRAMES_PER_CPU: u64 = 8;

const NAME: &str = "init";
const STACK_PAGES: u64 = 16;
/// The end of the first thread's stack.
const STACK_END: u64 = 0x7ffe_0000_0000;

/// Starts init on the boot CPU's queue.
pub fn start() {
    let file = module::find(NAME).unwrap_or_else(|error| panic!("init: {error}"));
    let program = Program::read(file).unwrap_or_else(|error| panic!("init: {error}"));
    let mut name = [0; 16];
    name[..NAME.len()].copy_from_slice(NAME.as_bytes());
    requests::make_room();
    mailbox::make();
    heap::begin_charging();
    let kept = KERNEL_FRAMES + KERNEL_FRAMES_PER_CPU * smp::online_count() as u64;
    let account = Account::root(frame::total_free().saturating_sub(kept));
    let filled = Process::new(Name(name), account, HIGHEST_PRIORITY, Weak::new())
        .and_then(|init| fill(&init, &program).map(|()| init));
    let init = filled.unwrap_or_else(|refusal| panic!("init does not fit: {refusal:?}"));
    let registers = Frame::user(program.entry, STACK_END, 0);
    let thread = init
        .add_thread(registers, CpuMask::ALL)
        .expect("init has just been made");
    crate::log!(
        "init: {} frames, starts at {:#x}",
        init.account.count()[1],
        program.entry
    );
    schedule::start(thread);
}

fn fill(init: &Arc<Process>, program: &Program<'_>) -> Result<(), Refusal> {
    for segment in &program.segments {
        load(init, segment)?;
    }
    give_memory(
        init,
        STACK_END - STACK_PAGES * PAGE_SIZE,
        STACK_PAGES,
        access::WRITE,
        |_| (),
    )?;
    map_module(init)?;
    give_start_page(init)
}

fn load(init: &Arc<Process>, segment: &Segment<'_>) -> Result<(), Refusal> {
    give_memory(init, segment.address, segment.pages, segment.access, |memory| {
        write(memory, segment.skip as u64, segment.bytes)
    })
}

/// New memory of init's own, filled and mapped.
fn give_memory(
    init: &Arc<Process>,
    address: u64,
    pages: u64,
    access: u64,
    fill: impl FnOnce(&Memory),
) -> Result<(), Refusal> {
    let memory = Memory::create(&init.account, pages, Placement::Anywhere)?;
    fill(&memory);
    let placing = Placing {
        address,
        memory: Arc::new(memory),
        first: 0,
        pages,
    };
    init.living_space()?.map(&placing, access)
}

/// Writes bytes to a memory object, from a byte offset on.
fn write(memory: &Memory, offset: u64, bytes: &[u8]) {
    let frames = memory.plain().unwrap_or_default();
    for (index, frame) in frames.iter().enumerate() {
        let start = index as u64 * PAGE_SIZE;
        let from = start.max(offset);
        let to = (start + PAGE_SIZE).min(offset + bytes.len() as u64);
        if from < to {
            contents::write(
                *frame,
                (from - start) as usize,
                &bytes[(from - offset) as usize..(to - offset) as usize],
            );
        }
    }
}

/// Maps the boot module. Its frames stay the kernel's.
fn map_module(init: &Arc<Process>) -> Result<(), Refusal> {
    let module = module::boot_module();
    let physical = module.as_ptr() as u64 - PHYSICAL_OFFSET;
    assert!(
        physical.is_multiple_of(PAGE_SIZE),
        "the loader puts the boot module at a page border"
    );
    let pages = (module.len() as u64).div_ceil(PAGE_SIZE);
    let places = (0..pages).map(|page| page * PAGE_SIZE);
    let places = places.map(|at| (MODULE_ADDRESS + at, PhysicalFrame::from_address(physical + at)));
    init.living_space()?
        .lock()
        .map(&init.account, places, Access::Read)
}

fn give_start_page(init: &Arc<Process>) -> Result<(), Refusal> {
    let argument = options::command_line();
    let argument = &argument.as_bytes()[..argument.len().min(ARGUMENT_BYTES)];
    let info = StartInfo {
        process: init.insert(Capability::all(Object::Process(init.clone())))?,
        console: init.insert(Capability::all(Object::Console))?,
        name_bytes: NAME.len() as u64,
        argument_bytes: argument.len() as u64,
        handover: hand_over(init)?,
        ..StartInfo::default()
    };
    give_memory(init, START_INFO_ADDRESS, 1, access::READ, |page| {
        for (offset, word) in (0..).step_by(8).zip(info.encode()) {
            write(page, offset, &word.to_le_bytes());
        }
        write(page, NAME_OFFSET as u64, NAME.as_bytes());
        write(page, ARGUMENT_OFFSET as u64, argument);
    })
}

fn hand_over(init: &Process) -> Result<Handover, Refusal> {
    let topology = firmware::topology();
    let lend = |part: first_chunk::Part| match part.pages {
        0 => Ok((Handle::NONE, 0)),
        pages => {
            let memory = Object::Memory(Arc::new(Memory::lend(part)));
            init.insert(Capability::all(memory)).map(|handle| (handle, pages))
        }
    };
    let (reserved, reserved_pages) = lend(first_chunk::reserved_part())?;
    let (dynamic, dynamic_pages) = lend(first_chunk::user_dynamic_part())?;
    Ok(Handover {
        machine: init.insert(Capability::all(Object::Machine))?,
        reserved,
        reserved_pages,
        dynamic,
        dynamic_pages,
        possible_cpus: topology.cpu_count() as u64,
        online_cpus: smp::online_count() as u64,
        nodes: topology.node_count() as u64,
        stride: options::options().window_stride,
        module_bytes: module::boot_module().len() as u64,
        ..Handover::default()
    })
}
