//! The pools: where pages come from.
//!
//! Reserved pages are those of the first chunk and no others. Dynamic pages are the first chunk's, then those
//! of memory that is added when they are used up, and given back to the kernel when it is not used at all.

use alloc::vec::Vec;

use abi::percpu::PercpuError;
use abi::syscall::MAX_MEMORY_PAGES;
use abi::{Handle, Status};

use crate::mapper::Mapper;
use crate::room::room;
use crate::stock::{Run, Stock};

/// Pages per unit by which the dynamic pool grows at least, as long as the kernel has them: each growth
/// costs a handle.
const GROWTH: usize = 16;
/// Most memory objects of the dynamic pool: they and the windows have to fit into a capability table.
const MOST_STOCKS: usize = 128;

/// A pool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pool {
    /// The first chunk's reserved pages.
    Reserved,
    /// All others.
    Dynamic,
}

/// The pages of both pools.
#[derive(Debug)]
pub struct Pools {
    reserved: Stock,
    /// The first one is the first chunk's, and always stays.
    dynamic: Vec<Stock>,
    /// Largest number of pages of one memory object.
    largest: usize,
}

impl Pools {
    pub fn new(reserved: Stock, dynamic: Stock, possible_cpus: u64) -> Result<Pools, PercpuError> {
        let mut stocks = Vec::new();
        room(&mut stocks, 1, MOST_STOCKS)?;
        stocks.push(dynamic);
        let largest = (MAX_MEMORY_PAGES / possible_cpus.max(1)) as usize;
        Ok(Pools {
            reserved,
            dynamic: stocks,
            largest,
        })
    }

    pub fn reserved(&self) -> &Stock {
        &self.reserved
    }

    pub fn dynamic_used(&self) -> usize {
        self.dynamic.iter().map(Stock::used).sum()
    }

    /// Takes so many pages: reserved ones in a row, dynamic ones in as few rows as there are. All or none.
    pub fn take(
        &mut self,
        pool: Pool,
        count: usize,
        mapper: &mut impl Mapper,
    ) -> Result<Vec<Run>, PercpuError> {
        let mut runs = Vec::new();
        let taken = match pool {
            Pool::Reserved => self.take_reserved(count, &mut runs),
            Pool::Dynamic => self.take_dynamic(count, &mut runs, mapper),
        };
        match taken {
            Ok(()) => Ok(runs),
            Err(refusal) => {
                runs.into_iter().for_each(|run| self.give_back(run, mapper));
                Err(refusal)
            }
        }
    }

    fn take_reserved(&mut self, count: usize, runs: &mut Vec<Run>) -> Result<(), PercpuError> {
        room(runs, 1, MOST_STOCKS)?;
        let free = self.reserved.free() as u64;
        let run = self.reserved.take_row(count);
        runs.push(run.ok_or(PercpuError::ReservedExhausted { free })?);
        Ok(())
    }

    fn take_dynamic(
        &mut self,
        mut missing: usize,
        runs: &mut Vec<Run>,
        mapper: &mut impl Mapper,
    ) -> Result<(), PercpuError> {
        let mut next = 0;
        while missing > 0 {
            if next == self.dynamic.len() {
                self.grow(missing, mapper)?;
            }
            room(runs, 1, MOST_STOCKS)?;
            match self.dynamic[next].take_some(missing) {
                Some(run) => {
                    missing -= run.range.count;
                    runs.push(run);
                }
                None => next += 1,
            }
        }
        Ok(())
    }

    /// Adds a stock with at least one page for `missing`; a pool that cannot grow by much grows by little.
    fn grow(&mut self, missing: usize, mapper: &mut impl Mapper) -> Result<(), PercpuError> {
        if self.dynamic.len() == MOST_STOCKS {
            return Err(PercpuError::ServerFull(MOST_STOCKS as u64));
        }
        room(&mut self.dynamic, 1, MOST_STOCKS)?;
        let needed = missing.min(self.largest);
        let wanted = missing.max(GROWTH).min(self.largest);
        let (memory, count) = match mapper.create(wanted as u64) {
            Ok(memory) => (memory, wanted),
            Err(refusal) if needed == wanted => return Err(exhausted(refusal.status, refusal.into())),
            Err(_) => {
                let smaller = mapper.create(needed as u64);
                let memory = smaller.map_err(|refusal| exhausted(refusal.status, refusal.into()))?;
                (memory, needed)
            }
        };
        let stock = Stock::new(memory, count).inspect_err(|_| mapper.drop(memory))?;
        self.dynamic.push(stock);
        Ok(())
    }

    /// Takes pages back, and gives memory back to the kernel that is not used at all.
    pub fn give_back(&mut self, run: Run, mapper: &mut impl Mapper) {
        if run.memory == self.reserved.memory() {
            return self.reserved.give_back(run.range);
        }
        let index = self.index_of(run.memory);
        self.dynamic[index].give_back(run.range);
        if index > 0 && self.dynamic[index].used() == 0 {
            mapper.drop(self.dynamic.remove(index).memory());
        }
    }

    fn index_of(&self, memory: Handle) -> usize {
        let mut stocks = self.dynamic.iter();
        let index = stocks.position(|stock| stock.memory() == memory);
        index.expect("pages that come back are of a stock")
    }
}

/// The server's account is the pool's: when it is at its limit, no node can help.
fn exhausted(status: Status, refusal: PercpuError) -> PercpuError {
    match status {
        Status::AccountExhausted => PercpuError::NodeExhausted(u64::MAX),
        _ => refusal,
    }
}
