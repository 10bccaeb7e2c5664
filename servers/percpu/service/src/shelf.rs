//! A shelf: stocks of one kind of memory, made when pages are wanted. What is kept ready of them, and what goes back,
//! is decided when nobody waits: see `balance`.

use alloc::vec::Vec;

use abi::percpu::{NO_NODE, PercpuError};
use abi::{Handle, Status};

use crate::mapper::Chunks;
use crate::room::room;
use crate::stock::{Run, Stock};

/// Pages per unit by which a shelf grows at least, as long as the kernel has them: each growth costs a handle.
pub const GROWTH: usize = 16;
/// Most memory objects of a shelf: they and the windows have to fit into a capability table.
const MOST_STOCKS: usize = 128;

/// Stocks of one kind.
#[derive(Debug)]
pub struct Shelf {
    stocks: Vec<Stock>,
    /// So many at the front are never given back.
    lasting: usize,
    is_on_touch: bool,
    /// Largest number of pages of one memory object.
    pub largest: usize,
}

impl Shelf {
    /// Populated memory, the first stock of which lasts.
    pub fn populated(first: Stock, largest: usize) -> Result<Shelf, PercpuError> {
        let mut stocks = Vec::new();
        room(&mut stocks, 1, MOST_STOCKS)?;
        stocks.push(first);
        Ok(Shelf {
            stocks,
            lasting: 1,
            is_on_touch: false,
            largest,
        })
    }

    /// Memory that is populated on touch.
    pub fn on_touch(largest: usize) -> Shelf {
        Shelf {
            stocks: Vec::new(),
            lasting: 0,
            is_on_touch: true,
            largest,
        }
    }

    /// Pages in all.
    pub fn total(&self) -> usize {
        self.stocks.iter().map(Stock::total).sum()
    }

    /// Pages that are not given out.
    pub fn free(&self) -> usize {
        self.stocks.iter().map(Stock::free).sum()
    }

    /// Of these: those that are clean.
    pub fn clean(&self) -> usize {
        self.stocks.iter().map(Stock::clean).sum()
    }

    /// Of these: those that have to be cleared. None of those that are populated on touch: they are cleared then.
    pub fn dirty(&self) -> usize {
        match self.is_on_touch {
            true => 0,
            false => self.stocks.iter().map(Stock::dirty).sum(),
        }
    }

    /// Pages that are given out.
    pub fn used(&self) -> usize {
        self.stocks.iter().map(Stock::used).sum()
    }

    /// The memory of the stock that lasts.
    pub fn first(&self) -> Handle {
        self.stocks.first().map_or(Handle::NONE, Stock::memory)
    }

    /// All stocks, those that last first.
    pub fn stocks(&self) -> impl Iterator<Item = &Stock> {
        self.stocks.iter()
    }

    /// How many of them last.
    pub fn lasting_count(&self) -> usize {
        self.lasting
    }

    /// Memory objects.
    pub fn count(&self) -> usize {
        self.stocks.len()
    }

    /// Pages of the stocks that last.
    pub fn lasting_pages(&self) -> usize {
        self.stocks[..self.lasting].iter().map(Stock::total).sum()
    }

    /// Takes so many pages, clean ones as long as there are such, in as few rows as there are. What was taken is in `runs` also after a refusal.
    pub fn take(
        &mut self,
        mut missing: usize,
        runs: &mut Vec<Run>,
        chunks: &mut impl Chunks,
    ) -> Result<(), PercpuError> {
        self.take_there(&mut missing, runs, Stock::take_clean)?;
        self.take_there(&mut missing, runs, Stock::take_some)?;
        self.take_new(missing, runs, chunks)
    }

    /// Takes of the stocks that are there, as many pages as they have.
    fn take_there(
        &mut self,
        missing: &mut usize,
        runs: &mut Vec<Run>,
        take: impl Fn(&mut Stock, usize) -> Option<Run>,
    ) -> Result<(), PercpuError> {
        for stock in &mut self.stocks {
            while *missing > 0 {
                room(runs, 1, MOST_STOCKS)?;
                let Some(run) = take(stock, *missing) else { break };
                *missing -= run.range.count;
                runs.push(run);
            }
        }
        Ok(())
    }

    /// Takes so many pages of stocks that are made for them, in as few rows as possible.
    pub fn take_new(
        &mut self,
        mut missing: usize,
        runs: &mut Vec<Run>,
        chunks: &mut impl Chunks,
    ) -> Result<(), PercpuError> {
        while missing > 0 {
            self.grow(missing, chunks)?;
            room(runs, 1, MOST_STOCKS)?;
            let run = self.stocks.last_mut().and_then(|stock| stock.take_some(missing));
            let run = run.expect("a new stock has pages");
            missing -= run.range.count;
            runs.push(run);
        }
        Ok(())
    }

    /// Adds a stock with at least one page for `missing`; a shelf that cannot grow by much grows by little.
    fn grow(&mut self, missing: usize, chunks: &mut impl Chunks) -> Result<(), PercpuError> {
        let needed = missing.min(self.largest);
        let wanted = match self.is_on_touch {
            true => needed,
            false => missing.max(GROWTH).min(self.largest),
        };
        let is_on_touch = self.is_on_touch;
        let (memory, count) = match chunks.create(wanted as u64, is_on_touch) {
            Ok(memory) => (memory, wanted),
            Err(refusal) if needed == wanted => return Err(exhausted(refusal.status, refusal.into())),
            Err(_) => {
                let smaller = chunks.create(needed as u64, is_on_touch);
                let memory = smaller.map_err(|refusal| exhausted(refusal.status, refusal.into()))?;
                (memory, needed)
            }
        };
        self.add(memory, count, true)
            .inspect_err(|_| chunks.destroy(memory, count, is_on_touch))
    }

    /// Adds a stock of all pages of a memory object.
    pub fn add(&mut self, memory: Handle, count: usize, is_new: bool) -> Result<(), PercpuError> {
        if self.stocks.len() == MOST_STOCKS {
            return Err(PercpuError::ServerFull(MOST_STOCKS as u64));
        }
        room(&mut self.stocks, 1, MOST_STOCKS)?;
        self.stocks.push(Stock::new(memory, count, is_new)?);
        Ok(())
    }

    /// The stock of a memory object.
    pub fn stock_mut(&mut self, memory: Handle) -> Option<&mut Stock> {
        self.stocks.iter_mut().find(|stock| stock.memory() == memory)
    }

    /// Takes dirty pages in a row, at most so many.
    pub fn take_dirty(&mut self, most: usize) -> Option<Run> {
        self.stocks.iter_mut().find_map(|stock| stock.take_dirty(most))
    }

    /// Takes the memory of the last stock that is not used at all out of the shelf, and says how many pages that are. One with
    /// more than `most` pages stays.
    pub fn take_unused(&mut self, most: usize) -> Option<(Handle, usize)> {
        let lasting = &self.stocks[self.lasting..];
        let at = lasting
            .iter()
            .rposition(|stock| stock.is_unused() && stock.total() <= most)?;
        let stock = self.stocks.remove(self.lasting + at);
        Some((stock.memory(), stock.total()))
    }

    /// Whether [`Shelf::take_unused`] would find any.
    pub fn has_unused(&self, most: usize) -> bool {
        let mut stocks = self.stocks[self.lasting..].iter();
        stocks.any(|stock| stock.is_unused() && stock.total() <= most)
    }

    /// Gives stocks back to the kernel that are not used. How many pages.
    pub fn drain(&mut self, chunks: &mut impl Chunks) -> usize {
        let mut pages = 0;
        while let Some((memory, count)) = self.take_unused(usize::MAX) {
            pages += count;
            chunks.destroy(memory, count, self.is_on_touch);
        }
        pages
    }
}

/// The pools' account: when it is at its limit, no node can help.
fn exhausted(status: Status, refusal: PercpuError) -> PercpuError {
    match status {
        Status::AccountExhausted => PercpuError::NodeExhausted(NO_NODE),
        _ => refusal,
    }
}
