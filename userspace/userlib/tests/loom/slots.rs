//! A slot is one thread's at a time, wherever that gives it back.

use loom::sync::Arc;
use loom::sync::atomic::Ordering;
use loom::thread;

use crate::cell::PerCpuCell;
use crate::cpus;
use crate::owned::{Busy, Owned, Taken};

fn add(slot: &Owned<u64>) -> u64 {
    let Ok(mut value) = Taken::new(slot) else { return 0 };
    *value += 1;
    1
}

#[test]
fn the_value_is_one_threads_at_a_time() {
    loom::model(|| {
        let slot = Arc::new(Owned::new(0));
        let [first, second] = [(); 2].map(|()| {
            let slot = slot.clone();
            thread::spawn(move || add(&slot))
        });
        let added = add(&slot) + first.join().unwrap() + second.join().unwrap();
        assert!(added >= 1);
        assert_eq!(*Taken::new(&slot).unwrap(), added);
    });
}

#[test]
fn who_has_it_keeps_others_out() {
    loom::model(|| {
        let slot = Arc::new(Owned::new(0));
        let value = Taken::new(&slot).unwrap();
        let other = slot.clone();
        let other = thread::spawn(move || Taken::new(&other).err());
        assert_eq!(other.join().unwrap(), Some(Busy));
        drop(value);
        assert!(Taken::new(&slot).is_ok());
    });
}

/// An owner word that is taken by an unlocked instruction, and given back by whoever was moved meanwhile: the next one
/// who tries in vain puts back what it has read.
#[test]
fn a_cell_for_the_owner_word_would_be_seen() {
    const OWNER: PerCpuCell<u64> = PerCpuCell::new(0);
    assert!(crate::fails(
        "slots::a_cell_for_the_owner_word_would_be_seen",
        || {
            OWNER.compare_exchange(0, 1).unwrap();
            let other = thread::spawn(|| OWNER.compare_exchange(0, 2).is_ok());
            cpus::word(0, 0).store(0, Ordering::Release);
            let is_taken = other.join().unwrap();
            assert_eq!(OWNER.on(0), Some(if is_taken { 2 } else { 0 }));
        }
    ));
}
