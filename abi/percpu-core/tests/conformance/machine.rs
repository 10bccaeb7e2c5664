//! An allocator over a machine that only counts frames, booted as a row of `whole_allocator` says.

use percpu_core::{
    Allocator, AllocatorSetup, Backing, Chunk, ChunkId, ChunkStorage, FirstParts, FreeRule, LOCAL_DISTANCE,
    NoFrames, PageRange, REMOTE_DISTANCE, Sizes, UnitPart,
};
use serde_json::Value;

use crate::{
    chunk_state::storage,
    shape::{Shape, build, cpus_and_nodes, field},
};

/// Room for more chunks than any trace makes at a time.
const CHUNKS: usize = 64;

pub type Whole = Allocator<'static, Machine, CHUNKS>;

/// Counts frames instead of having any.
pub struct Machine {
    unit_pages: usize,
    cpus: u64,
    pub frames: u64,
    pub most_frames: u64,
    /// How many single frames may still be asked for; `None`: any number.
    asks_left: Option<u64>,
    pub destroyed: u64,
    pub flushes: u64,
}

impl Machine {
    pub fn cpus(&self) -> usize {
        self.cpus as usize
    }

    /// Every ask counts, also those that are refused.
    fn ask(&mut self) -> bool {
        let is_there = self.asks_left != Some(0);
        self.asks_left = self.asks_left.map(|left| left.saturating_sub(1));
        is_there
    }
}

impl Backing<'static> for Machine {
    fn create(&mut self, _: ChunkId) -> Option<ChunkStorage<'static>> {
        storage(self.unit_pages).ok()
    }

    fn destroy(&mut self, _: ChunkId, _: ChunkStorage<'static>) {
        self.destroyed += 1;
    }

    fn populate(&mut self, _: ChunkId, pages: PageRange) -> Result<(), NoFrames> {
        for got in 0..self.cpus * pages.count as u64 {
            if !self.ask() {
                self.frames -= got;
                return Err(NoFrames);
            }
            self.frames += 1;
            self.most_frames = self.most_frames.max(self.frames);
        }
        Ok(())
    }

    fn depopulate(&mut self, _: ChunkId, pages: PageRange) {
        self.frames -= self.cpus * pages.count as u64;
    }

    fn flush(&mut self, _: ChunkId) {
        self.flushes += 1;
    }
}

/// The allocator of a row, and how many units there are, fillers included.
pub fn boot(row: &Value, rule: FreeRule) -> Result<(Whole, usize), String> {
    let input = field(row, "boot")?;
    let nodes = cpus_and_nodes(input)?;
    let distance = |from, to| match nodes.get(&from) == nodes.get(&to) {
        true => LOCAL_DISTANCE,
        false => REMOTE_DISTANCE,
    };
    let shape: Shape = build(input, nodes.keys().copied(), distance)?;
    let sizes = Sizes {
        static_size: shape.static_size(),
        reserved_size: shape.reserved_size(),
        dyn_size: shape.dyn_size(),
        atom_size: shape.atom_size(),
    };
    let parts = FirstParts::of(&sizes).ok_or("the parts have no sum")?;
    let chunk = |part: UnitPart| -> Result<Chunk<'static>, String> {
        let chunk = Chunk::first(storage(part.pages())?, part).map_err(|error| error.to_string())?;
        Ok(chunk.with_free_rule(rule))
    };
    let setup = AllocatorSetup {
        unit_size: shape.unit_size() as usize,
        first_pages: (shape.size_sum() / 4096) as usize,
        reserved: parts.reserved.map(chunk).transpose()?,
        dynamic: chunk(parts.dynamic)?,
        rule,
    };
    let asks_left = field(row, "page_allocs_that_succeed")?.as_u64();
    let machine = Machine {
        unit_pages: setup.unit_size / 4096,
        cpus: shape.cpu_count() as u64,
        frames: 0,
        most_frames: 0,
        asks_left,
        destroyed: 0,
        flushes: 0,
    };
    let allocator = Allocator::new(setup, machine).map_err(|error| error.to_string())?;
    Ok((allocator, shape.unit_count()))
}
