//! A reader of a fast slot never puts together what was never together.

use loom::sync::Arc;
use loom::thread;

use crate::atomic::Ordering;
use crate::fast_slot::FastSlot;

const NONE: u64 = 0;
const FIRST: u64 = 1;
const SECOND: u64 = 2;

/// Receivers and badge of a handle.
fn rest(handle: u64) -> (u64, u64) {
    (handle * 10, handle * 100)
}

fn put(slot: &FastSlot, handle: u64) {
    let (receivers, badge) = rest(handle);
    slot.fill(handle, handle, receivers, badge);
}

/// The slot is used for one handle and then for another one, while somebody reads it with each.
#[test]
fn what_is_read_belongs_to_the_handle() {
    for handle in [FIRST, SECOND] {
        loom::model(move || {
            let slot = Arc::new(FastSlot::new(NONE));
            let writer = slot.clone();
            let writer = thread::spawn(move || {
                put(&writer, FIRST);
                writer.empty(NONE);
                put(&writer, SECOND);
            });
            if let Some(found) = slot.read(handle) {
                assert_eq!(found, rest(handle));
            }
            writer.join().unwrap();
        });
    }
}

#[test]
fn an_emptied_slot_has_nothing() {
    loom::model(|| {
        let slot = FastSlot::new(NONE);
        put(&slot, FIRST);
        assert_eq!(slot.read(FIRST), Some(rest(FIRST)));
        slot.empty(NONE);
        assert_eq!(slot.read(FIRST), None);
    });
}

/// Without the second look, a reader may have the badge of the next one.
#[test]
fn one_look_is_not_enough() {
    assert!(crate::fails("slots::one_look_is_not_enough", || {
        let slot = Arc::new(FastSlot::new(NONE));
        put(&slot, FIRST);
        let writer = slot.clone();
        let writer = thread::spawn(move || {
            writer.empty(NONE);
            put(&writer, SECOND);
        });
        if slot.send.load(Ordering::Acquire) == FIRST {
            assert_eq!(slot.badge.load(Ordering::Acquire), rest(FIRST).1);
        }
        writer.join().unwrap();
    }));
}
