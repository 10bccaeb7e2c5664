//! `Lists`: chunks in order, in one list for each slot (K10, K11). Knows numbers of chunks, not chunks.

/// More lists than any unit size has: 32 bits of bytes and the three special ones.
const MAX_SLOTS: usize = 40;

type Link = Option<u16>;

/// Doubly linked lists over the chunks 0 to `CHUNKS`; each chunk is in at most one.
#[derive(Debug)]
pub(super) struct Lists<const CHUNKS: usize> {
    first: [Link; MAX_SLOTS],
    last: [Link; MAX_SLOTS],
    before: [Link; CHUNKS],
    behind: [Link; CHUNKS],
    slot: [Option<u8>; CHUNKS],
}

impl<const CHUNKS: usize> Lists<CHUNKS> {
    pub const fn empty() -> Self {
        Self {
            first: [None; MAX_SLOTS],
            last: [None; MAX_SLOTS],
            before: [None; CHUNKS],
            behind: [None; CHUNKS],
            slot: [None; CHUNKS],
        }
    }

    pub fn first(&self, slot: usize) -> Option<usize> {
        self.first[slot].map(usize::from)
    }

    pub fn behind(&self, chunk: usize) -> Option<usize> {
        self.behind[chunk].map(usize::from)
    }

    pub fn in_order(&self, slot: usize) -> impl Iterator<Item = usize> + '_ {
        core::iter::successors(self.first(slot), |chunk| self.behind(*chunk))
    }

    /// Out of the list that it is in, if any, and to the front of this one.
    pub fn move_to_front(&mut self, chunk: usize, slot: usize) {
        self.remove(chunk);
        let (link, second) = (Some(chunk as u16), self.first[slot]);
        match second {
            Some(second) => self.before[usize::from(second)] = link,
            None => self.last[slot] = link,
        }
        (self.before[chunk], self.behind[chunk]) = (None, second);
        self.first[slot] = link;
        self.slot[chunk] = Some(slot as u8);
    }

    /// Out of the list that it is in, if any, and to the back of this one.
    pub fn move_to_back(&mut self, chunk: usize, slot: usize) {
        self.remove(chunk);
        let (link, last) = (Some(chunk as u16), self.last[slot]);
        match last {
            Some(last) => self.behind[usize::from(last)] = link,
            None => self.first[slot] = link,
        }
        (self.before[chunk], self.behind[chunk]) = (last, None);
        self.last[slot] = link;
        self.slot[chunk] = Some(slot as u8);
    }

    pub fn remove(&mut self, chunk: usize) {
        let Some(slot) = self.slot[chunk].take() else {
            return;
        };
        let (before, behind) = (self.before[chunk].take(), self.behind[chunk].take());
        match before {
            Some(before) => self.behind[usize::from(before)] = behind,
            None => self.first[usize::from(slot)] = behind,
        }
        match behind {
            Some(behind) => self.before[usize::from(behind)] = before,
            None => self.last[usize::from(slot)] = before,
        }
    }
}
