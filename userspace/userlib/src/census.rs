//! What there is on the whole machine, before something and after it: for programs that see whether all has come back.

use crate::process::{self, MachineStats};
use crate::{Refusal, start, supervisor, thread};

/// How often it is counted until it has to be right: the end of a process is told a moment after it.
const MOST_LOOKS: u64 = 100_000;

/// Counts, with nothing kept ready by the percpu server.
///
/// # Errors
/// The kernel's refusal; one of init's own is `BadArgument`.
pub fn now() -> Result<MachineStats, Refusal> {
    supervisor::drain()?;
    process::machine_stats(start::info().handover.machine)
}

/// Pages that accounts may hold more than before for objects that are the same: which lie where is up to what came between.
const SPLIT: u64 = 2;

/// Whether all is back: objects and bytes to the last, frames to the last, but that a page or two may lie between the two
/// piles of frames for as many objects as before.
#[must_use]
pub fn is_back(before: &MachineStats, after: &MachineStats) -> bool {
    let frames = |stats: &MachineStats| stats.free_frames + stats.heap_frames;
    after.objects == before.objects
        && after.own_bytes == before.own_bytes
        && frames(after) == frames(before)
        && after.heap_frames <= before.heap_frames + SPLIT
}

/// Counts as soon as all is back, or after a while.
///
/// # Errors
/// As for [`now`].
pub fn settled(before: &MachineStats) -> Result<MachineStats, Refusal> {
    let mut after = now()?;
    for _ in 0..MOST_LOOKS {
        if is_back(before, &after) {
            break;
        }
        thread::give_way();
        after = now()?;
    }
    Ok(after)
}
