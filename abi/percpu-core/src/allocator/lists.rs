//! `Lists`: chunks in order, in one list for each slot (K10, K11). Knows numbers of chunks, not chunks.

/// More lists than any unit size has: 32 bits of bytes and the three special ones.
const MAX_SLOTS: usize = 40;

/// No chunk has this number.
const NONE: u16 = u16::MAX;

/// No slot has this number.
const NO_SLOT: u8 = u8::MAX;

/// Doubly linked lists over the chunks 0 to `CHUNKS`; each chunk is in at most one.
#[derive(Debug)]
pub(super) struct Lists<const CHUNKS: usize> {
    /// One bit for each list that is not empty, so that empty ones are never looked at.
    filled: u64,
    ends: [Ends; MAX_SLOTS],
    links: [Links; CHUNKS],
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u16,
    last: u16,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    before: u16,
    behind: u16,
    slot: u8,
}

impl<const CHUNKS: usize> Lists<CHUNKS> {
    pub const fn empty() -> Self {
        Self {
            filled: 0,
            ends: [Ends {
                first: NONE,
                last: NONE,
            }; MAX_SLOTS],
            links: [Links {
                before: NONE,
                behind: NONE,
                slot: NO_SLOT,
            }; CHUNKS],
        }
    }

    /// The first list at or behind this slot that has a chunk.
    pub fn next_filled(&self, slot: usize) -> Option<usize> {
        let behind = self.filled >> slot;
        (behind != 0).then(|| slot + behind.trailing_zeros() as usize)
    }

    pub fn first(&self, slot: usize) -> Option<usize> {
        chunk(self.ends[slot].first)
    }

    pub fn behind(&self, index: usize) -> Option<usize> {
        chunk(self.links[index].behind)
    }

    pub fn in_order(&self, slot: usize) -> impl Iterator<Item = usize> + '_ {
        core::iter::successors(self.first(slot), |index| self.behind(*index))
    }

    /// Out of the list that it is in, if any, and to the front of this one.
    pub fn move_to_front(&mut self, index: usize, slot: usize) {
        self.remove(index);
        let (number, second) = (index as u16, self.ends[slot].first);
        self.join(number, second, slot);
        self.ends[slot].first = number;
        self.links[index] = Links {
            before: NONE,
            behind: second,
            slot: slot as u8,
        };
        self.filled |= 1 << slot;
    }

    /// Out of the list that it is in, if any, and to the back of this one.
    pub fn move_to_back(&mut self, index: usize, slot: usize) {
        self.remove(index);
        let (number, last) = (index as u16, self.ends[slot].last);
        self.join(last, number, slot);
        self.ends[slot].last = number;
        self.links[index] = Links {
            before: last,
            behind: NONE,
            slot: slot as u8,
        };
        self.filled |= 1 << slot;
    }

    pub fn remove(&mut self, index: usize) {
        let Links { before, behind, slot } = self.links[index];
        if slot == NO_SLOT {
            return;
        }
        let slot = usize::from(slot);
        self.join(before, behind, slot);
        self.links[index].slot = NO_SLOT;
        if self.ends[slot].first == NONE {
            self.filled &= !(1 << slot);
        }
    }

    /// These two follow each other in the list of this slot; no chunk stands for its end.
    fn join(&mut self, before: u16, behind: u16, slot: usize) {
        match before {
            NONE => self.ends[slot].first = behind,
            before => self.links[usize::from(before)].behind = behind,
        }
        match behind {
            NONE => self.ends[slot].last = before,
            behind => self.links[usize::from(behind)].before = before,
        }
    }
}

fn chunk(number: u16) -> Option<usize> {
    (number != NONE).then_some(usize::from(number))
}
