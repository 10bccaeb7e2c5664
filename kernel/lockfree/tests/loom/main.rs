//! Each structure in all the orders in which threads may use it, as loom finds them.
//!
//! The files are the crate's own, built once more with loom's atomics. Beside each test of one stands what
//! it would find: how the structure must not be used, or built, and that loom sees it.

#![expect(clippy::unwrap_used, reason = "a panic is how a model fails")]

/// In place of the processor's.
mod atomic {
    pub use std::cell::Cell;

    pub use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    macro_rules! constant {
        ($(#[$meta:meta])* pub fn $($rest:tt)+) => { $(#[$meta])* pub fn $($rest)+ };
    }
    pub(crate) use constant;
}

#[path = "../../src/cpu_set.rs"]
mod cpu_set;
#[path = "../../src/doom.rs"]
#[expect(dead_code, reason = "a limit for those who check arguments")]
mod doom;
#[path = "../../src/fast_slot.rs"]
mod fast_slot;
#[path = "../../src/flush.rs"]
mod flush;
#[path = "../../src/head.rs"]
mod head;
#[path = "../../src/idle.rs"]
mod idle;
#[path = "../../src/loaded.rs"]
mod loaded;
#[path = "../../src/urgency.rs"]
#[expect(dead_code, reason = "where the assembly of messages finds the words")]
mod urgency;

mod calls;
mod counted_ends;
mod slots;
mod translations;
mod urgent;
mod wake_ups;

use std::process::{Command, Stdio};

/// Set for a process that is to fail.
const BROKEN: &str = "LOCKFREE_BROKEN_MODEL";

/// Whether loom finds an order in which this fails, for what must not hold: the test `name` runs again in a process of
/// its own, because loom may abort.
fn fails(name: &str, model: impl Fn() + Sync + Send + 'static) -> bool {
    if std::env::var_os(BROKEN).is_some() {
        loom::model(model);
        return true;
    }
    let program = std::env::current_exe().expect("this is a program");
    let mut command = Command::new(program);
    command.args(["--exact", name]).env(BROKEN, "1");
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    !command.status().expect("it can be started again").success()
}
