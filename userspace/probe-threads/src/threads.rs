//! Threads begin, end, and give their memory back.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::PAGE_SIZE;
use userlib::checks::Checks;
use userlib::memory::{Mapping, Memory};
use userlib::thread::{self, Place};
use userlib::{Refusal, process};

/// Frames of a memory object that is made, spoilt and given back, and how often.
const FRAMES: u64 = 256;
const ROUNDS: u64 = 80;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    checks.equal("thread-code", code_of(Place::Anywhere, || 7), Ok(7));
    captured(checks);
    many(checks);
    memory(checks);
    memory_again(checks);
    comes_back(checks);
}

fn code_of(place: Place, body: impl FnOnce() -> u64 + Send + 'static) -> Result<u64, Refusal> {
    thread::spawn(place, body)?.join()
}

fn captured(checks: &mut Checks) {
    let words = [3u64; 100];
    let sum = code_of(Place::Anywhere, move || words.iter().sum());
    checks.equal("thread-captures", sum, Ok(300));
}

/// Threads that yield to each other all get their turn.
fn many(checks: &mut Checks) {
    static TURNS: AtomicU64 = AtomicU64::new(0);
    let body = || {
        for _ in 0..100 {
            TURNS.fetch_add(1, Ordering::Relaxed);
            thread::yield_now();
        }
        0
    };
    let threads = [(); 16].map(|()| thread::spawn(Place::Anywhere, body));
    let all_end = threads
        .into_iter()
        .all(|thread| thread.and_then(thread::Thread::join) == Ok(0));
    checks.that(
        "thread-join",
        all_end,
        format_args!("a thread was not started or failed"),
    );
    checks.equal("thread-yield", TURNS.load(Ordering::Relaxed), 1600);
}

fn memory(checks: &mut Checks) {
    let Some(mut mapping) = checks.success("memory-own", Mapping::own(3)) else {
        return;
    };
    let bytes = mapping.as_mut_slice();
    checks.that(
        "memory-clear",
        bytes.iter().all(|byte| *byte == 0),
        format_args!("new memory is dirty"),
    );
    bytes.fill(0xa5);
    checks.that(
        "memory-kept",
        bytes.iter().all(|byte| *byte == 0xa5),
        format_args!("bytes were lost"),
    );
}

/// On a machine as small as the tests have one, these are more frames than there are: so some come again.
fn memory_again(checks: &mut Checks) {
    let mut dirty = 0;
    for _ in 0..ROUNDS {
        let mapping = Memory::own(FRAMES).and_then(Mapping::new);
        let Ok(mut mapping) = mapping else {
            return checks.that("memory-clear-again", false, format_args!("{mapping:?}"));
        };
        for page in mapping.as_mut_slice().chunks_exact_mut(PAGE_SIZE as usize) {
            dirty += page[8..16].iter().filter(|byte| **byte != 0).count();
            page[8..16].fill(0xa5);
        }
        drop(mapping.unmap());
    }
    checks.equal("memory-clear-again", dirty, 0);
}

/// After the first time, which may leave page tables behind, a thread costs nothing once it is joined.
fn comes_back(checks: &mut Checks) {
    let used = || process::stats(process::own()).map(|stats| (stats.frames_used, stats.threads));
    let before = used();
    for _ in 0..4 {
        checks_nothing(code_of(Place::Anywhere, || 0));
    }
    checks.equal("thread-frames-come-back", used(), before);
}

fn checks_nothing(result: Result<u64, Refusal>) {
    // A failure shows in the numbers that are compared.
    let _ = result;
}
