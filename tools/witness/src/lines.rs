//! Which lines of memory are used by which CPUs, by physical address: two mappings of one frame are one place.

use std::collections::HashMap;

use serde::Serialize;

/// Bytes of a line.
const LINE: u64 = 64;
/// Most shared lines that are told, of each sort.
const MOST_TOLD: usize = 16;

/// One window's.
#[derive(Default)]
pub struct WindowLines(HashMap<u64, Use>);

/// How a line is used, by one CPU.
#[derive(Clone, Copy, Default)]
struct Use {
    /// An instruction that reads it.
    read: Option<u64>,
    /// One that writes it.
    written: Option<u64>,
}

impl WindowLines {
    /// Notes an access, by the instruction at `by`.
    pub fn note(&mut self, address: u64, bytes: u64, is_store: bool, by: u64) {
        let last = address.saturating_add(bytes.max(1) - 1);
        for line in address / LINE..=last / LINE {
            let used = self.0.entry(line * LINE).or_default();
            let place = if is_store {
                &mut used.written
            } else {
                &mut used.read
            };
            place.get_or_insert(by);
        }
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

/// A row's.
#[derive(Default)]
pub struct Lines(HashMap<u64, HashMap<u32, Use>>);

/// A row's lines, summed up.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Lines that somebody writes.
    pub written: usize,
    /// Lines that somebody reads.
    pub read: usize,
    /// How many are written by more than one CPU.
    pub written_by_two: usize,
    /// How many are written by one CPU and read by another.
    pub written_and_read: usize,
    /// Some of both.
    pub shared: Vec<Shared>,
}

/// A line that CPUs share.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// Its physical address, as QEMU counts memory.
    pub line: u64,
    /// Who writes it, and an instruction that does.
    pub writers: Vec<(u32, u64)>,
    /// Who reads it, and an instruction that does.
    pub readers: Vec<(u32, u64)>,
}

impl Lines {
    /// Adds a window of a CPU's, and empties it.
    pub fn add(&mut self, cpu: u32, window: &mut WindowLines) {
        for (line, used) in window.0.drain() {
            let known = self.0.entry(line).or_default().entry(cpu).or_default();
            known.read = known.read.or(used.read);
            known.written = known.written.or(used.written);
        }
    }

    /// What there is to say, if there is anything.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        if self.0.is_empty() {
            return None;
        }
        let mut summary = Summary::default();
        let mut lines: Vec<(&u64, &HashMap<u32, Use>)> = self.0.iter().collect();
        lines.sort_unstable_by_key(|(line, _)| **line);
        let mut milder = Vec::new();
        for (line, users) in lines {
            let shared = shared(*line, users);
            let (writers, readers) = (&shared.writers, &shared.readers);
            summary.written += usize::from(!writers.is_empty());
            summary.read += usize::from(!readers.is_empty());
            let only = writers.first().map(|writer| writer.0);
            if writers.len() > 1 {
                summary.written_by_two += 1;
                summary.shared.push(shared);
            } else if only.is_some() && readers.iter().any(|reader| Some(reader.0) != only) {
                summary.written_and_read += 1;
                milder.push(shared);
            }
        }
        summary.shared.truncate(MOST_TOLD);
        milder.truncate(MOST_TOLD);
        summary.shared.append(&mut milder);
        Some(summary)
    }
}

fn shared(line: u64, users: &HashMap<u32, Use>) -> Shared {
    let by = |place: fn(&Use) -> Option<u64>| {
        let mut found: Vec<(u32, u64)> = users
            .iter()
            .filter_map(|(cpu, used)| Some((*cpu, place(used)?)))
            .collect();
        found.sort_unstable();
        found
    };
    Shared {
        line,
        writers: by(|used| used.written),
        readers: by(|used| used.read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(accesses: &[(u64, u64, bool)]) -> WindowLines {
        let mut window = WindowLines::default();
        for (address, bytes, is_store) in accesses {
            window.note(*address, *bytes, *is_store, 7);
        }
        window
    }

    #[test]
    fn a_line_is_64_bytes_and_an_access_may_touch_two() {
        let mut lines = Lines::default();
        lines.add(0, &mut window(&[(0x1000, 8, true), (0x10fc, 8, true)]));
        lines.add(1, &mut window(&[(0x1038, 8, true), (0x1100, 1, false)]));
        let summary = lines.summary().unwrap();
        assert_eq!((summary.written, summary.read), (3, 1));
        assert_eq!((summary.written_by_two, summary.written_and_read), (1, 1));
        assert_eq!(summary.shared[0].line, 0x1000);
        assert_eq!(summary.shared[0].writers, [(0, 7), (1, 7)]);
        assert_eq!(summary.shared[1].readers, [(1, 7)]);
    }

    #[test]
    fn own_lines_and_lines_that_are_only_read_are_not_shared() {
        let mut lines = Lines::default();
        for cpu in 0..3 {
            let own = u64::from(cpu) * 64;
            lines.add(
                cpu,
                &mut window(&[(own, 8, true), (own, 8, false), (0x8000, 8, false)]),
            );
        }
        let summary = lines.summary().unwrap();
        assert_eq!((summary.written_by_two, summary.written_and_read), (0, 0));
        assert!(Lines::default().summary().is_none());
    }
}
