//! A client: asks for everything there is, one by one or many at a time, and knows what it holds.

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::{PercpuError, Request};
use userlib::abi::syscall::CpuMask;
use userlib::percpu::{self, Batch, Error, Populate, Region};
use userlib::random::Random;
use userlib::{println, start, thread};

/// Regions at once.
const SLOTS: usize = 40;
/// Most pages of a region.
const MOST_PAGES: u64 = 3;
/// Most requests in one message.
const MOST_AT_ONCE: u64 = 64;

/// A region, and how often this CPU's copy of each of its pages was touched; none where there are no frames.
struct Held {
    region: Region,
    pages: [Option<u64>; MOST_PAGES as usize],
}

/// Something to ask for, of the region in a slot.
#[derive(Clone, Copy)]
enum Ask {
    Reserve(u64),
    Create(u64, Populate),
    Populate(u64, u64),
    Depopulate(u64, u64),
    Destroy,
    /// Which CPUs have touched a page.
    Populated(u64),
}

struct Client {
    random: Random,
    slots: [Option<Held>; SLOTS],
    /// Where requests lie that are sent together, but while they are.
    batch: Option<Batch>,
    wrong: u64,
}

/// Operations of a client that does nothing until somebody ends it.
pub const UNTIL_ENDED: u64 = u64::MAX;

/// `launched SEED OPERATIONS CPU`. The exit code counts what was wrong.
pub fn run(argument: &str) -> u64 {
    let mut words = argument.split(' ').skip(1);
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let (seed, operations, cpu) = (number(), number(), number());
    if operations == UNTIL_ENDED {
        loop {
            thread::yield_now();
        }
    }
    let mut client = Client {
        random: Random::new(seed),
        slots: [const { None }; SLOTS],
        batch: None,
        wrong: 0,
    };
    let done = thread::bind_self(&CpuMask::only(cpu as usize))
        .map_err(Error::from)
        .and_then(|()| client.work(operations));
    if let Err(error) = done {
        println!("million: {error}");
        return client.wrong + 1;
    }
    client.wrong
}

impl Client {
    fn work(&mut self, operations: u64) -> Result<(), Error> {
        let mut left = operations;
        while left > 0 {
            let count = match self.random.below(4) {
                0 => self.one()?,
                _ => {
                    let most = 1 + self.random.below(MOST_AT_ONCE.min(left));
                    self.many(most)?
                }
            };
            left -= count;
            let touches = left.min(count / 3);
            (0..touches).for_each(|_| self.touch());
            left -= touches;
        }
        // Some leave it to the server to clear up behind them.
        match self.random.below(2) {
            0 => Ok(()),
            _ => self.leave(),
        }
    }

    /// Gives everything back; then the whole quota can be had.
    fn leave(&mut self) -> Result<(), Error> {
        for held in self.slots.iter_mut().filter_map(Option::take) {
            held.region.destroy()?;
        }
        let quota = start::info().quota_pages;
        let all = Region::create(quota * PAGE_SIZE, Populate::OnTouch, "quota")?;
        let more = Region::create(PAGE_SIZE, Populate::All, "beyond");
        let expected = PercpuError::QuotaExceeded {
            limit: quota,
            used: quota,
        };
        self.expect(
            more == Err(Error::Refused(expected)),
            "the quota has another limit",
        );
        all.destroy()
    }

    fn expect(&mut self, holds: bool, what: &str) {
        if !holds {
            println!("million: {what}");
            self.wrong += 1;
        }
    }

    /// What could be asked for of a slot.
    fn draw(&mut self) -> (usize, Ask) {
        let slot = self.random.below(SLOTS as u64) as usize;
        let Some(held) = &self.slots[slot] else {
            let pages = 1 + self.random.below(MOST_PAGES);
            let ask = match self.random.below(5) {
                0 => Ask::Reserve(pages),
                1 => Ask::Create(pages, Populate::None),
                2 => Ask::Create(pages, Populate::OnTouch),
                _ => Ask::Create(pages, Populate::All),
            };
            return (slot, ask);
        };
        let pages = held.region.pages();
        let page = self.random.below(pages);
        let count = 1 + self.random.below(pages - page);
        let ask = match self.random.below(6) {
            0 | 1 => Ask::Populate(page, count),
            2 => Ask::Depopulate(page, count),
            3 => Ask::Populated(page),
            _ => Ask::Destroy,
        };
        (slot, ask)
    }

    fn request(&self, slot: usize, ask: Ask) -> Request {
        let name = *b"million\0\0\0\0\0\0\0\0\0";
        let region = || self.slots[slot].as_ref().map(|held| held.region.id());
        let region = region().unwrap_or(userlib::abi::percpu::RegionId {
            index: 0,
            generation: 0,
        });
        match ask {
            Ask::Reserve(pages) => Request::Reserve {
                bytes: pages * PAGE_SIZE,
                align: 8,
                name,
            },
            Ask::Create(pages, populate) => Request::Create {
                unit_bytes: pages * PAGE_SIZE,
                populate,
                name,
            },
            Ask::Populate(page, count) => Request::Populate { region, page, count },
            Ask::Depopulate(page, count) => Request::Depopulate { region, page, count },
            Ask::Destroy => Request::Destroy { region },
            Ask::Populated(page) => Request::Populated { region, page },
        }
    }

    /// One request in a message. How many were made.
    fn one(&mut self) -> Result<u64, Error> {
        let (slot, ask) = self.draw();
        let answer = match ask {
            Ask::Reserve(pages) => Region::reserve(pages * PAGE_SIZE, 8).map(Some),
            Ask::Create(pages, populate) => Region::create(pages * PAGE_SIZE, populate, "million").map(Some),
            _ => percpu::request(&self.request(slot, ask)).map(|_| None),
        };
        match answer {
            Ok(region) => self.record(slot, ask, region),
            Err(Error::Refused(refusal)) => self.refused(refusal),
            Err(error) => return Err(error),
        }
        Ok(1)
    }

    /// Many requests in a message. None is for a region that this message makes or destroys: its id would be unknown, or
    /// stale. How many were made.
    fn many(&mut self, most: u64) -> Result<u64, Error> {
        let mut batch = self.batch.take().map_or_else(Batch::kept, Ok)?;
        let mut asked = [(0, Ask::Destroy); MOST_AT_ONCE as usize];
        let mut is_closed = [false; SLOTS];
        let mut count = 0;
        for _ in 0..most {
            let (slot, ask) = self.draw();
            if is_closed[slot] {
                continue;
            }
            is_closed[slot] = matches!(ask, Ask::Reserve(_) | Ask::Create(..) | Ask::Destroy);
            let is_pushed = batch.push(&self.request(slot, ask));
            assert!(is_pushed, "a batch has room for them");
            asked[count] = (slot, ask);
            count += 1;
        }
        let answers = batch.run()?;
        for (index, (slot, ask)) in asked.into_iter().take(count).enumerate() {
            match answers.words(index) {
                Some(Ok(_)) => {
                    let region = answers.region(index).and_then(Result::ok);
                    self.record(slot, ask, region);
                }
                Some(Err(refusal)) => self.refused(refusal),
                None => self.expect(false, "a request of a batch has no answer"),
            }
        }
        self.batch = Some(answers.again());
        Ok(count as u64)
    }

    fn refused(&mut self, refusal: PercpuError) {
        use PercpuError::{NodeExhausted, QuotaExceeded, ReservedExhausted};
        let is_lawful = matches!(
            refusal,
            QuotaExceeded { .. } | ReservedExhausted { .. } | NodeExhausted(_)
        );
        if !is_lawful {
            println!("million: {refusal:?}");
            self.wrong += 1;
        }
    }

    /// What was granted.
    fn record(&mut self, slot: usize, ask: Ask, region: Option<Region>) {
        let range = |page: u64, count: u64| page as usize..(page + count) as usize;
        match (ask, &mut self.slots[slot]) {
            (Ask::Reserve(pages), empty) => *empty = held(region, pages),
            (Ask::Create(_, Populate::None), empty) => *empty = held(region, 0),
            (Ask::Create(pages, _), empty) => *empty = held(region, pages),
            (Ask::Populate(page, count), Some(held)) => {
                let pages = held.pages[range(page, count)].iter_mut();
                pages.for_each(|page| *page = page.or(Some(0)));
            }
            (Ask::Depopulate(page, count), Some(held)) => held.pages[range(page, count)].fill(None),
            (Ask::Destroy, held) => *held = None,
            _ => {}
        }
    }

    /// Touches this CPU's copy of a page, if it is populated; nobody else has changed it.
    fn touch(&mut self) {
        let slot = self.random.below(SLOTS as u64) as usize;
        let page = self.random.below(MOST_PAGES);
        let Some(Held { region, pages }) = &mut self.slots[slot] else {
            return;
        };
        let cell = region.cell::<u64>(page * PAGE_SIZE + 8 * page);
        let (Some(cell), Some(touches)) = (cell, &mut pages[page as usize]) else {
            return;
        };
        let is_right = cell.get() == *touches;
        cell.increment();
        *touches += 1;
        self.expect(is_right, "a page has lost what was in it");
    }
}

/// A new region, with so many pages that have frames.
fn held(region: Option<Region>, populated: u64) -> Option<Held> {
    let mut pages = [None; MOST_PAGES as usize];
    pages[..populated as usize].fill(Some(0));
    region.map(|region| Held { region, pages })
}
