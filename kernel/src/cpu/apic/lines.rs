//! The I/O APICs: which interrupts of devices arrive, and where.
//!
//! Each has two registers in a page: one chooses, the other reads and writes what was chosen (82093AA data sheet,
//! section 3.0). A line's entry says its vector, its CPU, and how the device signals. All lines are masked at boot;
//! a line that lasts until the device takes it back is masked again whenever it arrives, before the local APIC hears that
//! it was handled: else it would arrive for ever.

use core::sync::atomic::{AtomicU64, Ordering};

use arrayvec::ArrayVec;
use percpu_core::{ApicId, CpuId, Line, Madt};

use super::{MASKED, apic_id};
use crate::log;
use crate::memory::physical_pointer;
use crate::sync::{Lock, Once, rank};

/// Vectors of lines: the first line has the first.
pub const FIRST_VECTOR: u64 = 0x30;
/// Lines that have a vector; the timer's is behind them.
pub const LINES: usize = (super::TIMER_VECTOR - FIRST_VECTOR) as usize;

/// Most I/O APICs; further ones are not used.
const MOST: usize = 8;

const SELECT: u64 = 0x00;
const WINDOW: u64 = 0x10;
const VERSION: u32 = 1;
const ENTRIES: u32 = 0x10;

const LEVEL: u32 = 1 << 15;
const LOW: u32 = 1 << 13;

/// An I/O APIC that was found.
struct IoApic {
    address: u64,
    first: u32,
    lines: u32,
}

static IO_APICS: Once<Lock<ArrayVec<IoApic, MOST>, { rank::LINES }>> = Once::new();
/// Lines that are masked when they arrive.
static LASTING: [AtomicU64; LINES / 64] = [const { AtomicU64::new(0) }; LINES / 64];

/// Finds the I/O APICs, and masks all of their lines. The page table in use has them uncached.
pub fn initialize(madt: Option<Madt<'_>>) {
    IO_APICS.call_once(|| {
        let told = madt.iter().flat_map(Madt::io_apics).flatten();
        let known: ArrayVec<_, MOST> = told
            .map(|entry| IoApic::silence(entry.address, entry.first_line))
            .take(MOST)
            .collect();
        for found in &known {
            let last = found.first + found.lines - 1;
            log!(
                "apic: I/O APIC at {:#x}, lines {}-{last}",
                found.address,
                found.first
            );
        }
        Lock::new(known)
    });
}

/// Whether an I/O APIC has this line, and there is a vector for it.
pub fn has(line: u32) -> bool {
    (line as usize) < LINES && with(line, |_, _| ()).is_some()
}

/// Lets a line through to a CPU. Lines go to CPUs whose ids have 8 bits: whether it does.
pub fn route(line: Line, cpu: CpuId) -> bool {
    let Ok(to) = u8::try_from(ApicId::get(apic_id(cpu))) else {
        return false;
    };
    let number = line.number;
    let is_lasting = &LASTING[number as usize / 64];
    let bit = 1 << (number % 64);
    match line.is_level {
        true => is_lasting.fetch_or(bit, Ordering::SeqCst),
        false => is_lasting.fetch_and(!bit, Ordering::SeqCst),
    };
    let mode = if line.is_level { LEVEL } else { 0 } | if line.is_low { LOW } else { 0 };
    let vector = FIRST_VECTOR as u32 + number;
    with(number, |apic, index| {
        apic.write(ENTRIES + 2 * index, MASKED);
        apic.write(ENTRIES + 2 * index + 1, u32::from(to) << 24);
        apic.write(ENTRIES + 2 * index, vector | mode);
    });
    true
}

/// Sends a line that was routed before to another CPU, masked or not as it is: only the half of its entry with the CPU
/// is written, so no edge is lost. Whether that CPU has an id of 8 bits.
pub fn redirect(line: u32, cpu: CpuId) -> bool {
    let Ok(to) = u8::try_from(ApicId::get(apic_id(cpu))) else {
        return false;
    };
    with(line, |apic, index| {
        apic.write(ENTRIES + 2 * index + 1, u32::from(to) << 24);
    });
    true
}

/// Lets nothing of a line through.
pub fn mask(line: u32) {
    change(line, |entry| entry | MASKED);
}

/// Lets a line through again that was routed before.
pub fn unmask(line: u32) {
    change(line, |entry| entry & !MASKED);
}

fn change(line: u32, to: impl FnOnce(u32) -> u32) {
    with(line, |apic, index| {
        let entry = apic.read(ENTRIES + 2 * index);
        apic.write(ENTRIES + 2 * index, to(entry));
    });
}

/// The line of a vector.
pub fn of_vector(vector: u64) -> Option<u32> {
    let line = vector.checked_sub(FIRST_VECTOR)?;
    (line < LINES as u64).then_some(line as u32)
}

/// A vector has arrived, and the local APIC has not heard that it was handled.
pub fn on_arrival(vector: u64) {
    if let Some(line) = of_vector(vector)
        && LASTING[line as usize / 64].load(Ordering::SeqCst) >> (line % 64) & 1 == 1
    {
        mask(line);
    }
}

fn with<T>(line: u32, act: impl FnOnce(&IoApic, u32) -> T) -> Option<T> {
    let known = IO_APICS.get()?.lock();
    let has = |apic: &&IoApic| {
        line.checked_sub(apic.first)
            .is_some_and(|index| index < apic.lines)
    };
    known.iter().find(has).map(|apic| act(apic, line - apic.first))
}

impl IoApic {
    fn silence(address: u64, first: u32) -> IoApic {
        let mut apic = IoApic {
            address,
            first,
            lines: 0,
        };
        apic.lines = (apic.read(VERSION) >> 16 & 0xff) + 1;
        (0..apic.lines).for_each(|index| apic.write(ENTRIES + 2 * index, MASKED));
        apic
    }

    fn read(&self, register: u32) -> u32 {
        self.select(register);
        // SAFETY: as in `select`; reading it has no side effect.
        unsafe { self.pointer(WINDOW).read_volatile() }
    }

    fn write(&self, register: u32, value: u32) {
        self.select(register);
        // SAFETY: as in `select`; entries of lines touch no memory.
        unsafe { self.pointer(WINDOW).write_volatile(value) }
    }

    fn select(&self, register: u32) {
        // SAFETY: firmware says that an I/O APIC lies there, below 4 GiB, where the physical map reaches; whoever calls
        // holds the lock, or is alone.
        unsafe { self.pointer(SELECT).write_volatile(register) }
    }

    fn pointer(&self, offset: u64) -> *mut u32 {
        physical_pointer(self.address + offset).cast()
    }
}
