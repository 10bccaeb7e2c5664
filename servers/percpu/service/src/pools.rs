//! The pools: where pages come from.
//!
//! Reserved pages are those of the first chunk and no others. Dynamic pages are the first chunk's, then those
//! of memory that is added when they are used up. Pages that are populated on touch have pools of their own.

use alloc::vec::Vec;

use abi::percpu::PercpuError;
use abi::syscall::MAX_MEMORY_PAGES;
use abi::{Handle, syscall};

use crate::mapper::Chunks;
use crate::room::room;
use crate::shelf::Shelf;
use crate::stock::{Run, Stock};

/// A pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pool {
    /// The first chunk's reserved pages.
    Reserved,
    /// Populated pages, the first chunk's dynamic ones first.
    Dynamic,
    /// Pages that are populated on touch.
    OnTouch,
}

/// The pages of all pools.
#[derive(Debug)]
pub struct Pools {
    /// The first chunk's reserved pages.
    pub reserved: Stock,
    /// Populated pages.
    pub dynamic: Shelf,
    /// Pages that are populated on touch.
    pub on_touch: Shelf,
    /// Most pages of both that were in use at once.
    pub most_used: usize,
    /// Nothing is kept ready until somebody wants pages again.
    pub is_at_rest: bool,
    /// The kernel had nothing to keep ready, and nothing has come back since.
    pub is_refused: bool,
}

impl Pools {
    pub fn new(reserved: Stock, dynamic: Stock, possible_cpus: u64) -> Result<Pools, PercpuError> {
        let largest = (MAX_MEMORY_PAGES / possible_cpus.max(1)) as usize;
        Ok(Pools {
            reserved,
            dynamic: Shelf::populated(dynamic, largest)?,
            on_touch: Shelf::on_touch(largest),
            most_used: 0,
            is_at_rest: true,
            is_refused: false,
        })
    }

    /// Dynamic and on-touch pages that are given out.
    pub fn used(&self) -> usize {
        self.dynamic.used() + self.on_touch.used()
    }

    /// Takes so many pages: reserved ones in a row, others in as few rows as there are, or in new rows. All or none.
    /// What is kept ready for others is no reason for a refusal.
    pub fn take(
        &mut self,
        pool: Pool,
        count: usize,
        in_new_rows: bool,
        chunks: &mut impl Chunks,
    ) -> Result<Vec<Run>, PercpuError> {
        match self.try_take(pool, count, in_new_rows, chunks) {
            Err(PercpuError::NodeExhausted(_)) if self.drain(chunks) > 0 => {
                self.try_take(pool, count, in_new_rows, chunks)
            }
            other => other,
        }
    }

    fn try_take(
        &mut self,
        pool: Pool,
        count: usize,
        in_new_rows: bool,
        chunks: &mut impl Chunks,
    ) -> Result<Vec<Run>, PercpuError> {
        let mut runs = Vec::new();
        let taken = match (pool, in_new_rows) {
            (Pool::Reserved, _) => self.take_reserved(count, &mut runs),
            (Pool::Dynamic, false) => self.dynamic.take(count, &mut runs, chunks),
            (Pool::Dynamic, true) => self.dynamic.take_new(count, &mut runs, chunks),
            (Pool::OnTouch, false) => self.on_touch.take(count, &mut runs, chunks),
            (Pool::OnTouch, true) => self.on_touch.take_new(count, &mut runs, chunks),
        };
        match taken {
            Ok(()) => {
                if pool == Pool::Dynamic {
                    self.is_at_rest = self.is_refused;
                }
                self.most_used = self.most_used.max(self.used());
                Ok(runs)
            }
            Err(refusal) => {
                runs.into_iter().for_each(|run| self.give_back(run));
                Err(refusal)
            }
        }
    }

    fn take_reserved(&mut self, count: usize, runs: &mut Vec<Run>) -> Result<(), PercpuError> {
        room(runs, 1, 1)?;
        let free = self.reserved.free() as u64;
        let run = self.reserved.take_row(count);
        runs.push(run.ok_or(PercpuError::ReservedExhausted { free })?);
        Ok(())
    }

    /// Takes just these pages, which a server before this one gave out.
    pub fn take_at(&mut self, run: Run) -> Result<(), PercpuError> {
        let stock = self.stock_mut(run.memory);
        let stock = stock.ok_or(PercpuError::Kernel(abi::Status::NoSuchHandle as u64))?;
        stock.take_at(run.range)?;
        self.most_used = self.most_used.max(self.used());
        Ok(())
    }

    /// Adds memory that a server before this one had made.
    pub fn adopt(
        &mut self,
        memory: Handle,
        kind: syscall::MemoryKind,
        pages: usize,
    ) -> Result<(), PercpuError> {
        match kind {
            syscall::MemoryKind::PerCpu => self.dynamic.add(memory, pages, false),
            syscall::MemoryKind::PerCpuOnTouch => self.on_touch.add(memory, pages, false),
            _ => Err(PercpuError::Kernel(abi::Status::WrongKind as u64)),
        }
    }

    fn stock_mut(&mut self, memory: Handle) -> Option<&mut Stock> {
        if self.reserved.memory() == memory {
            return Some(&mut self.reserved);
        }
        let dynamic = self.dynamic.stock_mut(memory);
        dynamic.or_else(|| self.on_touch.stock_mut(memory))
    }

    /// Takes pages back, which somebody had in a window or could have had.
    ///
    /// # Panics
    /// When no stock has them.
    pub fn give_back(&mut self, run: Run) {
        self.is_refused = false;
        let stock = self.stock_mut(run.memory);
        stock
            .expect("pages that come back are of a stock")
            .give_back(run.range);
    }

    /// Takes pages back that were given out to be cleared.
    ///
    /// # Panics
    /// When no stock has them.
    pub fn give_cleared_back(&mut self, run: Run, is_clean: bool) {
        let stock = self.stock_mut(run.memory);
        let stock = stock.expect("a stock stays as long as pages of it are cleared");
        stock.give_cleared_back(run.range, is_clean);
    }

    /// Gives everything back to the kernel that is not used. How many pages.
    pub fn drain(&mut self, chunks: &mut impl Chunks) -> usize {
        self.is_refused = false;
        self.dynamic.drain(chunks) + self.on_touch.drain(chunks)
    }
}
