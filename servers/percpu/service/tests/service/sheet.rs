//! Reads the map that the service writes.

use abi::percpu::map::{ENTRY_WORDS, Entry, HEAD_WORDS, head};
use percpu_service::Sheet;

use crate::world::World;

/// Two nodes with two CPUs each.
pub struct Paper(pub Vec<u64>);

impl Sheet for Paper {
    fn words(&self) -> usize {
        self.0.len()
    }
    fn write(&mut self, at: usize, word: u64) {
        self.0[at] = word;
    }
    fn nodes(&self) -> usize {
        2
    }
    fn node(&self, cpu: usize) -> usize {
        cpu / 2
    }
}

/// The head, and all entries.
pub fn map(world: &mut World) -> ([u64; HEAD_WORDS], Vec<Entry>) {
    let mut paper = Paper(vec![0; 64 * 512]);
    let counts = world.again(|service| service.map_to(1, &mut paper));
    let counts = counts.expect("init may see the map");
    let head: [u64; HEAD_WORDS] = paper.0[..HEAD_WORDS].try_into().expect("a whole part");
    assert_eq!(counts, [head[head::ENTRIES], head[head::ENTRIES_IN_ALL]]);
    let rows = paper.0[HEAD_WORDS..].chunks_exact(ENTRY_WORDS + 2);
    let entries = rows
        .take(counts[0] as usize)
        .map(|row| Entry::decode(row[..ENTRY_WORDS].try_into().expect("a whole part")));
    (head, entries.collect())
}
