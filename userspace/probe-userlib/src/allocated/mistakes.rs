//! What a checked allocator finds: each mistake is made on purpose, with the numbers of an area and writes through
//! the window's ordinary addresses.

use core::ptr::with_exposed_provenance_mut;
use core::sync::atomic::{AtomicU32, Ordering};

use userlib::abi::window::WINDOW_BASE;
use userlib::allocator::{AllocateError, Allocator, FreeError, RawArea};
use userlib::checks::Checks;
use userlib::{PerCpuBox, machine};

pub fn check(checks: &mut Checks) {
    let Some(allocator) = checks.success("checked-allocator", Allocator::checked()) else {
        return;
    };
    let sizes = [(4, 4), (12, 4), (100, 16), (32, 64), (4_000, 4_096)];
    let works = sizes.map(|(size, align)| {
        let area = allocator.allocate(size, align);
        area.is_ok_and(|area| area.offset().is_multiple_of(align) && is_clear(&area) && area.free().is_ok())
    });
    checks.equal("checked-areas", works, [true; 5]);
    let boxed = PerCpuBox::new(&allocator, 5u64).map(|cell| (cell.sum(), cell.free()));
    let sum = 5 * machine::possible_cpus() as u64;
    checks.equal("checked-box", boxed, Ok((sum, Ok(()))));
    stale(checks, &allocator);
    damaged(checks, &allocator);
    written_while_free(checks, &allocator);
}

fn is_clear(area: &userlib::allocator::Area<'_>) -> bool {
    let cells = (0..area.size() / 4).filter_map(|word| area.cell::<u32>(4 * word));
    cells.flat_map(|cell| cell.iter().max()).all(|value| value == 0)
}

fn take(checks: &mut Checks, allocator: &Allocator) -> RawArea {
    let taken = allocator.allocate(24, 8).map(|area| area.into_raw());
    let nothing = RawArea {
        offset: 0,
        generation: 0,
    };
    checks.success("checked-area", taken).unwrap_or(nothing)
}

/// The number of an area that was freed, before and after another one has its place.
fn stale(checks: &mut Checks, allocator: &Allocator) {
    let first = take(checks, allocator);
    checks.equal("checked-free", allocator.free_raw(first), Ok(()));
    checks.equal(
        "checked-free-twice",
        allocator.free_raw(first),
        Err(FreeError::Stale),
    );
    let second = take(checks, allocator);
    checks.equal("checked-same-place", second.offset, first.offset);
    checks.equal("checked-stale", allocator.free_raw(first), Err(FreeError::Stale));
    checks.equal("checked-second", allocator.free_raw(second), Ok(()));
    let nowhere = RawArea { offset: 16, ..second };
    checks.equal(
        "checked-nowhere",
        allocator.free_raw(nowhere),
        Err(FreeError::NoArea),
    );
}

/// The last CPU's copy of a word.
fn word(offset: usize) -> &'static AtomicU32 {
    let unit = WINDOW_BASE + (machine::possible_cpus() as u64 - 1) * machine::stride();
    // SAFETY: a word of per-CPU memory that is populated as long as this probe uses it, and that only this thread and
    // the allocator use.
    unsafe { AtomicU32::from_ptr(with_exposed_provenance_mut(unit as usize + offset)) }
}

/// A write just before the area, on one CPU.
fn damaged(checks: &mut Checks, allocator: &Allocator) {
    let area = take(checks, allocator);
    let guard = word(area.offset - 4);
    let kept = guard.swap(0x1234, Ordering::SeqCst);
    let cpu = machine::possible_cpus() - 1;
    checks.equal(
        "guard-damaged",
        allocator.free_raw(area),
        Err(FreeError::Damaged { cpu }),
    );
    guard.store(kept, Ordering::SeqCst);
    checks.equal("guard-restored", allocator.free_raw(area), Ok(()));
}

/// A write to an area that was freed, on one CPU: the next one who would get it is told.
fn written_while_free(checks: &mut Checks, allocator: &Allocator) {
    let area = take(checks, allocator);
    checks.equal("to-be-written", allocator.free_raw(area), Ok(()));
    word(area.offset + 8).store(1, Ordering::SeqCst);
    let cpu = machine::possible_cpus() - 1;
    let offset = area.offset - 8;
    let refused = allocator.allocate(24, 8).map(|area| area.into_raw());
    checks.equal(
        "written-while-free",
        refused,
        Err(AllocateError::WrittenWhileFree { cpu, offset }),
    );
    // That place is not given out again, others are.
    let next = take(checks, allocator);
    checks.that(
        "not-used-again",
        next.offset != area.offset,
        format_args!("{next:?}"),
    );
    checks.equal("others-are", allocator.free_raw(next), Ok(()));
}
