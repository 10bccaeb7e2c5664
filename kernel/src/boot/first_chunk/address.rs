//! Which CPU's memory an address of the first chunk is (H1, H2).

use percpu_core::{CpuId, PAGE_SIZE};

use super::{Backing, FIRST_CHUNK, FirstChunk};

/// What an address within a static part is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PerCpuAddress {
    /// Whose.
    pub cpu: CpuId,
    /// The same variable's address in the boot CPU's unit.
    pub canonical: u64,
}

/// Whose static part holds the address (H2). `None` before the first chunk is built, and always where the template is the copy,
/// as with Linux on one CPU.
pub fn percpu_address(address: u64) -> Option<PerCpuAddress> {
    let chunk = FIRST_CHUNK.get()?;
    if let Backing::Template = chunk.backing {
        return None;
    }
    let (cpu, offset) = chunk.place(address)?;
    (offset < chunk.info.static_size()).then(|| PerCpuAddress {
        cpu,
        canonical: chunk.unit(CpuId::BOOT) + offset,
    })
}

/// Physical address of what an address of the first chunk stands for (H1); `None` for an address in no unit's used
/// part. With the template as the copy, static variables are in the image and not in the chunk.
pub fn per_cpu_ptr_to_phys(address: u64) -> Option<u64> {
    let chunk = FIRST_CHUNK.get()?;
    let (cpu, offset) = chunk.place(address)?;
    Some(chunk.frame(cpu, offset / PAGE_SIZE).address() + offset % PAGE_SIZE)
}

impl FirstChunk {
    /// Which CPU's unit, and how far in it: a quick look at the borders of all units, then at each.
    fn place(&self, address: u64) -> Option<(CpuId, u64)> {
        let (lowest, highest) = self.info.lowest_and_highest()?;
        let used = self.frames_of_unit() * PAGE_SIZE;
        if address < self.unit(lowest) || address - self.unit(highest).min(address) >= used {
            return None;
        }
        self.info.cpus().find_map(|cpu| {
            let offset = address.checked_sub(self.unit(cpu))?;
            (offset < used).then_some((cpu, offset))
        })
    }
}

/// Addresses that a reader of the facts can check the two answers at: both sides of every border of a unit.
pub(super) fn borders(chunk: &FirstChunk, cpu: CpuId) -> [u64; 6] {
    let (unit, info) = (chunk.unit(cpu), &chunk.info);
    let static_end = match chunk.backing {
        Backing::Template => unit,
        _ => unit + info.static_size(),
    };
    let end = unit + chunk.frames_of_unit() * PAGE_SIZE;
    [unit - 1, unit, static_end - 1, static_end, end - 1, end]
}
