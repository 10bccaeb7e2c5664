//! What there is on the whole machine, before something and after it: for programs that see whether all has come back.

use crate::process::{self, MachineStats};
use crate::{Refusal, start, supervisor, thread};

/// How often it is counted until it has to be right: the end of a process is told a moment after it.
const MOST_LOOKS: u64 = 3000;

/// Counts, with nothing kept ready by the percpu server.
///
/// # Errors
/// The kernel's refusal; one of init's own is `BadArgument`.
pub fn now() -> Result<MachineStats, Refusal> {
    supervisor::drain()?;
    process::machine_stats(start::info().handover.machine)
}

/// Counts as soon as it is the same as before, or after a while.
///
/// # Errors
/// As for [`now`].
pub fn settled(before: &MachineStats) -> Result<MachineStats, Refusal> {
    let mut after = now()?;
    for _ in 0..MOST_LOOKS {
        if after == *before {
            break;
        }
        thread::yield_now();
        after = now()?;
    }
    Ok(after)
}
