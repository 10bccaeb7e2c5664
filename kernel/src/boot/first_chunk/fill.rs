//! What lies in a unit when its CPU starts: the template's bytes, then zeros.
//!
//! Until the boot CPU switches its GS base it runs on the template itself. What is written there before the
//! copy every CPU inherits; what is written between copy and switch nobody would ever see again (S7).

use core::cell::Cell;
use core::slice;

use percpu_core::CpuId;

use super::{Backing, FirstChunk, chunk, template};
use crate::cpu::node;
use crate::per_cpu;
use crate::percpu::DELTA;

per_cpu! {
    /// Written too late by a test.
    static LATE: Cell<u64> = Cell::new(0);
}

impl FirstChunk {
    /// Clears the unit, copies the template and tells the unit its own delta. What is the template has it all.
    pub(super) fn fill(&self, cpu: CpuId) {
        let unit = self.unit(cpu);
        let bytes = self.frames_of_unit() * percpu_core::PAGE_SIZE;
        let template = template::range();
        let copied = match self.backing {
            Backing::Template => 0,
            _ => template.end - template.start,
        };
        // SAFETY: 1. the unit is memory of the first chunk's, mapped, of that size, and no CPU uses it yet.
        // 2. It does not overlap the template, of which `copied` bytes are copied at most.
        unsafe {
            (unit as *mut u8).copy_from_nonoverlapping(template.start as *const u8, copied as usize);
            ((unit + copied) as *mut u8).write_bytes(0, (bytes - copied) as usize);
        }
        if copied > 0 {
            let delta = self.delta(cpu);
            // SAFETY: DELTA lies in the template, so its copy lies in the unit.
            unsafe { DELTA.at(delta).cast_mut().write(delta) };
        }
    }
}

/// Stops the boot if a per-CPU variable was written since the units were filled. The last moment before the
/// boot CPU's GS base is installed: other CPUs begin behind it.
pub fn check_no_write_was_lost() {
    if let Backing::Template = chunk().backing {
        return;
    }
    let template = template::range();
    let bytes = (template.end - template.start) as usize;
    // Written in every unit, as they must be.
    let own = [DELTA.span(), node::word_of_units()];
    // SAFETY: both are mapped, of that size, and nobody writes them now: this is the only CPU that runs.
    let (now, then) = unsafe {
        let unit = chunk().unit(CpuId::BOOT) as *const u8;
        (
            slice::from_raw_parts(template.start as *const u8, bytes),
            slice::from_raw_parts(unit, bytes),
        )
    };
    let is_own = |at: usize| {
        let address = template.start + at as u64;
        own.iter().any(|word| word.contains(&address))
    };
    let lost = (0..bytes).find(|at| now[*at] != then[*at] && !is_own(*at));
    if let Some(lost) = lost {
        panic!(
            "percpu: a write to {:#x} would be lost: after the template was copied, before a GS base was installed",
            template.start as usize + lost
        );
    }
}

/// Writes a per-CPU variable at the wrong time.
pub fn lose_a_write() {
    LATE.local().set(1);
}
