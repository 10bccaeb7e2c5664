//! A client that asks the percpu server for everything there is, at random, and knows what it holds: for programs
//! that see what becomes of it when somebody ends meanwhile.

use abi::PAGE_SIZE;
use abi::percpu::map::{Entry, head};
use abi::percpu::{PercpuError, Request};

use crate::percpu::{self, Batch, Error, Map, Populate, Region};
use crate::random::Random;
use crate::{supervisor, thread};

/// Most pages of a region.
const MOST_PAGES: u64 = 4;
/// How often the books are looked at until they have to be right.
const MOST_LOOKS: u64 = 10_000;
/// Most regions at once.
const MOST_REGIONS: usize = 10;

/// The client.
#[derive(Debug)]
pub struct Workload {
    random: Random,
    regions: [Option<Held>; MOST_REGIONS],
}

/// A region, and for each of its pages what its first word comes to; none where there are no frames.
#[derive(Debug)]
struct Held {
    region: Region,
    is_on_touch: bool,
    pages: [Option<u64>; MOST_PAGES as usize],
}

impl Held {
    fn new(region: Region, populate: Populate) -> Held {
        let count = region.pages();
        let mut pages = [None; MOST_PAGES as usize];
        if populate != Populate::None {
            pages
                .iter_mut()
                .take(count as usize)
                .for_each(|page| *page = Some(0));
        }
        Held {
            region,
            is_on_touch: populate == Populate::OnTouch,
            pages,
        }
    }

    fn held(&self) -> u64 {
        self.pages.iter().flatten().count() as u64
    }

    /// What the first word of a page comes to now.
    fn sum(&self, page: u64) -> Result<Option<u64>, Error> {
        match self.is_on_touch {
            true => self.region.sum_touched(page * PAGE_SIZE),
            false => Ok(self.region.cell::<u64>(page * PAGE_SIZE).map(|cell| cell.sum())),
        }
    }
}

impl Workload {
    /// Nothing held; what it will do depends on the seed.
    #[must_use]
    pub const fn new(seed: u64) -> Workload {
        Workload {
            random: Random::new(seed),
            regions: [const { None }; MOST_REGIONS],
        }
    }

    /// Does one thing. That the server has no more to give is no error.
    ///
    /// # Errors
    /// Every other refusal.
    pub fn step(&mut self) -> Result<(), Error> {
        let slot = self.random.below(MOST_REGIONS as u64) as usize;
        let done = match self.regions[slot].is_some() {
            false => self.create(slot),
            true => self.change(slot),
        };
        match done {
            Err(Error::Refused(
                PercpuError::QuotaExceeded { .. }
                | PercpuError::ReservedExhausted { .. }
                | PercpuError::NodeExhausted(_),
            )) => Ok(()),
            other => other,
        }
    }

    fn create(&mut self, slot: usize) -> Result<(), Error> {
        let bytes = (1 + self.random.below(MOST_PAGES)) * PAGE_SIZE;
        let populate = match self.random.below(3) {
            0 => Populate::None,
            1 => Populate::All,
            _ => Populate::OnTouch,
        };
        let (region, populate) = match self.random.below(4) {
            0 => (Region::reserve_named(bytes, 8, "workload")?, Populate::All),
            1 => (Workload::create_in_batch(bytes, populate)?, populate),
            _ => (Region::create(bytes, populate, "workload")?, populate),
        };
        self.regions[slot] = Some(Held::new(region, populate));
        Ok(())
    }

    fn create_in_batch(bytes: u64, populate: Populate) -> Result<Region, Error> {
        let mut batch = Batch::new()?;
        let _is_full = batch.push(&Request::Stats) && batch.create(bytes, populate, "workload");
        let answers = batch.run()?;
        let region = answers.region(1).unwrap_or(Err(PercpuError::NotAttached));
        Ok(region?)
    }

    fn change(&mut self, slot: usize) -> Result<(), Error> {
        let (kind, page) = (self.random.below(6), self.random.below(MOST_PAGES));
        let Some(held) = &mut self.regions[slot] else {
            return Ok(());
        };
        let pages = held.region.pages();
        let page = page % pages;
        let count = 1 + self.random.below(pages - page);
        let range = page as usize..(page + count) as usize;
        match kind {
            0 => {
                if let Some(held) = self.regions[slot].take() {
                    held.region.destroy()?;
                }
            }
            1 => {
                held.region.populate(page, count)?;
                held.pages[range]
                    .iter_mut()
                    .for_each(|page| *page = page.or(Some(0)));
            }
            2 => {
                held.region.depopulate(page, count)?;
                held.pages[range].fill(None);
            }
            _ => {
                let cell = held.region.cell::<u64>(page * PAGE_SIZE);
                if let (Some(sum), Some(cell)) = (&mut held.pages[page as usize], cell) {
                    cell.increment();
                    *sum += 1;
                }
            }
        }
        Ok(())
    }

    /// How many words are not what they have to be.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn wrong_words(&self) -> Result<u64, Error> {
        let mut wrong = 0;
        for held in self.regions.iter().flatten() {
            for (page, expected) in (0..).zip(held.pages) {
                if expected.is_some() {
                    wrong += u64::from(held.sum(page)? != expected);
                }
            }
        }
        Ok(wrong)
    }

    /// Whether the map has just these regions of this client, as it knows them.
    #[must_use]
    pub fn is_in(&self, map: &Map) -> bool {
        let is_ours = |entry: &Entry, held: &Held| {
            let region = &held.region;
            let known = [
                region.id().encode(),
                region.offset() / PAGE_SIZE,
                region.pages(),
                held.held(),
            ];
            known == [entry.region, entry.first, entry.pages, entry.held]
        };
        let mut badge = None;
        let held = self.regions.iter().flatten();
        let all_told = held.clone().all(|held| {
            let entry = map.entries().find(|entry| is_ours(entry, held));
            badge = badge.or(entry.map(|entry| entry.badge));
            entry.is_some()
        });
        let is_region = |entry: &Entry| Some(entry.badge) == badge && entry.region != u64::MAX;
        let told = map.entries().filter(is_region).count();
        all_told && (badge.is_none() || told == held.count())
    }

    /// Gives everything back.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn end(&mut self) -> Result<(), Error> {
        let mut regions = self.regions.iter_mut().filter_map(Option::take);
        regions.try_for_each(|held| held.region.destroy())
    }
}

/// What the percpu server has given out and has of memory, with nothing kept ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Books(pub [u64; 7]);

impl Books {
    /// As they are now. The percpu server gives back what it does not need, for which init is asked.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn now() -> Result<Books, Error> {
        supervisor::drain()?;
        let map = percpu::map(16)?;
        let words = [
            head::CLIENTS,
            head::REGIONS,
            head::RESERVED_USED,
            head::DYNAMIC_USED,
            head::DYNAMIC_PAGES,
            head::ON_TOUCH_PAGES,
            head::STOCKS,
        ];
        Ok(Books(words.map(|at| map.head(at))))
    }

    /// As they are once they are no more than these, or after a while: the end of a client is told a moment after it.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn settled(&self) -> Result<Books, Error> {
        for _ in 0..MOST_LOOKS {
            if self.covers(&Books::now()?) {
                break;
            }
            thread::give_way();
        }
        Books::now()
    }

    /// Whether nothing in the others is more than here. Less is no loss: other programs may have ended.
    #[must_use]
    pub fn covers(&self, others: &Books) -> bool {
        self.0.iter().zip(others.0).all(|(here, there)| there <= *here)
    }
}
