//! The server's kernel calls, all of them, and the ledger's words.

use core::sync::atomic::{AtomicU64, Ordering};

use abi::percpu::ledger::WORDS;
use abi::syscall::{MAX_WINDOW_LIST, MemoryKind, Placement};
use abi::{Call, Handle, Registers, Status};
use percpu_service::{Found, KernelRefusal, Mapped, Mapper, MemoryInfo, Piece, Run, Words};
use userlib::notification::Notification;
use userlib::syscall::ask;
use userlib::{Refusal, ipc};

/// A list of pieces as the kernel reads it.
type List = [[u64; 4]; MAX_WINDOW_LIST as usize];

/// The kernel.
#[derive(Debug)]
pub struct KernelMapper {
    deaths: Notification,
    /// Who pays for the pools.
    pool: Handle,
    list: List,
}

impl KernelMapper {
    /// Ends of clients are told to `deaths`, and `pool` pays.
    pub const fn new(deaths: Notification, pool: Handle) -> KernelMapper {
        KernelMapper {
            deaths,
            pool,
            list: [[0; 4]; MAX_WINDOW_LIST as usize],
        }
    }
}

impl Mapper for KernelMapper {
    fn map(&mut self, window: Handle, pieces: &[Piece], tag: u64, note: u64) -> Result<(), KernelRefusal> {
        if let [piece] = pieces {
            let [memory, page, memory_page, pages] = words_of(piece);
            let words = [window.0, memory, page, memory_page, pages, tag, note];
            return call(Call::WindowMap, &words).map(drop);
        }
        for (entry, piece) in self.list.iter_mut().zip(pieces) {
            *entry = words_of(piece);
        }
        let (list, entries) = (&raw const self.list as u64, pieces.len() as u64);
        call(Call::WindowMapList, &[window.0, list, entries, tag, note]).map(drop)
    }

    fn unmap(&mut self, window: Handle, page: u64, pages: u64, note: u64) -> Result<(), KernelRefusal> {
        call(Call::WindowUnmap, &[window.0, page, pages, note]).map(drop)
    }

    fn set_note(&mut self, window: Handle, note: u64) -> Result<(), KernelRefusal> {
        call(Call::WindowNote, &[window.0, note]).map(drop)
    }

    fn query(&mut self, window: Handle, page: u64) -> Result<Found, KernelRefusal> {
        match call(Call::WindowQuery, &[window.0, page]) {
            Ok(Registers([window_page, pages, tag, note, memory_id, memory_page, ..])) => {
                let mapped = Mapped {
                    window_page,
                    pages,
                    tag,
                    memory_id,
                    memory_page,
                };
                Ok(Found::Range(mapped, note))
            }
            Err(refusal) => match refusal.status {
                Status::NotMapped => Ok(Found::Nothing(refusal.number)),
                Status::ProcessEnded => Ok(Found::Ended),
                _ => Err(refusal),
            },
        }
    }

    fn memory_at(&mut self, window: Handle, page: u64) -> Result<Handle, KernelRefusal> {
        Ok(Handle(call(Call::WindowMemory, &[window.0, page])?.0[0]))
    }

    fn memory_info(&mut self, memory: Handle) -> Result<MemoryInfo, KernelRefusal> {
        let [id, pages, kind, ..] = call(Call::MemoryQuery, &[memory.0])?.0;
        let kinds = [MemoryKind::Plain, MemoryKind::PerCpu, MemoryKind::PerCpuOnTouch];
        let kind = kinds.into_iter().find(|known| *known as u64 == kind);
        let kind = kind.unwrap_or(MemoryKind::FirstChunk);
        Ok(MemoryInfo { id, pages, kind })
    }

    fn populated(&mut self, window: Handle, page: u64) -> Result<[u64; 4], KernelRefusal> {
        let [a, b, c, d, ..] = call(Call::WindowPopulated, &[window.0, page])?.0;
        Ok([a, b, c, d])
    }

    fn create(&mut self, pages: u64, is_on_touch: bool) -> Result<Handle, KernelRefusal> {
        let placement = match is_on_touch {
            true => Placement::PerCpuOnTouch,
            false => Placement::PerCpu,
        };
        let results = call(Call::MemoryCreate, &[self.pool.0, pages, placement.encode()])?;
        Ok(Handle(results.0[0]))
    }

    fn clean(&mut self, run: Run) -> Result<(), KernelRefusal> {
        let (first, pages) = (run.range.first as u64, run.range.count as u64);
        call(Call::MemoryClean, &[run.memory.0, first, pages]).map(drop)
    }

    fn on_death(&mut self, window: Handle, bit: u64) -> Result<(), KernelRefusal> {
        self.deaths.on_death(window, bit).map_err(as_kernel_refusal)
    }

    fn wait_for_end(&mut self, window: Handle) -> Result<(), KernelRefusal> {
        let end = Notification::create().map_err(as_kernel_refusal)?;
        let told = end.on_death(window, 1).and_then(|()| end.wait());
        self.drop(end.0);
        told.map(drop).map_err(as_kernel_refusal)
    }

    fn drop(&mut self, capability: Handle) {
        // A handle that the kernel gave is valid until here; there is nothing to undo if it were not.
        let _ = ipc::drop_capability(capability);
    }
}

fn words_of(piece: &Piece) -> [u64; 4] {
    [piece.memory.0, piece.window_page, piece.memory_page, piece.pages]
}

fn call(call: Call, words: &[u64]) -> Result<Registers, KernelRefusal> {
    ask(call, &Registers::of(words)).map_err(as_kernel_refusal)
}

fn as_kernel_refusal(Refusal { status, words }: Refusal) -> KernelRefusal {
    let number = words[0];
    KernelRefusal { status, number }
}

/// The ledger, mapped for as long as this process lives. That its size is known here saves looking at it for each word.
#[derive(Clone, Copy, Debug)]
pub struct Ledger(pub &'static [AtomicU64; WORDS]);

impl Words for Ledger {
    fn read(&self, at: usize) -> u64 {
        self.0[at].load(Ordering::Acquire)
    }

    /// The end of this process is no CPU's end: what was stored before it is there for the next server.
    fn write(&mut self, at: usize, word: u64) {
        self.0[at].store(word, Ordering::Release);
    }

    fn write_row<const N: usize>(&mut self, at: usize, row: &[u64; N]) {
        for (to, word) in self.0[at..at + N].iter().zip(row) {
            to.store(*word, Ordering::Release);
        }
    }

    fn add(&mut self, at: usize, more: u64) {
        self.0[at].fetch_add(more, Ordering::AcqRel);
    }
}
