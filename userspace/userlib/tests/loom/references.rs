//! The last reference is seen once, by somebody who sees everything that was done with the others.

use abi::syscall::CpuMask;
use loom::sync::Arc;
use loom::sync::atomic::Ordering;
use loom::thread;

use crate::cell::PerCpuCell;
use crate::cpus::{self, Place, go_to};
use crate::reference::{PerCpuRef, RefError};

/// Something that is there as long as somebody has a reference.
struct Shared {
    users: PerCpuRef,
    value: loom::cell::UnsafeCell<()>,
}

const WORDS: PerCpuCell<u64> = PerCpuCell::new(0);
const DEAD: u64 = 1 << 63;

impl Shared {
    fn new() -> Arc<Shared> {
        Arc::new(Shared {
            users: PerCpuRef::over(WORDS),
            value: loom::cell::UnsafeCell::new(()),
        })
    }

    fn look(&self) {
        self.value.with(|_| ());
    }

    /// Whoever saw the last reference has the value for itself.
    fn end_if(&self, was_last: bool) -> usize {
        if was_last {
            self.value.with_mut(|_| ());
        }
        usize::from(was_last)
    }

    fn put(&self) -> usize {
        self.look();
        self.end_if(self.users.put())
    }

    fn use_once(&self) -> usize {
        if self.users.try_get_live() { self.put() } else { 0 }
    }

    fn kill(&self) -> usize {
        let was_last = self.users.kill(&CpuMask::ALL);
        assert!(!self.users.try_get_live());
        self.end_if(was_last.unwrap())
    }
}

#[test]
fn the_end_comes_once() {
    crate::explore(3, || {
        let shared = Shared::new();
        let user = shared.clone();
        let user = thread::spawn(move || {
            assert!(go_to(1));
            user.use_once()
        });
        let ends = shared.kill();
        assert_eq!(ends + user.join().unwrap(), 1);
        assert!(shared.users.is_zero());
    });
}

/// Got on one CPU and put on another.
#[test]
fn a_user_may_be_moved() {
    crate::explore(2, || {
        let shared = Shared::new();
        shared.users.get();
        let place = Place::new(0);
        let (user, there) = (shared.clone(), place.clone());
        let user = thread::spawn(move || {
            there.follow();
            user.users.get();
            user.look();
            user.put() + user.put()
        });
        place.set(1);
        let ends = shared.kill();
        assert_eq!(ends + user.join().unwrap(), 1);
        assert!(shared.users.is_zero());
    });
}

/// A CPU goes while it is visited, or has gone before: its word is flagged all the same.
#[test]
fn a_cpu_may_go_meanwhile() {
    crate::explore(2, || {
        let shared = Shared::new();
        shared.users.get();
        assert!(go_to(1));
        shared.users.get();
        let place = Place::new(1);
        let killer = shared.clone();
        let there = place.clone();
        let killer = thread::spawn(move || {
            there.follow();
            killer.users.kill(&CpuMask::ALL).unwrap()
        });
        cpus::take_off(1, &place);
        assert!(go_to(0));
        assert!(!killer.join().unwrap());
        assert!(WORDS.iter().all(|word| word & DEAD != 0));
        assert_eq!(shared.put() + shared.put(), 1);
    });
}

/// Revived while somebody still has a reference, who puts it meanwhile.
#[test]
fn it_lives_again() {
    crate::explore(2, || {
        let shared = Shared::new();
        shared.users.get();
        assert_eq!(shared.kill(), 0);
        let user = shared.clone();
        let user = thread::spawn(move || {
            assert!(go_to(1));
            user.put()
        });
        let revived = shared.users.resurrect(&CpuMask::ALL);
        let ended = user.join().unwrap();
        assert_eq!(revived.is_ok(), ended == 0);
        if revived.is_ok() {
            assert!(shared.users.try_get_live());
            assert_eq!(shared.put(), 0);
            assert_eq!(shared.kill(), 1);
        }
    });
}

/// Of two who kill it, one does.
#[test]
fn it_is_killed_once() {
    crate::explore(2, || {
        let shared = Shared::new();
        let other = shared.clone();
        let other = thread::spawn(move || other.users.kill(&CpuMask::ALL));
        let here = shared.users.kill(&CpuMask::ALL);
        let kills = [here, other.join().unwrap()];
        assert_eq!(kills.iter().filter(|kill| **kill == Ok(true)).count(), 1);
        assert!(kills.contains(&Err(RefError::AlreadyKilled)));
    });
}

/// A flag that is set from elsewhere, without a visit.
#[test]
fn a_remote_flag_would_be_lost() {
    assert!(crate::fails("references::a_remote_flag_would_be_lost", || {
        let shared = Shared::new();
        let user = shared.clone();
        let user = thread::spawn(move || {
            assert!(go_to(1));
            user.users.get();
        });
        cpus::word(1, 0).fetch_or(DEAD, Ordering::SeqCst);
        user.join().unwrap();
        assert!(WORDS.on(1).unwrap() & DEAD != 0);
    }));
}

/// What is shared may not be used without a reference.
#[test]
fn a_user_without_a_reference_would_be_seen() {
    assert!(crate::fails(
        "references::a_user_without_a_reference_would_be_seen",
        || {
            let shared = Shared::new();
            let user = shared.clone();
            let user = thread::spawn(move || user.look());
            shared.kill();
            user.join().unwrap();
        }
    ));
}
