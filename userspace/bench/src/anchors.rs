//! What others need for the same, measured with the same stop-watch, and what is promised here.
//!
//! seL4's own benchmark, x86_64 release build with FSGSBASE and its fast path, on the same emulator: its
//! uniprocessor build and its build for 4 CPUs. It takes the stubs away from its numbers, we do not.

use core::fmt;

/// What is printed behind a row.
pub struct Anchors(Option<Row>);

#[derive(Clone, Copy)]
struct Row {
    name: &'static str,
    uniprocessor: u32,
    /// Where it is known.
    multiprocessor: Option<u32>,
    at_most: u32,
}

const ROWS: [Row; 8] = [
    row("syscall", [76, 76, 50]),
    row("round-trip", [395, 565, 220]),
    row("round-trip-fpu", [423, 602, 350]),
    row("map", [718, 718, 60]),
    row("call", [184, 266, 125]),
    row("reply-receive", [211, 299, 125]),
    row("round-trip-10", [1572, 1857, 600]),
    row("fault-round-trip", [1303, 0, 600]),
];

const fn row(name: &'static str, numbers: [u32; 3]) -> Row {
    Row {
        name,
        uniprocessor: numbers[0],
        multiprocessor: match numbers[1] {
            0 => None,
            number => Some(number),
        },
        at_most: numbers[2],
    }
}

/// Those of a row; nothing where there are none.
pub fn of(name: &str) -> Anchors {
    Anchors(ROWS.into_iter().find(|row| row.name == name))
}

impl fmt::Display for Anchors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(row) => {
                write!(f, " seL4 {}", row.uniprocessor)?;
                if let Some(number) = row.multiprocessor {
                    write!(f, " seL4-4-CPUs {number}")?;
                }
                write!(f, " at-most {}", row.at_most)
            }
        }
    }
}
