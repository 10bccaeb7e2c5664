//! What userlib's threads share without the kernel, in all the orders in which they may use it, as loom finds them.
//!
//! The files are userlib's own, built once more with loom's atomics, over CPUs that are models (`cpus.rs`): a thread of a
//! program may be on any of them. Beside each test of one stands what it would find: how the structure must not be
//! used, or built, and that loom sees it.

#![expect(clippy::unwrap_used, reason = "a panic is how a model fails")]

/// In place of the processor's.
mod atomic {
    pub use loom::hint::spin_loop;
    pub use loom::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering};

    pub use crate::cpus::{AtomicBool, UnsafeCell};

    pub const LOOKS_BEFORE_LENDING: u32 = 2;
    pub const TURNS_BEFORE_GIVING_UP: u32 = 2;
    pub const MOST_NODES: u64 = 2;

    macro_rules! constant {
        ($(#[$meta:meta])* pub fn $($rest:tt)+) => { $(#[$meta])* pub fn $($rest)+ };
    }
    pub(crate) use constant;
}

#[expect(
    dead_code,
    reason = "for those who use reference counts and counters over areas"
)]
mod allocator;
#[expect(unsafe_code, reason = "has the promises of userlib's cells")]
mod cell;
mod cpus;
mod machine;
#[expect(unsafe_code, reason = "memory for nodes")]
mod memory;
mod thread;

#[path = "../../src/counter.rs"]
#[expect(dead_code, reason = "what takes the lock and is done")]
mod counter;
#[path = "../../src/reference.rs"]
#[expect(dead_code, reason = "as in userlib")]
mod reference;
#[path = "../../src/refusal.rs"]
mod refusal;
mod slab {
    pub use crate::nodes::Nodes;
}
mod sync {
    pub use crate::mutex::Mutex;
}
#[path = "../../src/slab/depot.rs"]
#[expect(unsafe_code, reason = "as in userlib")]
mod depot;
#[path = "../../src/sync/mutex.rs"]
#[expect(unsafe_code, reason = "as in userlib")]
mod mutex;
#[path = "../../src/slab/nodes.rs"]
#[expect(unsafe_code, reason = "as in userlib")]
mod nodes;
#[path = "../../src/slot/owned.rs"]
#[expect(unsafe_code, reason = "as in userlib")]
mod owned;
#[path = "../../src/allocator/sizes.rs"]
#[expect(unsafe_code, dead_code, reason = "as in userlib")]
mod sizes;
#[path = "../../src/stack.rs"]
#[expect(unsafe_code, reason = "as in userlib")]
mod stack;
#[path = "../../src/visit.rs"]
#[expect(dead_code, reason = "as in userlib")]
mod visit;

mod cells;
mod counters;
mod locks;
mod references;
mod slots;
#[expect(unsafe_code, reason = "makes stacks, and looks at nodes")]
mod stacks;

use std::process::{Command, Stdio};

pub use refusal::Refusal;

/// Set for a process that is to fail.
const BROKEN: &str = "USERLIB_BROKEN_MODEL";

/// Goes through all orders of a model in which threads are interrupted so many times in all.
fn explore(interruptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(interruptions);
    builder.check(model);
}

/// Whether loom finds an order in which this fails, for what must not hold: the test `name` runs again in a process of
/// its own, because loom may abort.
fn fails(name: &str, model: impl Fn() + Sync + Send + 'static) -> bool {
    if std::env::var_os(BROKEN).is_some() {
        explore(3, model);
        return true;
    }
    let program = std::env::current_exe().expect("this is a program");
    let mut command = Command::new(program);
    command.args(["--exact", name]).env(BROKEN, "1");
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    !command.status().expect("it can be started again").success()
}
