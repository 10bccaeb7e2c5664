//! The map: counters and every region, for people and tests.

use abi::percpu::map::{ENTRY_WORDS, Entry, HEAD_WORDS, Kind, head};
use abi::percpu::{INIT_BADGE, PROTOCOL_VERSION, PercpuError, name_words};

use super::Service;
use crate::client::Client;
use crate::ledger::{Counter, Words};
use crate::mapper::{Mapper, Piece};

/// Where the map goes, and the nodes of the CPUs.
pub trait Sheet {
    /// Words that there are.
    fn words(&self) -> usize;
    /// Writes one.
    fn write(&mut self, at: usize, word: u64);
    /// Nodes of the machine.
    fn nodes(&self) -> usize;
    /// The node of a CPU.
    fn node(&self, cpu: usize) -> usize;
}

impl<M: Mapper, W: Words> Service<M, W> {
    /// Writes the map. How many regions are in it, and how many there are.
    ///
    /// # Errors
    /// [`PercpuError::NotAttached`], the kernel's refusals.
    pub fn map_to(&mut self, badge: u64, sheet: &mut impl Sheet) -> Result<[u64; 2], PercpuError> {
        if badge != INIT_BADGE {
            self.clients.find(badge)?;
        }
        let entry_words = ENTRY_WORDS + sheet.nodes();
        let most = sheet.words().saturating_sub(HEAD_WORDS) / entry_words;
        let (mut written, mut all) = (0, 0);
        for client in self.clients.iter() {
            for (entry, pieces) in entries(client) {
                all += 1;
                if written == most {
                    continue;
                }
                let at = HEAD_WORDS + written * entry_words;
                for (index, word) in entry.encode().into_iter().enumerate() {
                    sheet.write(at + index, word);
                }
                let is_on_touch = entry.kind == Kind::OnTouch as u64;
                let mapper = is_on_touch.then_some(&mut self.mapper);
                let frames = Frames {
                    window: client.window,
                    cpus: self.possible_cpus as usize,
                    at: at + ENTRY_WORDS,
                };
                frames.write(pieces, mapper, sheet)?;
                written += 1;
            }
        }
        self.write_head(sheet, [written as u64, all]);
        if sheet.words() >= HEAD_WORDS {
            let end = self.write_chunks(sheet, HEAD_WORDS + written * entry_words);
            self.write_owners(badge, sheet, end);
        }
        Ok([written as u64, all])
    }

    fn write_head(&self, sheet: &mut impl Sheet, [written, all]: [u64; 2]) {
        let counter = |counter| self.ledger.counter(counter);
        let pools = &self.pools;
        let words = [
            (head::VERSION, PROTOCOL_VERSION),
            (head::ENTRIES, written),
            (head::ENTRIES_IN_ALL, all),
            (head::POSSIBLE_CPUS, self.possible_cpus),
            (head::NODES, sheet.nodes() as u64),
            (head::STRIDE, self.stride),
            (head::CLIENTS, self.clients.count() as u64),
            (head::REGIONS, self.clients.regions()),
            (head::RESERVED_PAGES, pools.reserved.total() as u64),
            (head::RESERVED_USED, pools.reserved.used() as u64),
            (head::FIRST_DYNAMIC_PAGES, pools.dynamic.lasting_pages() as u64),
            (head::DYNAMIC_PAGES, pools.dynamic.total() as u64),
            (head::DYNAMIC_USED, pools.dynamic.used() as u64),
            (head::ON_TOUCH_PAGES, pools.on_touch.total() as u64),
            (head::ON_TOUCH_USED, pools.on_touch.used() as u64),
            (
                head::STOCKS,
                (pools.dynamic.count() + pools.on_touch.count()) as u64,
            ),
            (head::GRANTED, counter(Counter::Granted)),
            (head::DESTROYED, counter(Counter::Destroyed)),
            (head::REFUSED, counter(Counter::Refused)),
            (head::MALFORMED, counter(Counter::Malformed)),
            (head::BURIED, counter(Counter::Buried)),
            (head::ANSWERED_AGAIN, counter(Counter::AnsweredAgain)),
            (head::RESTARTS, counter(Counter::Restarts)),
            (head::MOST_USED, pools.most_used as u64),
            (head::SMALLEST, counter(Counter::Smallest)),
            (head::LARGEST, counter(Counter::Largest)),
            (head::MOST_REGIONS, counter(Counter::MostRegions)),
            (head::MOST_STOCKS, counter(Counter::MostStocks)),
            (head::DYNAMIC_CLEAN, pools.dynamic.clean() as u64),
        ];
        words.into_iter().for_each(|(at, word)| sheet.write(at, word));
    }
}

/// The client's static part and its regions.
fn entries(client: &Client) -> impl Iterator<Item = (Entry, &[Piece])> {
    let statics = (!client.statics.is_empty()).then(|| {
        let pages = client.statics.iter().map(|piece| piece.pages).sum();
        let entry = Entry {
            badge: client.badge,
            region: super::STATIC_TAG,
            first: abi::window::STATIC_FIRST_PAGE,
            pages,
            kind: Kind::Static as u64,
            held: pages,
            name: name_words(b"static\0\0\0\0\0\0\0\0\0\0"),
        };
        (entry, client.statics.as_slice())
    });
    let regions = client.regions().map(|(id, region)| {
        let entry = Entry {
            badge: client.badge,
            region: id.encode(),
            first: region.range.first as u64,
            pages: region.range.count as u64,
            kind: region.kind as u64,
            held: region.populated(),
            name: name_words(&region.name),
        };
        (entry, region.pieces.as_slice())
    });
    statics.into_iter().chain(regions)
}

/// Where an entry's frames on each node are counted.
struct Frames {
    window: abi::Handle,
    cpus: usize,
    at: usize,
}

impl Frames {
    /// With a mapper, the kernel is asked which pages were touched.
    fn write(
        &self,
        pieces: &[Piece],
        mut mapper: Option<&mut impl Mapper>,
        sheet: &mut impl Sheet,
    ) -> Result<(), PercpuError> {
        let mut on_node = [0; percpu_core::MAX_NODES];
        for piece in pieces {
            for page in 0..piece.pages {
                let mask = match &mut mapper {
                    // A client that has just ended holds nothing any more.
                    Some(mapper) => mapper
                        .populated(self.window, piece.window_page + page)
                        .unwrap_or_default(),
                    None => [u64::MAX; 4],
                };
                for cpu in (0..self.cpus).filter(|cpu| mask[cpu / 64] >> (cpu % 64) & 1 == 1) {
                    on_node[sheet.node(cpu) % percpu_core::MAX_NODES] += 1;
                }
            }
        }
        for (node, frames) in on_node.into_iter().take(sheet.nodes()).enumerate() {
            sheet.write(self.at + node, frames);
        }
        Ok(())
    }
}
