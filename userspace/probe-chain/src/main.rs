//! Processes that hold each other in a long chain, and go all at once when the first is let go.
//!
//! What the kernel does for each must not wait on its stack for the next.
#![no_std]
#![no_main]

use userlib::abi::{Handle, Rights};
use userlib::checks::Checks;
use userlib::process::{self, Child};
use userlib::{Refusal, entry, ipc};

entry!(main);

/// More than a kernel stack has room for, if each took a call's worth of it.
const PROCESSES: u64 = 800;
/// Page tables of a process that never runs.
const FRAMES: u64 = 12;

fn main() -> Result<u64, Refusal> {
    let mut checks = Checks::new();
    // The table of this process grows once, and stays as it is.
    let first = Child::create(FRAMES, "link")?;
    first.forget()?;
    let before = process::stats(process::own())?.frames_used;
    let mut last = Handle::NONE;
    for _ in 0..PROCESSES {
        let child = Child::create(FRAMES, "link")?;
        if !last.is_none() {
            child.grant(last, Rights::ALL, 0)?;
            ipc::drop_capability(last)?;
        }
        ipc::drop_capability(child.window())?;
        last = child.process();
    }
    ipc::drop_capability(last)?;
    let after = process::stats(process::own())?.frames_used;
    checks.equal("every-frame-is-back", after, before);
    Ok(checks.code())
}
