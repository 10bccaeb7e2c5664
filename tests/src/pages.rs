//! Walks a machine's page tables from outside (Intel SDM volume 3, 4.5: four levels of 512 entries).

use std::ops::Range;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const FRAME: u64 = 0x000f_ffff_ffff_f000;
const ENTRIES: u64 = 512;
const ALLOWED: u64 = WRITABLE | USER | NO_EXECUTE;
const TOP_LEVEL: u32 = 3;

/// One mapped page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Where a program sees it.
    pub address: u64,
    /// Where it lies.
    pub phys: u64,
    /// Its size.
    pub bytes: u64,
    /// It may be written, at every level.
    pub is_writable: bool,
    /// Programs may touch it, at every level.
    pub is_user: bool,
    /// It may be executed, at every level.
    pub is_executable: bool,
}

/// The pages mapped in a range of addresses, ascending. `table` reads 4 KiB of physical memory.
pub fn mapped<E>(
    cr3: u64,
    range: Range<u64>,
    mut table: impl FnMut(u64) -> Result<Vec<u8>, E>,
) -> Result<Vec<Page>, E> {
    let mut pages = Vec::new();
    let top = Node {
        table: cr3 & FRAME,
        address: 0,
        level: TOP_LEVEL,
        flags: ALLOWED,
    };
    let mut open = vec![top];
    while let Some(node) = open.pop() {
        let bytes = table(node.table)?;
        for (index, entry) in (0..ENTRIES).zip(entries(&bytes)) {
            let address = node.address + index * node.span();
            let is_wanted = address < range.end && range.start < address + node.span();
            if entry & PRESENT == 0 || !is_wanted {
                continue;
            }
            match node.level == 0 || entry & LARGE != 0 {
                true => pages.push(node.page(address, entry)),
                false => open.push(node.below(address, entry)),
            }
        }
    }
    pages.sort_unstable_by_key(|page| page.address);
    Ok(pages)
}

/// One table, still to be looked at.
struct Node {
    table: u64,
    address: u64,
    level: u32,
    flags: u64,
}

impl Node {
    /// Bytes that one entry of it covers.
    fn span(&self) -> u64 {
        4096 << (9 * self.level)
    }

    fn page(&self, address: u64, entry: u64) -> Page {
        let (flags, bytes) = (self.flags & allowed(entry), self.span());
        Page {
            address,
            phys: entry & FRAME & !(bytes - 1),
            bytes,
            is_writable: flags & WRITABLE != 0,
            is_user: flags & USER != 0,
            is_executable: flags & NO_EXECUTE != 0,
        }
    }

    fn below(&self, address: u64, entry: u64) -> Node {
        Node {
            table: entry & FRAME,
            address,
            level: self.level - 1,
            flags: self.flags & allowed(entry),
        }
    }
}

/// What an entry allows: its bits, with that for execution turned around.
fn allowed(entry: u64) -> u64 {
    (entry ^ NO_EXECUTE) & ALLOWED
}

fn entries(table: &[u8]) -> impl Iterator<Item = u64> {
    table.chunks_exact(8).map(|bytes| {
        bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn walk(tables: &[(u64, usize, u64)], range: Range<u64>) -> Vec<Page> {
        let mut memory: HashMap<u64, Vec<u8>> = HashMap::new();
        for &(table, index, entry) in tables {
            let bytes = memory.entry(table).or_insert_with(|| vec![0; 4096]);
            bytes[index * 8..index * 8 + 8].copy_from_slice(&entry.to_le_bytes());
        }
        mapped(0x1000, range, |address| {
            memory.get(&address).cloned().ok_or(address)
        })
        .unwrap()
    }

    #[test]
    fn pages_are_found_with_what_all_levels_allow() {
        let window = 0x1000_0000_0000;
        let tables = [
            (0x1000, 32, 0x2007),
            (0x2000, 0, 0x3007),
            (0x3000, 0, 0x4007),
            (0x4000, 0, 0x9005),
            (0x4000, 2, 0x8000_0000_0000_a007),
        ];
        let pages = walk(&tables, window..window + 0x10_0000);
        let header = Page {
            address: window,
            phys: 0x9000,
            bytes: 4096,
            is_writable: false,
            is_user: true,
            is_executable: true,
        };
        let data = Page {
            address: window + 0x2000,
            phys: 0xa000,
            bytes: 4096,
            is_writable: true,
            is_user: true,
            is_executable: false,
        };
        assert_eq!(pages, [header, data]);
        assert!(walk(&tables, window + 0x3000..window + 0x4000).is_empty());
        let locked = walk(
            &[(0x1000, 32, 0x2001), tables[1], tables[2], tables[4]],
            window..window + 0x10_0000,
        );
        assert!(!locked[0].is_user && !locked[0].is_writable);
    }

    #[test]
    fn large_pages_end_the_walk() {
        let pages = walk(
            &[(0x1000, 0, 0x2007), (0x2000, 0, 0x3007), (0x3000, 1, 0x40_0087)],
            0..1 << 30,
        );
        assert_eq!(pages.len(), 1);
        assert_eq!(
            (pages[0].address, pages[0].phys, pages[0].bytes),
            (2 << 20, 4 << 20, 2 << 20)
        );
    }
}
