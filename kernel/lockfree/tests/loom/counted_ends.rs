//! An end at the n-th call comes once, whoever makes that call.

use abi::syscall::Moment;
use loom::sync::Arc;
use loom::thread;

use crate::doom::Doom;

fn struck(doom: &Doom, calls: usize) -> usize {
    (0..calls).filter(|_| doom.strike().is_some()).count()
}

#[test]
fn of_all_calls_exactly_one_is_struck() {
    for calls in 1..=4 {
        loom::model(move || {
            let doom = Arc::new(Doom::none());
            doom.arrange(calls, Moment::After);
            let other = doom.clone();
            let other = thread::spawn(move || struck(&other, 2));
            let here = struck(&doom, 2);
            assert_eq!(here + other.join().unwrap(), 1);
            assert!(!doom.is_arranged());
        });
    }
}

#[test]
fn five_are_more_than_four() {
    loom::model(|| {
        let doom = Arc::new(Doom::none());
        doom.arrange(5, Moment::Before);
        let other = doom.clone();
        let other = thread::spawn(move || struck(&other, 2));
        assert_eq!(struck(&doom, 2) + other.join().unwrap(), 0);
        assert_eq!(doom.strike(), Some(Moment::Before));
    });
}

/// What is taken back does not come, or came before.
#[test]
fn an_end_that_was_taken_back_is_over() {
    loom::model(|| {
        let doom = Arc::new(Doom::none());
        doom.arrange(1, Moment::After);
        let other = doom.clone();
        let other = thread::spawn(move || struck(&other, 1));
        doom.arrange(0, Moment::Before);
        assert!(other.join().unwrap() <= 1);
        assert_eq!(struck(&doom, 2), 0);
    });
}
