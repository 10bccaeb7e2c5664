//! What a checked allocator writes and looks for, and the clearing of all.
//!
//! Free memory holds [`POISON`] in every unit. A taken area begins with a guard word, which says that it is alive and
//! which generation it has; the caller's bytes lie behind it. So a stale number of an area is found by the
//! generation, writing before an area or beyond the one before it by the guard, and writing to what is free by the
//! pattern, when it is taken the next time.

use core::ptr::with_exposed_provenance_mut;

use percpu_core::PAGE_SIZE;

use super::state::{Place, State, need};
use super::{AllocateError, FreeError};
use crate::cell::units;
use crate::machine;

/// Linux's pattern for freed memory.
const POISON: u8 = 0x6b;
/// The upper half of a guard.
const ALIVE: u64 = 0xa11e << 48;
/// Bytes of a guard.
const GUARD: usize = 8;

/// Clears so many bytes in every unit.
pub fn clear(offset: usize, bytes: usize) {
    fill(offset, bytes, 0);
}

/// Fills so many bytes in every unit.
pub fn poison(offset: usize, bytes: usize) {
    fill(offset, bytes, POISON);
}

impl State {
    /// Takes an area with a guard.
    pub fn take_checked(&mut self, size: usize, align: usize) -> Result<Place, AllocateError> {
        // As if for the caller alone, so that what is wrong is refused as ever.
        need(size, align)?;
        let head = align.max(GUARD);
        let start = self.take(need(size.saturating_add(head), head)?)?.offset;
        let bytes = (size + head).next_multiple_of(4);
        if let Some(cpu) = first_cpu_without(start, bytes, POISON) {
            return Err(AllocateError::WrittenWhileFree { cpu, offset: start });
        }
        let generation = self.generation;
        self.generation = generation.checked_add(1).unwrap_or(1);
        let offset = start + head;
        clear(offset, bytes - head);
        // SAFETY: 1. the area is aligned to 8 and populated. 2. it was taken just now, so nobody uses it.
        unsafe { units::write(offset - GUARD, |_| guard(head, generation)) };
        Ok(Place { offset, generation })
    }

    /// Takes an area back, if its guards are as they were.
    pub fn give_checked(&mut self, place: Place) -> Result<(), FreeError> {
        let head = self.check_guards(place)?;
        let start = place.offset - head;
        let size = self.give(start)?;
        poison(start, size);
        Ok(())
    }

    /// The bytes before the caller's, if the guards of all CPUs are alive and of this generation.
    fn check_guards(&self, place: Place) -> Result<usize, FreeError> {
        let at = place.offset.checked_sub(GUARD).ok_or(FreeError::NoArea)?;
        let (chunk, within) = self.core.backing().find(at).ok_or(FreeError::NoArea)?;
        let mut chunks = self.core.chunks().filter(|listed| listed.id == chunk);
        let page = within / PAGE_SIZE as usize;
        let is_populated = chunks.next().and_then(|listed| listed.chunk.is_populated(page));
        if is_populated != Some(true) || !at.is_multiple_of(GUARD) {
            return Err(FreeError::NoArea);
        }
        let found = |cpu| units::read::<u64>(cpu, at).unwrap_or(0);
        let head = 1 << (found(0) >> 32 & 0xffff).min(u64::from(u16::BITS));
        for cpu in 0..machine::possible_cpus() {
            let is_free = found(cpu) == u64::from_ne_bytes([POISON; 8]);
            let is_alive = found(cpu) >> 48 == ALIVE >> 48;
            match found(cpu) == guard(head, place.generation) {
                true => {}
                false if is_free || (is_alive && found(cpu) as u32 != place.generation) => {
                    return Err(FreeError::Stale);
                }
                false => return Err(FreeError::Damaged { cpu }),
            }
        }
        Ok(head)
    }
}

/// The guard of an area with so many bytes, a power of two, before the caller's.
fn guard(head: usize, generation: u32) -> u64 {
    ALIVE | u64::from(head.trailing_zeros()) << 32 | u64::from(generation)
}

/// The first CPU whose copy does not hold the pattern in all of so many bytes.
fn first_cpu_without(offset: usize, bytes: usize, pattern: u8) -> Option<usize> {
    let pattern = u32::from_ne_bytes([pattern; 4]);
    let holds = |cpu: usize| {
        (offset..offset + bytes)
            .step_by(4)
            .all(|at| units::read(cpu, at) == Some(pattern))
    };
    (0..machine::possible_cpus()).find(|cpu| !holds(*cpu))
}

fn fill(offset: usize, bytes: usize, pattern: u8) {
    for address in units::addresses(offset) {
        // SAFETY: areas are populated. The caller has just taken this one, or is about to give it back, so nobody
        // uses it.
        unsafe { with_exposed_provenance_mut::<u8>(address).write_bytes(pattern, bytes) };
    }
}
