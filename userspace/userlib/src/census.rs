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

/// Whether all is back, to the last object, byte and frame. Which frames are free and which have kernel objects in them is
/// not compared: an object never moves, so a page stays an account's as long as there is one left in it. A page of somebody
/// who has ended cannot stay for nothing and be missed: it holds its account, and that is bytes of the maker's account. Those
/// of the living are compared where nothing that stays is made in between, by `probe-refusals` after each refusal.
#[must_use]
pub fn is_back(before: &MachineStats, after: &MachineStats) -> bool {
    let counted = |stats: &MachineStats| {
        let frames = stats.free_frames + stats.heap_frames;
        (stats.objects, stats.own_bytes, stats.heap_bytes, frames)
    };
    counted(after) == counted(before)
}

/// Counts as soon as all is back, or after a while.
///
/// # Errors
/// As for [`now`].
pub fn settled(before: &MachineStats) -> Result<MachineStats, Refusal> {
    when(|now| is_back(before, now))
}

/// Counts as soon as there are as many objects as before, whatever room others have made for more; or after a while.
///
/// # Errors
/// As for [`now`].
pub fn quiet(before: &MachineStats) -> Result<MachineStats, Refusal> {
    when(|now| now.objects == before.objects)
}

fn when(is_meant: impl Fn(&MachineStats) -> bool) -> Result<MachineStats, Refusal> {
    let mut stats = now()?;
    for _ in 0..MOST_LOOKS {
        if is_meant(&stats) {
            break;
        }
        thread::give_way();
        stats = now()?;
    }
    Ok(stats)
}
