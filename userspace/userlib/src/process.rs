//! Processes: this one, and those that it makes.

use abi::syscall::{End, Moment, Placement, access};
use abi::{Call, Handle, PAGE_SIZE, Registers, Rights};

use crate::memory::{Mapping, Memory};
use crate::syscall::{ask, command};
use crate::thread::Place;
use crate::{Refusal, ipc, start};

/// Where [`Child::map_code`] maps.
pub const CODE_ADDRESS: u64 = 0x40_0000;

/// What the kernel counts for a process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProcessStats {
    /// How often a thread of it was made to wait for another thread.
    pub preemptions: u64,
    /// How often a thread of it went on, on another CPU.
    pub migrations: u64,
    /// Frames that it holds.
    pub frames_used: u64,
    /// Frames that it may hold.
    pub frame_limit: u64,
    /// Its threads.
    pub threads: u64,
    /// Of the frames that it holds: those with kernel objects. How many, is also up to how objects that come and go lie.
    pub heap_frames: u64,
    /// The bytes of these objects.
    pub heap_bytes: u64,
}

/// Ends this process.
pub fn exit(code: u64) -> ! {
    // There is nothing to do about a refusal but to ask again.
    loop {
        let _ = ask(Call::ProcessExit, &Registers::of(&[code]));
    }
}

/// What the kernel counts for a process; for one's own: `stats(start::info().process)`.
///
/// # Errors
/// The kernel's refusal.
pub fn stats(process: Handle) -> Result<ProcessStats, Refusal> {
    let [
        preemptions,
        migrations,
        frames_used,
        frame_limit,
        threads,
        heap_frames,
        heap_bytes,
        ..,
    ] = ask(Call::ProcessStats, &Registers::of(&[process.0]))?.0;
    Ok(ProcessStats {
        preemptions,
        migrations,
        frames_used,
        frame_limit,
        threads,
        heap_frames,
        heap_bytes,
    })
}

/// Waits for the end of a process or thread.
///
/// # Errors
/// The kernel's refusal.
///
/// # Panics
/// When the kernel reports an end that has no meaning.
pub fn wait(handle: Handle) -> Result<End, Refusal> {
    let [kind, code, address, instruction, ..] = ask(Call::Wait, &Registers::of(&[handle.0]))?.0;
    let end = End::decode([kind, code, address, instruction]);
    Ok(end.expect("the kernel reports an end that the contract knows"))
}

/// Ends a process.
///
/// # Errors
/// The kernel's refusal.
pub fn end(process: Handle) -> Result<(), Refusal> {
    ask(Call::ProcessEnd, &Registers::of(&[process.0])).map(drop)
}

/// Says which priority threads of a process may have at most, and begin with.
///
/// # Errors
/// The kernel's refusal.
pub fn set_priority(process: Handle, limit: u64, start: u64) -> Result<(), Refusal> {
    ask(Call::ProcessPriority, &Registers::of(&[process.0, limit, start])).map(drop)
}

/// For tests: lets a process end at its n-th kernel call from now, the next one being 1; 0 takes that back.
///
/// # Errors
/// The kernel's refusal.
pub fn end_at(process: Handle, calls: u64, moment: Moment) -> Result<(), Refusal> {
    let registers = Registers::of(&[process.0, calls, moment as u64]);
    ask(Call::DebugEndAt, &registers).map(drop)
}

/// Copies a capability to a process, with at most these rights, and gives back its handle there. A badge
/// other than 0 is for endpoints that have none.
///
/// # Errors
/// The kernel's refusal.
pub fn grant(to: Handle, capability: Handle, rights: Rights, badge: u64) -> Result<Handle, Refusal> {
    let registers = Registers::of(&[to.0, capability.0, u64::from(rights.0), badge]);
    let results = ask(Call::CapabilityGrant, &registers)?;
    Ok(Handle(results.0[0]))
}

/// What there is on the machine, as [`Call::MachineStats`] tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MachineStats {
    /// Free frames.
    pub free_frames: u64,
    /// Frames with kernel objects that accounts pay for.
    pub heap_frames: u64,
    /// The bytes of these objects.
    pub heap_bytes: u64,
    /// Bytes that the kernel has allocated for itself.
    pub own_bytes: u64,
    /// Processes, threads, endpoints, notifications, memory objects.
    pub objects: [u64; 5],
}

/// Counts what there is, for the holder of the machine's handle.
///
/// # Errors
/// The kernel's refusal.
pub fn machine_stats(machine: Handle) -> Result<MachineStats, Refusal> {
    let [free_frames, heap_frames, own_bytes, a, b, c, d, e, heap_bytes] =
        ask(Call::MachineStats, &Registers::of(&[machine.0]))?.0;
    Ok(MachineStats {
        free_frames,
        heap_frames,
        heap_bytes,
        own_bytes,
        objects: [a, b, c, d, e],
    })
}

/// Ends the machine, for the holder of its handle. Comes back only when the kernel refuses.
pub fn end_machine(machine: Handle, verdict: u64) -> Refusal {
    loop {
        if let Err(refusal) = ask(Call::MachineExit, &Registers::of(&[machine.0, verdict])) {
            return refusal;
        }
    }
}

/// A process that this one has made, and may fill and start. It is never the calling process, so nothing
/// that is done to it changes memory of the caller.
#[derive(Debug)]
pub struct Child {
    process: Handle,
    window: Handle,
}

impl Child {
    /// An empty process with frames of the caller's account. Names longer than 16 bytes are cut off.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn create(frames: u64, name: &str) -> Result<Child, Refusal> {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(name.bytes()) {
            *to = from;
        }
        let name = u128::from_le_bytes(bytes);
        let registers = Registers::of(&[frames, name as u64, (name >> 64) as u64]);
        let results = ask(Call::ProcessCreate, &registers)?;
        Ok(Child {
            process: Handle(results.0[0]),
            window: Handle(results.0[1]),
        })
    }

    /// The process.
    #[must_use]
    pub const fn process(&self) -> Handle {
        self.process
    }

    /// Its window.
    #[must_use]
    pub const fn window(&self) -> Handle {
        self.window
    }

    /// Maps all of a memory object into it; `access` as in [`abi::syscall::access`].
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn map(&self, memory: &Memory, address: u64, access: u64) -> Result<(), Refusal> {
        let (memory, pages) = (memory.handle().0, memory.pages());
        let registers = Registers::of(&[self.process.0, memory, address, 0, pages, access]);
        // SAFETY: 1. it is another process. 2. starts no thread.
        unsafe { command(Call::MemoryMap, &registers) }.map(drop)
    }

    /// Copies bytes to the same offset of every unit of its window, page by page.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn fill_window(&self, offset: u64, bytes: &[u8]) -> Result<(), Refusal> {
        for (index, piece) in bytes.chunks(PAGE_SIZE as usize).enumerate() {
            let (address, length) = (piece.as_ptr() as u64, piece.len() as u64);
            let to = offset + index as u64 * PAGE_SIZE;
            ask(
                Call::WindowFill,
                &Registers::of(&[self.window.0, to, address, length]),
            )?;
        }
        Ok(())
    }

    /// Copies a capability to it: see [`grant`].
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn grant(&self, capability: Handle, rights: Rights, badge: u64) -> Result<Handle, Refusal> {
        grant(self.process, capability, rights, badge)
    }

    /// Starts its first thread, on any CPU.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn start(&self, entry: u64, stack: u64) -> Result<(), Refusal> {
        self.start_at(Place::Anywhere, [entry, stack, 0])
    }

    /// Starts a thread of it, which finds the argument in `rdi`: `[entry, stack, argument]`.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn start_at(&self, place: Place, registers: [u64; 3]) -> Result<(), Refusal> {
        ipc::drop_capability(self.start_kept(place, registers)?)
    }

    /// The same; its handle.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn start_kept(&self, place: Place, registers: [u64; 3]) -> Result<Handle, Refusal> {
        let [entry, stack, argument] = registers;
        let registers = Registers::of(&[self.process.0, entry, stack, argument, place.word()]);
        // SAFETY: 1. and 2. it is another process.
        let results = unsafe { command(Call::ThreadCreate, &registers)? };
        Ok(Handle(results.0[0]))
    }

    /// Makes a call that changes its memory or threads: the first word has to be its handle, as in all of these.
    ///
    /// # Errors
    /// The kernel's refusal.
    ///
    /// # Panics
    /// When the call is for another process.
    pub fn command(&self, call: Call, registers: &Registers) -> Result<(), Refusal> {
        assert!(
            registers.0[0] == self.process.0,
            "{call:?} is for another process"
        );
        // SAFETY: 1. and 2. it is another process.
        unsafe { command(call, registers) }.map(drop)
    }

    /// Takes pages away from it.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn unmap(&self, address: u64, pages: u64) -> Result<(), Refusal> {
        let registers = Registers::of(&[self.process.0, address, pages]);
        // SAFETY: 1. it is another process. 2. starts no thread.
        unsafe { command(Call::MemoryUnmap, &registers) }.map(drop)
    }

    /// Maps a page of machine code, which names no address, at [`CODE_ADDRESS`].
    ///
    /// # Errors
    /// The kernel's refusal.
    ///
    /// # Panics
    /// When the code is longer than a page.
    pub fn map_code(&self, code: &[u8]) -> Result<(), Refusal> {
        let mut page = Mapping::new(Memory::create(self.process, 1, Placement::Anywhere)?)?;
        page.as_mut_slice()[..code.len()].copy_from_slice(code);
        let memory = page.unmap().expect("a mapping made of memory has it");
        self.map(&memory, CODE_ADDRESS, access::EXECUTE)
    }

    /// Ends it.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn end(&self) -> Result<(), Refusal> {
        end(self.process)
    }

    /// Gives up what is held of it.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn forget(&self) -> Result<(), Refusal> {
        ipc::drop_capability(self.window)?;
        ipc::drop_capability(self.process)
    }

    /// Ends it if it lives, and gives up what is held of it.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn let_go(&self) -> Result<(), Refusal> {
        self.end()?;
        self.forget()
    }
}

/// The own process, for those who only need to know which.
#[must_use]
pub fn own() -> Handle {
    start::info().process
}
