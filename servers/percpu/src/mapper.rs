//! The server's kernel calls, all of them.

use abi::syscall::Placement;
use abi::{Call, Handle, Registers};
use percpu_service::{KernelRefusal, Mapper, Piece};
use userlib::syscall::ask;
use userlib::{Refusal, ipc, process};

/// The note is for a restarted server, which would read the last request from it.
const NO_NOTE: u64 = 0;

/// The kernel.
#[derive(Clone, Copy, Debug)]
pub struct KernelMapper;

impl Mapper for KernelMapper {
    fn map(&mut self, window: Handle, piece: &Piece, tag: u64) -> Result<(), KernelRefusal> {
        call(
            Call::WindowMap,
            &[
                window.0,
                piece.memory.0,
                piece.window_page,
                piece.memory_page,
                piece.pages,
                tag,
                NO_NOTE,
            ],
        )
        .map(drop)
    }

    fn unmap(&mut self, window: Handle, piece: &Piece) -> Result<(), KernelRefusal> {
        let words = [window.0, piece.window_page, piece.pages, NO_NOTE];
        call(Call::WindowUnmap, &words).map(drop)
    }

    fn create(&mut self, pages: u64) -> Result<Handle, KernelRefusal> {
        let words = [process::own().0, pages, Placement::PerCpu.encode()];
        let results = call(Call::MemoryCreate, &words)?;
        Ok(Handle(results.0[0]))
    }

    fn drop(&mut self, capability: Handle) {
        // A handle that the kernel gave is valid until here; there is nothing to undo if it were not.
        let _ = ipc::drop_capability(capability);
    }
}

fn call(call: Call, words: &[u64]) -> Result<Registers, KernelRefusal> {
    ask(call, &Registers::of(words)).map_err(|Refusal { status, words }| KernelRefusal {
        status,
        number: words[0],
    })
}
