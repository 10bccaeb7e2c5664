//! What is done with an instruction: counted, added to the CPU's stretch, and obeyed if it is a mark.
//!
//! A CPU's counters and its stretch are moved by its own thread alone; what is shared is behind a lock, and touched
//! at marks only, or in traced windows.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::class::{Class, Mark};
use crate::counts::{Counters, Counts};
use crate::lines::WindowLines;
use crate::report::{Report, Row, Window};
use crate::stretch::Stretch;

/// Addresses with this bit are the kernel's.
const KERNEL_HALF: u64 = 1 << 47;

/// States of a CPU's window.
const CLOSED: u8 = 0;
const OPEN: u8 = 1;
const TRACED: u8 = 2;

/// All that is seen of a machine.
pub struct Witness {
    cpus: Vec<Cpu>,
    rows: Mutex<Rows>,
    /// Instructions of the current row's longest stretch.
    longest: AtomicU64,
    /// What was asked for.
    pub settings: Settings,
}

/// The first one is for what belongs to no row.
struct Rows {
    all: Vec<Row>,
    current: usize,
}

/// What the command line asks for.
pub struct Settings {
    /// Where the report goes.
    pub report: PathBuf,
    /// Where the kernel's template has the CPU's number.
    pub cpu_number: u64,
    /// Virtual CPUs.
    pub cpus: usize,
}

#[derive(Default)]
struct Cpu {
    counters: Counters,
    stretch: Stretch,
    window: AtomicU8,
    start: Mutex<Start>,
    lines: Mutex<WindowLines>,
}

/// The counters when a window began.
#[derive(Clone, Copy, Default)]
struct Start {
    own: Counts,
    others: Counts,
}

impl Witness {
    /// One that has seen nothing.
    #[must_use]
    pub fn new(settings: Settings) -> Witness {
        Witness {
            cpus: (0..settings.cpus).map(|_| Cpu::default()).collect(),
            rows: Mutex::new(Rows {
                all: vec![Row::default()],
                current: 0,
            }),
            longest: AtomicU64::new(0),
            settings,
        }
    }

    /// A CPU is about to execute an instruction.
    pub fn on_instruction(&self, cpu: u32, class: Class, address: u64) {
        let Some(own) = self.cpus.get(cpu as usize) else {
            return;
        };
        let in_kernel = address & KERNEL_HALF != 0;
        let mark = class.mark();
        if mark == Some(Mark::End) {
            self.end(cpu, own);
        }
        own.counters.count(class, in_kernel);
        if in_kernel {
            own.stretch.go_on(address);
        }
        if (!in_kernel || class.opens()) && own.stretch.length() > 0 {
            self.end_stretch(cpu, own);
        }
        if in_kernel && class.leaves() {
            own.stretch.arm();
        }
        match mark {
            Some(Mark::Begin) => self.begin(cpu, own, OPEN),
            Some(Mark::BeginTraced) => self.begin(cpu, own, TRACED),
            Some(Mark::Row) => self.next_row(),
            Some(Mark::Rest) => self.rest(),
            Some(Mark::End) | None => {}
        }
    }

    /// Whether this CPU is in a window that a program began with `BeginTraced`: only then is each access to memory noted.
    #[must_use]
    pub fn is_traced(&self, cpu: u32) -> bool {
        let own = self.cpus.get(cpu as usize);
        own.is_some_and(|own| own.window.load(Ordering::Relaxed) == TRACED)
    }

    /// Notes an access in a traced window.
    pub fn on_access(&self, cpu: u32, (physical, bytes): (u64, u64), is_store: bool, by: u64) {
        if let Some(own) = self.cpus.get(cpu as usize) {
            locked(&own.lines).note(physical, bytes, is_store, by);
        }
    }

    fn begin(&self, cpu: u32, own: &Cpu, state: u8) {
        locked(&own.lines).clear();
        *locked(&own.start) = Start {
            own: own.counters.now(),
            others: self.others(cpu),
        };
        own.window.store(state, Ordering::Relaxed);
    }

    fn end(&self, cpu: u32, own: &Cpu) {
        let state = own.window.swap(CLOSED, Ordering::Relaxed);
        if state == CLOSED {
            return;
        }
        let start = *locked(&own.start);
        let others = (state == OPEN).then(|| self.others(cpu).since(&start.others));
        let window = Window {
            cpu,
            own: own.counters.now().since(&start.own),
            others,
        };
        self.with_row(|row| {
            row.windows.push(window);
            if state == TRACED && !window.is_disturbed() {
                row.lines.add(cpu, &mut locked(&own.lines));
            }
        });
    }

    fn others(&self, cpu: u32) -> Counts {
        let all = self.cpus.iter().enumerate();
        let others = all.filter(|(index, _)| *index != cpu as usize);
        others.fold(Counts::default(), |sum, (_, other)| {
            sum.and(&other.counters.now())
        })
    }

    fn next_row(&self) {
        let mut rows = locked(&self.rows);
        rows.current = rows.all.len();
        rows.all.push(Row::default());
        self.longest.store(0, Ordering::Relaxed);
    }

    fn rest(&self) {
        let mut rows = locked(&self.rows);
        rows.current = 0;
        self.longest
            .store(rows.all[0].longest.instructions, Ordering::Relaxed);
    }

    fn end_stretch(&self, cpu: u32, own: &Cpu) {
        let length = own.stretch.length();
        if length > self.longest.load(Ordering::Relaxed) {
            self.with_row(|row| {
                // Another CPU may have been faster.
                if length > row.longest.instructions {
                    row.longest = own.stretch.told(cpu);
                    self.longest.store(length, Ordering::Relaxed);
                }
            });
        }
        own.stretch.reset();
    }

    fn with_row(&self, change: impl FnOnce(&mut Row)) {
        let mut rows = locked(&self.rows);
        let current = rows.current;
        change(&mut rows.all[current]);
    }

    /// Writes the report.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn write(&self) -> Result<(), String> {
        let report = Report {
            rows: locked(&self.rows).all.iter().map(Row::report).collect(),
        };
        let text = serde_json::to_string(&report).map_err(|error| error.to_string())?;
        let file = &self.settings.report;
        std::fs::write(file, text + "\n").map_err(|error| format!("{}: {error}", file.display()))
    }
}

/// Nothing is left half done where a lock is held, so a panic of another thread does no harm.
fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::class::Kind;
    use abi::mark;

    const KERNEL: u64 = KERNEL_HALF;
    const USER: u64 = 0x40_0000;

    fn witness() -> Witness {
        Witness::new(Settings {
            report: PathBuf::new(),
            cpu_number: 1,
            cpus: 2,
        })
    }

    fn marked(mark: u32) -> Class {
        let bytes = [&mark::OPCODE[..], &mark.to_le_bytes()].concat();
        Class::of(&bytes, USER, 1)
    }

    #[test]
    fn a_window_counts_what_lies_between_its_marks_on_both_sides() {
        let witness = witness();
        let plain = Class::from_bits(0);
        witness.on_instruction(0, plain, USER);
        witness.on_instruction(0, marked(mark::ROW), USER);
        witness.on_instruction(0, marked(mark::BEGIN), USER);
        witness.on_instruction(0, plain, USER);
        witness.on_instruction(1, plain, KERNEL);
        witness.on_instruction(0, plain, KERNEL);
        witness.on_instruction(0, marked(mark::END), USER);
        witness.on_instruction(0, marked(mark::REST), USER);
        witness.on_instruction(0, marked(mark::BEGIN), USER);
        witness.on_instruction(0, marked(mark::END), USER);
        let rows = locked(&witness.rows);
        let window = rows.all[1].windows[0];
        assert_eq!((rows.all.len(), rows.all[1].windows.len()), (2, 1));
        assert_eq!(window.own.of(Kind::Instruction), 2);
        assert_eq!(window.own.of(Kind::Kernel), 1);
        assert_eq!(window.others.unwrap().of(Kind::Kernel), 1);
    }

    #[test]
    fn a_stretch_ends_in_user_mode_or_where_interrupts_come() {
        let witness = witness();
        let plain = Class::from_bits(0);
        let halt = Class::of(&[0xf4], KERNEL, 1);
        let exit = Class::of(&[0x48, 0x0f, 0x07], KERNEL, 1);
        for (class, address) in [
            (plain, USER),
            (plain, KERNEL),
            (plain, KERNEL),
            (plain, KERNEL),
            (exit, KERNEL),
            (plain, USER),
            (plain, KERNEL),
            (plain, KERNEL),
            (halt, KERNEL),
            (plain, KERNEL),
            (plain, USER),
        ] {
            witness.on_instruction(0, class, address);
        }
        assert_eq!(locked(&witness.rows).all[0].longest.instructions, 3);
    }

    #[test]
    fn lines_are_noted_in_traced_windows_that_nothing_disturbed() {
        let witness = witness();
        let interrupt = Class::of(&[0x48, 0xcf], KERNEL, 1);
        for cpu in 0..2 {
            witness.on_instruction(cpu, marked(mark::BEGIN_TRACED), USER);
            assert!(witness.is_traced(cpu));
            witness.on_access(cpu, (0x1000, 8), true, KERNEL);
            witness.on_instruction(cpu, marked(mark::END), USER);
            assert!(!witness.is_traced(cpu));
            witness.on_instruction(cpu, marked(mark::BEGIN_TRACED), USER);
            witness.on_access(cpu, (0x2000, 8), true, KERNEL);
            witness.on_instruction(cpu, interrupt, KERNEL);
            witness.on_instruction(cpu, marked(mark::END), USER);
        }
        let summary = locked(&witness.rows).all[0].lines.summary().unwrap();
        assert_eq!((summary.written, summary.written_by_two), (1, 1));
    }
}
