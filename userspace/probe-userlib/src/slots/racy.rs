//! An owner word, twice: taken by the locked compare-exchange, as `PerCpuSlot` does it, and by the unlocked one of
//! a cell. The holder gives it back from another CPU, while a thread of the word's own CPU asks for it all the time.
//!
//! A compare-exchange that fails writes back what it has read. If it is unlocked, it can do so after the other CPU
//! has given the word back: then the release is lost, and the word stays taken for ever.

use core::ptr::with_exposed_provenance_mut;
use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::window::WINDOW_BASE;
use userlib::checks::Checks;
use userlib::thread::{self, Place, Thread};
use userlib::{machine, percpu, println};

/// Releases of each kind.
const RELEASES: u64 = 50_000;
/// How often the wrong way may try to lose one.
const ATTEMPTS: usize = 10;

percpu! {
    static RACY: PerCpuCell<u64> = 0;
}

/// The owner word for the right way.
static LOCKED: AtomicU64 = AtomicU64::new(0);
/// How many times the word was taken, and given back again.
static TAKEN: AtomicU64 = AtomicU64::new(0);
static RELEASED: AtomicU64 = AtomicU64::new(0);
/// Releases that nobody can see.
static LOST: AtomicU64 = AtomicU64::new(0);

pub fn check(checks: &mut Checks) {
    let [Some(here), Some(there)] = [0, 1].map(|index| machine::online().nth(index)) else {
        return;
    };
    let locked = run(
        here,
        there,
        || {
            LOCKED
                .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
                .is_ok()
        },
        || {
            LOCKED.store(0, Ordering::Release);
        },
    );
    println!("releases {RELEASES}, lost with a locked compare-exchange: {locked}");
    checks.equal("locked-loses-nothing", locked, 0);
    let take = || RACY.compare_exchange(0, 1).is_ok();
    let mut attempts = (0..ATTEMPTS).map(|_| {
        // Nobody uses the word now, so this may write it.
        release_from_afar(here);
        run(here, there, take, move || release_from_afar(here))
    });
    // A busy host may have to be asked more than once.
    let racy = attempts.find(|lost| *lost > 0).unwrap_or(0);
    println!("releases {RELEASES}, lost with an unlocked one: {racy}");
    let is_racy = (1..=RELEASES).contains(&racy);
    checks.that(
        "unlocked-loses-releases",
        is_racy,
        format_args!("{racy} of {RELEASES}"),
    );
}

/// What a cell does not offer, and why: writes the word of another CPU.
fn release_from_afar(cpu: usize) {
    let unit = WINDOW_BASE + cpu as u64 * machine::stride();
    let word = with_exposed_provenance_mut::<u64>(unit as usize + RACY.offset());
    // SAFETY: the word of a static in a unit, only used by single instructions and atomics.
    unsafe { AtomicU64::from_ptr(word) }.store(0, Ordering::Release);
}

/// Takes on CPU `here`, gives back on `there`; how many releases were lost.
fn run(here: usize, there: usize, take: fn() -> bool, release: impl Fn() + Copy + Send + 'static) -> u64 {
    for count in [&TAKEN, &RELEASED, &LOST] {
        count.store(0, Ordering::SeqCst);
    }
    let taker = thread::spawn(Place::Cpu(here), move || take_all(take));
    let releaser = thread::spawn(Place::Cpu(there), move || release_all(release));
    let ended = [taker, releaser].map(|thread| thread.and_then(Thread::join) == Ok(0));
    match ended {
        [true, true] => LOST.load(Ordering::SeqCst),
        _ => u64::MAX,
    }
}

fn take_all(take: fn() -> bool) -> u64 {
    if !take() {
        return 1;
    }
    for round in 1..=RELEASES {
        TAKEN.store(round, Ordering::SeqCst);
        // Asked for again while the other CPU gives it back: most of these fail, and write.
        loop {
            let is_released = RELEASED.load(Ordering::SeqCst) == round;
            if take() {
                break;
            }
            if is_released {
                // Given back before it was asked for, and taken all the same: so it still is.
                LOST.fetch_add(1, Ordering::SeqCst);
                break;
            }
        }
    }
    0
}

fn release_all(release: impl Fn()) -> u64 {
    for round in 1..=RELEASES {
        while TAKEN.load(Ordering::SeqCst) != round {
            core::hint::spin_loop();
        }
        release();
        RELEASED.store(round, Ordering::SeqCst);
    }
    0
}
