//! What one unlocked instruction is good for, and what not: the law that everything else here rests on.

use loom::sync::atomic::Ordering;
use loom::thread;

use crate::cell::PerCpuCell;
use crate::cpus::{self, Place};

const CELL: PerCpuCell<u64> = PerCpuCell::new(0);

/// Threads of one CPU, of which one is moved at any time, change their cell by single instructions.
#[test]
fn nothing_is_lost_on_the_way() {
    loom::model(|| {
        let place = Place::new(0);
        let moved = place.clone();
        let moved = thread::spawn(move || {
            moved.follow();
            CELL.add(1);
            CELL.add(1);
        });
        place.set(1);
        CELL.add(1);
        moved.join().unwrap();
        assert_eq!(CELL.iter().sum::<u64>(), 3);
    });
}

/// A look and a change are two instructions.
#[test]
fn two_instructions_would_be_seen() {
    assert!(crate::fails("cells::two_instructions_would_be_seen", || {
        let other = thread::spawn(|| CELL.add(1));
        let seen = CELL.get();
        let _ = CELL.compare_exchange(CELL.get(), seen + 1);
        other.join().unwrap();
        assert_eq!(CELL.iter().sum::<u64>(), 2);
    }));
}

/// Another CPU's word must not be written, with a locked instruction neither: its own CPU's is not locked.
#[test]
fn a_remote_write_would_be_lost() {
    assert!(crate::fails("cells::a_remote_write_would_be_lost", || {
        let other = thread::spawn(|| CELL.add(1));
        cpus::word(0, 0).fetch_or(1 << 63, Ordering::SeqCst);
        other.join().unwrap();
        assert_eq!(CELL.on(0), Some(1 << 63 | 1));
    }));
}

/// Also by who finds that there is nothing for it to change.
#[test]
fn a_failing_exchange_would_undo_a_remote_write() {
    assert!(crate::fails(
        "cells::a_failing_exchange_would_undo_a_remote_write",
        || {
            let other = thread::spawn(|| assert_eq!(CELL.compare_exchange(7, 8), Err(0)));
            cpus::word(0, 0).store(1, Ordering::SeqCst);
            other.join().unwrap();
            assert_eq!(CELL.on(0), Some(1));
        }
    ));
}
