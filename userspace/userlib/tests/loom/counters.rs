//! Nothing that was added is lost or counted twice.

use abi::Status;
use abi::syscall::CpuMask;
use loom::sync::Arc;
use loom::thread;

use crate::Refusal;
use crate::cell::PerCpuCell;
use crate::counter::PerCpuCounter;
use crate::cpus::{self, Place, go_to};

const DELTAS: PerCpuCell<i32> = PerCpuCell::new(0);

fn counter(batch: u32) -> Arc<PerCpuCounter> {
    Arc::new(PerCpuCounter::with_batch(DELTAS, batch))
}

#[test]
fn every_addition_counts() {
    crate::explore(3, || {
        let counter = counter(2);
        let place = Place::new(0);
        let (moved, there) = (counter.clone(), place.clone());
        let moved = thread::spawn(move || {
            there.follow();
            // The first changes a delta that is being folded, the second folds, too.
            [-2, 2].iter().for_each(|amount| moved.add(*amount));
        });
        place.set(1);
        [1, 1].iter().for_each(|amount| counter.add(*amount));
        moved.join().unwrap();
        assert_eq!(counter.sum(), 2);
        assert!(counter.read().abs_diff(2) < counter.error());
    });
}

/// A sum is never less than before, and never more than what was added: folding counts once.
#[test]
fn a_sum_is_of_one_moment() {
    crate::explore(3, || {
        let counter = counter(2);
        let other = counter.clone();
        let other = thread::spawn(move || {
            assert!(go_to(1));
            (0..3).for_each(|_| other.add(1));
        });
        let sums = [counter.sum(), counter.sum()];
        assert!(sums[0] <= sums[1] && sums[1] <= 3, "{sums:?}");
        other.join().unwrap();
        assert_eq!(counter.sum(), 3);
    });
}

/// A sum as it must not be, without the lock.
#[test]
fn summing_without_the_lock_would_be_seen() {
    assert!(crate::fails(
        "counters::summing_without_the_lock_would_be_seen",
        || {
            let counter = counter(2);
            let other = counter.clone();
            let other = thread::spawn(move || {
                assert!(go_to(1));
                (0..2).for_each(|_| other.add(1));
            });
            let deltas: i32 = DELTAS.iter().sum();
            assert!(i64::from(deltas) + counter.read() <= 2);
            other.join().unwrap();
        }
    ));
}

#[test]
fn the_limit_holds() {
    crate::explore(3, || {
        let counter = counter(2);
        counter.add(1);
        let other = counter.clone();
        let other = thread::spawn(move || {
            assert!(go_to(1));
            other.limited_add(2, 1)
        });
        let here = counter.limited_add(2, 1);
        assert_eq!(u8::from(here) + u8::from(other.join().unwrap()), 1);
        assert_eq!(counter.sum(), 2);
    });
}

/// Setting is before or after each addition, also one that folds.
#[test]
fn setting_is_one_step() {
    crate::explore(3, || {
        let counter = counter(2);
        counter.add(1);
        let other = counter.clone();
        let other = thread::spawn(move || {
            assert!(go_to(1));
            (0..2).for_each(|_| other.add(1));
        });
        counter.set(10);
        other.join().unwrap();
        let sum = counter.sum();
        assert!((10..=12).contains(&sum), "{sum}");
    });
}

/// A CPU goes while its delta is moved to the count.
#[test]
fn a_cpu_may_go_meanwhile() {
    crate::explore(2, || {
        let counter = counter(4);
        counter.add(1);
        assert!(go_to(1));
        counter.add(1);
        let place = Place::new(1);
        let (syncing, there) = (counter.clone(), place.clone());
        let syncing = thread::spawn(move || {
            there.follow();
            syncing.sync(&CpuMask::ALL).unwrap();
        });
        cpus::take_off(1, &place);
        assert!(go_to(0));
        syncing.join().unwrap();
        assert_eq!(counter.read(), 2);
        let refusal = Err(Refusal::new(Status::AlreadyOnline));
        assert_eq!(
            (counter.fold_parked(0), counter.fold_parked(1)),
            (refusal, Ok(true))
        );
        assert_eq!(counter.sum(), 2);
    });
}
