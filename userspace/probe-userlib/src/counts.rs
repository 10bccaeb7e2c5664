//! Counters and reference counts, driven from CPU to CPU.

use core::cmp::Ordering::{Equal, Greater, Less};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use userlib::abi::syscall::CpuMask;
use userlib::checks::Checks;
use userlib::counter::PerCpuCounter;
use userlib::reference::{PerCpuRef, RefError};
use userlib::{crowd, machine, percpu, thread};

const ROUNDS: i64 = 30_000;
const LIMIT: i64 = 500;
const KILLS: u64 = 40;

percpu! {
    static ADDED_DELTAS: PerCpuCell<i32> = 0;
    static HELD_DELTAS: PerCpuCell<i32> = 0;
    static ALONE_DELTAS: PerCpuCell<i32> = 0;
    static WORDS: PerCpuCell<u64> = 0;
    static USES: PerCpuCell<u64> = 0;
    static ALONE_WORDS: PerCpuCell<u64> = 0;
}

static ADDED: PerCpuCounter<ADDED_DELTAS> = PerCpuCounter::over(ADDED_DELTAS);
static HELD: PerCpuCounter<HELD_DELTAS> = PerCpuCounter::over(HELD_DELTAS);
static USERS: PerCpuRef<WORDS> = PerCpuRef::over(WORDS);
/// The same amount as in `HELD`, by an ordinary atomic: never too low.
static TRUTH: AtomicU64 = AtomicU64::new(0);
/// How often it was killed.
static KILLED: AtomicU64 = AtomicU64::new(0);
/// Whether what `USERS` stands for is gone.
static IS_GONE: AtomicBool = AtomicBool::new(false);

pub fn check(checks: &mut Checks) {
    counter_alone(checks);
    reference_alone(checks);
    checks.equal("counter-crowd", crowd::run(add), Ok(0));
    checks.equal("counter-sum", ADDED.sum(), crowd::size() as i64 * ROUNDS * 4);
    checks.equal("counter-limited", HELD.sum(), 0);
    checks.equal(
        "reference-crowd",
        crowd::run(|index| if index == 0 { kill() } else { hold() }),
        Ok(0),
    );
    checks.equal("reference-zero", USERS.is_zero(), true);
}

fn counter_alone(checks: &mut Checks) {
    static ALONE: PerCpuCounter<ALONE_DELTAS> = PerCpuCounter::with_batch(ALONE_DELTAS, 10);
    let bound = thread::bind_self(&CpuMask::only(0));
    checks.equal("counter-bound", bound, Ok(()));
    for (amount, read, sum) in [(9, 0, 9), (-18, 0, -9), (-1, -10, -10), (30, 20, 20), (5, 20, 25)] {
        ALONE.add(amount);
        checks.equal("counter-folds", (ALONE.read(), ALONE.sum()), (read, sum));
    }
    checks.equal(
        "counter-compare",
        [24, 25, 26].map(|other| ALONE.compare(other)),
        [Greater, Equal, Less],
    );
    checks.equal(
        "counter-compare-far",
        [-900, 900].map(|other| ALONE.compare(other)),
        [Greater, Less],
    );
    let limited = [
        (30, 6),
        (30, 5),
        (30, 1),
        (0, -31),
        (0, -30),
        (0, -1),
        (-5, -5),
        (i64::MAX, 1),
    ];
    let fits = limited.map(|(limit, amount)| ALONE.limited_add(limit, amount));
    checks.equal(
        "counter-limits",
        fits,
        [false, true, false, false, true, false, true, true],
    );
    checks.equal("counter-after-limits", ALONE.sum(), -4);
    ALONE.set(1_000);
    checks.equal("counter-set", (ALONE.sum(), ALONE.read()), (1_000, 995));
    checks.equal("counter-sync", ALONE.sync(&CpuMask::ALL), Ok(()));
    checks.equal("counter-synced", (ALONE.sum(), ALONE.read()), (1_000, 1_000));
    ALONE.set(i64::MAX);
    ALONE.add(i64::MIN);
    checks.equal("counter-edges", ALONE.sum(), -1);
}

fn reference_alone(checks: &mut Checks) {
    static ALONE: PerCpuRef<ALONE_WORDS> = PerCpuRef::over(ALONE_WORDS);
    let all = &CpuMask::ALL;
    checks.equal("reference-not-killed", ALONE.drain(), Err(RefError::NotKilled));
    checks.equal(
        "reference-reinit-alive",
        ALONE.reinit(all),
        Err(RefError::NotKilled),
    );
    let got = [ALONE.try_get(), ALONE.try_get_live()];
    ALONE.get();
    checks.equal("reference-got", got, [true; 2]);
    checks.equal("reference-put-alive", [ALONE.put(), ALONE.put()], [false; 2]);
    checks.equal("reference-kill", ALONE.kill(all), Ok(false));
    checks.equal(
        "reference-killed",
        [ALONE.try_get_live(), ALONE.try_get()],
        [false, true],
    );
    checks.equal(
        "reference-kill-twice",
        ALONE.kill(all),
        Err(RefError::AlreadyKilled),
    );
    checks.equal("reference-in-use", ALONE.reinit(all), Err(RefError::InUse));
    checks.equal("reference-resurrect", ALONE.resurrect(all), Ok(()));
    checks.equal("reference-live-again", ALONE.try_get_live(), true);
    checks.equal("reference-kill-again", ALONE.kill(all), Ok(false));
    checks.equal(
        "reference-last",
        [ALONE.put(), ALONE.put(), ALONE.put()],
        [false, false, true],
    );
    checks.equal(
        "reference-drained",
        (ALONE.drain(), ALONE.try_get()),
        (Ok(()), false),
    );
    checks.equal(
        "reference-resurrect-drained",
        ALONE.resurrect(all),
        Err(RefError::Drained),
    );
    checks.equal("reference-reinit", ALONE.reinit(all), Ok(()));
    checks.equal("reference-kill-unused", ALONE.kill(all), Ok(true));
    checks.equal("reference-reinit-unused", ALONE.reinit(all), Ok(()));
    // One put too many, by the owner, whose reference `kill` gives up.
    ALONE.put();
    checks.equal(
        "reference-too-many",
        ALONE.kill(all),
        Err(RefError::TooManyPuts(1)),
    );
}

/// Each adds four times the rounds, by plus and minus, and holds a part of a limited amount now and then.
fn add(_: usize) -> u64 {
    let mut beyond = 0;
    for round in 0..ROUNDS {
        if round % 64 == 0 {
            crowd::drive();
        }
        ADDED.add(7);
        ADDED.add(-3);
        if round % 8 == 0 {
            let part = 1 + round % 90;
            if HELD.limited_add(LIMIT, part) {
                let held = TRUTH.fetch_add(part as u64, SeqCst) + part as u64;
                beyond += u64::from(held > LIMIT as u64);
                TRUTH.fetch_sub(part as u64, SeqCst);
                HELD.add(-part);
            }
        }
    }
    beyond
}

/// Uses what is there, while it is there.
fn hold() -> u64 {
    let mut too_late = 0;
    let mut round = 0u64;
    while KILLED.load(SeqCst) < KILLS {
        round += 1;
        if round.is_multiple_of(64) {
            crowd::drive();
        }
        if USERS.try_get_live() {
            too_late += u64::from(IS_GONE.load(SeqCst));
            USERS.get();
            USERS.put();
            too_late += u64::from(IS_GONE.load(SeqCst));
            USERS.put();
            USES.increment();
        }
    }
    too_late
}

/// Until every other CPU has used it: then all of them have something to lose.
fn wait_for_users() {
    for cpu in machine::online().skip(1) {
        let before = USES.on(cpu);
        while USES.on(cpu) == before {
            thread::yield_now();
        }
    }
}

/// Takes it away, and brings it back, many times; the last time it stays away.
fn kill() -> u64 {
    let home = CpuMask::only(0);
    for round in 1..=KILLS {
        wait_for_users();
        let killed = USERS.kill(&home);
        let is_killed = killed.is_ok() && USERS.drain().is_ok();
        IS_GONE.store(true, SeqCst);
        thread::yield_now();
        if !is_killed {
            KILLED.store(KILLS, SeqCst);
            return 1;
        }
        KILLED.store(round, SeqCst);
        if round < KILLS {
            IS_GONE.store(false, SeqCst);
            if USERS.reinit(&home).is_err() {
                KILLED.store(KILLS, SeqCst);
                return 1;
            }
        }
    }
    0
}
