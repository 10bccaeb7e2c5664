//! The kernel's lock. One alias, so that a checker can take its place in one file.
//!
//! Kernel code runs with interrupts off and is never preempted, so a lock need not mask anything: no
//! interrupt handler runs while one is held. The idle loop, the only kernel code with interrupts on, holds
//! none. NMI handlers take none.
//!
//! **Order.** Whoever holds several takes them from top to bottom:
//! capability table → address space → memory object → notification → endpoint → thread → run queue → heap → frame pool →
//! console. No lock is held while waiting for another CPU's acknowledgement (`mailbox.rs`).

/// Mutual exclusion by spinning with PAUSE.
pub type Lock<T> = spin::mutex::SpinMutex<T>;

/// A value that is set once, at boot.
pub type Once<T> = spin::Once<T>;
