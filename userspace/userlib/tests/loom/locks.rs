//! A lock is one thread's at a time, and whoever waits for it gets it, also on a CPU that only runs the most urgent thread.

use std::cell::RefCell;

use loom::sync::{Arc, Condvar, Mutex as Unmodelled};
use loom::thread;

use crate::sync::Mutex;

/// A CPU with an urgent thread and a patient one, which runs as long as the other does not want to.
struct Strict {
    state: Unmodelled<State>,
    changed: Condvar,
}

struct State {
    /// The urgent thread is ready.
    is_wanted: bool,
    /// The patient one has a turn: for one instruction, as it may be over at any time.
    is_lent: bool,
    has_ended: bool,
}

/// What a thread is on such a CPU.
#[derive(Clone)]
enum Role {
    Urgent(Arc<Strict>),
    /// It gives the CPU to those who are as urgent, of which there are none.
    UrgentAndYields,
    Patient(Arc<Strict>),
}

loom::thread_local! {
    static ROLE: RefCell<Option<Role>> = RefCell::new(None);
}

fn role() -> Option<Role> {
    ROLE.with(|role| role.borrow().clone())
}

/// As `ThreadLend`.
pub fn lend() {
    let Some(Role::Urgent(cpu)) = role() else {
        return thread::yield_now();
    };
    let mut state = cpu.state.lock().unwrap();
    state.is_lent = true;
    cpu.changed.notify_all();
    while state.is_lent && !state.has_ended {
        state = cpu.changed.wait(state).unwrap();
    }
}

/// One instruction, when the thread has a turn.
pub fn in_turn<R>(instruction: impl FnOnce() -> R) -> R {
    let Some(Role::Patient(cpu)) = role() else {
        return instruction();
    };
    let mut state = cpu.state.lock().unwrap();
    while state.is_wanted && !state.is_lent {
        state = cpu.changed.wait(state).unwrap();
    }
    let result = instruction();
    state.is_lent = false;
    cpu.changed.notify_all();
    result
}

/// The lock is used by both; the urgent thread may come at any moment, also when the patient one has the lock.
fn race(urgent: fn(Arc<Strict>) -> Role) {
    let cpu = Arc::new(Strict {
        state: Unmodelled::new(State {
            is_wanted: false,
            is_lent: false,
            has_ended: false,
        }),
        changed: Condvar::new(),
    });
    let lock = Arc::new(Mutex::new(0));
    let (patient_cpu, patient_lock) = (cpu.clone(), lock.clone());
    let patient = thread::spawn(move || {
        ROLE.with(|role| role.replace(Some(Role::Patient(patient_cpu.clone()))));
        *patient_lock.lock() += 1;
        patient_cpu.state.lock().unwrap().has_ended = true;
        patient_cpu.changed.notify_all();
    });
    ROLE.with(|role| role.replace(Some(urgent(cpu.clone()))));
    cpu.state.lock().unwrap().is_wanted = true;
    *lock.lock() += 1;
    cpu.state.lock().unwrap().is_wanted = false;
    cpu.changed.notify_all();
    patient.join().unwrap();
    assert_eq!(*lock.lock(), 2);
}

#[test]
fn the_value_is_one_threads_at_a_time() {
    crate::explore(3, || {
        let lock = Arc::new(Mutex::new(0));
        let other = lock.clone();
        let other = thread::spawn(move || (0..2).for_each(|_| *other.lock() += 1));
        *lock.lock() += 1;
        other.join().unwrap();
        assert_eq!(*lock.lock(), 3);
    });
}

#[test]
fn the_urgent_thread_gets_it_from_the_patient_one() {
    crate::explore(3, || race(Role::Urgent));
}

/// Who lets only those run that are as urgent waits for ever.
#[test]
fn yielding_would_be_seen() {
    assert!(crate::fails("locks::yielding_would_be_seen", || {
        race(|_| Role::UrgentAndYields);
    }));
}
