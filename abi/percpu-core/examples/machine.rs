//! Per-CPU memory on a machine that is only a vector: 4 CPUs, counters that come and go, and what pins pages.
//!
//! `cargo run -p percpu-core --example machine`. A kernel does the same with frames and page tables in
//! [`Machine`]'s place.

use std::error::Error;

use percpu_core::{
    Allocator, AllocatorSetup, AreaNeed, AreaOf, AreaRequest, Backing, Chunk, ChunkId, ChunkStorage,
    FirstParts, FreeRule, HandleRecord, HandleTable, Hints, NoFrames, OwnerId, PageRange, Part, Reach,
    Request, Sizes,
};

const CPUS: usize = 4;
const UNIT: usize = 64 << 10;

/// What a kernel has frames for. Counts pages instead.
#[derive(Default)]
struct Machine {
    pages: usize,
}

fn storage(pages: usize) -> Option<ChunkStorage<'static>> {
    let words = vec![0; ChunkStorage::words(pages)].leak();
    ChunkStorage::split(words, vec![Hints::default(); pages].leak(), pages).ok()
}

impl Backing<'static> for Machine {
    fn create(&mut self, _: ChunkId) -> Option<ChunkStorage<'static>> {
        storage(UNIT / 4096)
    }

    fn destroy(&mut self, _: ChunkId, _: ChunkStorage<'static>) {}

    fn populate(&mut self, _: ChunkId, pages: PageRange) -> Result<(), NoFrames> {
        self.pages += pages.count * CPUS;
        Ok(())
    }

    fn depopulate(&mut self, _: ChunkId, pages: PageRange) {
        self.pages -= pages.count * CPUS;
    }

    fn flush(&mut self, _: ChunkId) {}
}

/// The units of all chunks: where a CPU's copy of an area is.
struct Memory(Vec<u8>);

impl Memory {
    fn copy(&mut self, cpu: usize, taken: AreaOf) -> &mut [u8] {
        let unit = taken.chunk.number() as usize * CPUS + cpu;
        let start = unit * UNIT + taken.area.offset;
        &mut self.0[start..start + taken.area.size]
    }
}

/// The allocator over a first chunk that is already there; further chunks it asks the machine for.
fn allocator() -> Result<Allocator<'static, Machine, 64>, Box<dyn Error>> {
    let sizes = Sizes {
        static_size: 8192,
        reserved_size: 0,
        dyn_size: 20_480,
        atom_size: 2 << 20,
    };
    let part = FirstParts::of(&sizes).ok_or("sizes without a sum")?.dynamic;
    let setup = AllocatorSetup {
        unit_size: UNIT,
        first_pages: 7,
        reserved: None,
        dynamic: Chunk::first(storage(part.pages()).ok_or("no storage")?, part)?,
        rule: FreeRule::Corrected,
    };
    Ok(Allocator::new(setup, Machine::default())?.with_exact_search())
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut allocator = allocator()?;
    let mut records = vec![HandleRecord::default(); 4096];
    let mut handles = HandleTable::new(&mut records);
    let mut memory = Memory(vec![0; 64 * CPUS * UNIT]);
    let request = Request {
        need: AreaNeed::checked(AreaRequest { size: 64, align: 8 })?,
        reach: Reach::AllPages,
        part: Part::Dynamic,
    };

    let counter = allocator.allocate_owned(&mut handles, OwnerId(1), request)?;
    for cpu in 0..CPUS {
        memory.copy(cpu, counter.area())[0] = cpu as u8 + 1;
    }
    let sum: u32 = (0..CPUS)
        .map(|cpu| u32::from(memory.copy(cpu, counter.area())[0]))
        .sum();
    println!("one area, {CPUS} copies: {sum} in all");

    let crowd: Result<Vec<_>, _> = (0..3000)
        .map(|_| allocator.allocate_owned(&mut handles, OwnerId(2), request))
        .collect();
    let crowd = crowd?;
    println!(
        "{} areas stand on {} pages",
        crowd.len() + 1,
        allocator.backing().pages
    );
    for handle in crowd.iter().enumerate().filter(|(number, _)| number % 100 != 0) {
        allocator.release_owned(&mut handles, OwnerId(2), *handle.1)?;
    }
    let again = allocator.release_owned(&mut handles, OwnerId(2), crowd[1]);
    println!("a second free: {}", again.expect_err("it is refused"));
    while allocator.is_balancing_wanted() {
        allocator.balance();
    }
    println!("after 99 of 100 are gone: {} pages", allocator.backing().pages);
    for (chunk, page) in allocator.pinned_pages(64).take(3) {
        println!(
            "  chunk {} page {}: {} bytes pin it",
            chunk.number(),
            page.page,
            page.taken_bytes
        );
    }
    let freed = allocator.release_all_of(&mut handles, OwnerId(2));
    while allocator.is_balancing_wanted() {
        allocator.balance();
    }
    println!("the owner's other {freed}: {} pages", allocator.backing().pages);
    Ok(())
}
