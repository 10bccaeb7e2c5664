//! Interrupts in the middle of long work: whoever loops as often as a program says breathes now and then.
//!
//! The kernel's code runs with interrupts off, and no thread is left in the middle of it. But how long interrupts are off
//! must not be up to programs. So loops over frames, CPUs and threads, and walks of page tables, call [`breathe`]: for one
//! instruction interrupts are on, and whatever has come is handled. In that moment the interrupted code may hold any lock but
//! the heap's, so the handler serves only what needs none: the mailbox. The end of a time slice, a wake-up, and lines of
//! devices are noted, and raised again when the CPU is about to leave the kernel.
//!
//! So breathing is allowed with locks held, but for those of the heap, the frame pools and the console. Whoever waits for
//! a lock that is held over a breath breathes, too: `sync::Wait`.
//!
//! At most [`MOST_INSTRUCTIONS`] pass between two breaths, and between one and an entry or exit.

use core::cell::Cell;

use super::apic::lines;
use super::{apic, let_interrupts_in, this_cpu};
use crate::per_cpu;

/// Instructions that the kernel executes at most with interrupts off. The machine tests hold it to that.
#[expect(dead_code, reason = "for readers, and for the tests that measure it")]
pub const MOST_INSTRUCTIONS: u64 = 50_000;

/// Breaths in loops over things of which each takes a hundred instructions, or less.
pub const OFTEN: usize = 128;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// This CPU runs no threads yet.
    Booting,
    /// The next [`breathe`] lets interrupts in.
    Ready,
    /// It is doing so: what comes now has interrupted the kernel's work, and is noted.
    Breathing,
    /// Inside of [`hold`]: [`breathe`] does nothing.
    Holding,
}

/// Bits of what was noted, for [`MISSED`].
const SLICE_IS_OVER: u8 = 1;
const WOKEN: u8 = 2;
const LINES: u8 = 4;

per_cpu! {
    static STATE: Cell<State> = Cell::new(State::Booting);
    /// Read by the stub that leaves the kernel.
    pub(super) static MISSED: Cell<u8> = Cell::new(0);
    /// Lines of devices that were noted.
    static MISSED_LINES: [Cell<u64>; lines::LINES.div_ceil(64)] = [const { Cell::new(0) }; lines::LINES.div_ceil(64)];
}

/// From here on this CPU may breathe.
pub fn begin() {
    STATE.local().set(State::Ready);
}

/// Lets interrupts in.
pub fn breathe() {
    if STATE.local().get() != State::Ready {
        return;
    }
    STATE.local().set(State::Breathing);
    let_interrupts_in();
    STATE.local().set(State::Ready);
}

/// Does something without a breath in it: for those who hold a lock that the handlers of interrupts take, too.
pub fn hold<T>(act: impl FnOnce() -> T) -> T {
    let before = STATE.local().replace(State::Holding);
    let result = act();
    STATE.local().set(before);
    result
}

/// For each of many things: does something, and breathes now and then.
#[inline(always)]
pub fn for_each<T>(things: impl IntoIterator<Item = T>, every: usize, mut act: impl FnMut(T)) {
    let mut left = every;
    for thing in things {
        act(thing);
        left -= 1;
        if left == 0 {
            left = every;
            breathe();
        }
    }
}

/// An interrupt came into the kernel, and is served only in part: the rest is noted if this CPU is not just idle. Whether
/// it was.
pub fn note(vector: u64) -> bool {
    if STATE.local().get() != State::Breathing {
        return false;
    }
    let missed = match (vector, lines::of_vector(vector)) {
        (apic::TIMER_VECTOR, _) => SLICE_IS_OVER,
        (apic::WAKE_VECTOR, _) => WOKEN,
        (_, Some(line)) => {
            let word = &MISSED_LINES.local()[line as usize / 64];
            word.set(word.get() | 1 << (line % 64));
            LINES
        }
        _ => return false,
    };
    MISSED.local().set(MISSED.local().get() | missed);
    true
}

/// What was noted comes again, in user mode.
pub(super) extern "C" fn raise_missed() {
    let missed = MISSED.local().replace(0);
    for (bit, vector) in [(SLICE_IS_OVER, apic::TIMER_VECTOR), (WOKEN, apic::WAKE_VECTOR)] {
        if missed & bit != 0 {
            apic::send_ipi(this_cpu(), vector as u8);
        }
    }
    if missed & LINES != 0 {
        raise_missed_lines();
    }
}

fn raise_missed_lines() {
    for (word, first) in MISSED_LINES.local().iter().zip((0..).step_by(64)) {
        let missed = word.replace(0);
        let lines = (0..64).filter(|bit| missed >> bit & 1 == 1);
        lines.for_each(|bit| apic::send_ipi(this_cpu(), (lines::FIRST_VECTOR + first + bit) as u8));
    }
}
