//! Areas and boxes: what an allocator refuses, what a checked one finds, and a crowd that allocates and frees.

use userlib::abi::syscall::CpuMask;
use userlib::allocator::{AllocateError, Allocator, FreeError, RawArea};
use userlib::checks::Checks;
use userlib::percpu::{self, PercpuError};
use userlib::random::Random;
use userlib::sync::{Mutex, Once};
use userlib::{PerCpuBox, crowd, machine};

mod kept;
#[expect(unsafe_code, reason = "mistakes that safe code cannot make")]
mod mistakes;

const ROUNDS: u64 = 3_000;
const BOARD: usize = 32;

static ALLOCATOR: Once<Allocator> = Once::new();
/// Boxes that go from thread to thread.
static BOXES: [Mutex<Option<PerCpuBox<'static, u64>>>; BOARD] = [const { Mutex::new(None) }; BOARD];

pub fn check(checks: &mut Checks) {
    let allocator = ALLOCATOR.try_call_once(Allocator::new);
    let Some(allocator) = checks.success("allocator", allocator) else {
        return;
    };
    refusals(checks, allocator);
    boxes(checks, allocator);
    quota(checks, allocator);
    checks.equal("boxes-crowd", crowd::run(work), Ok(0));
    for mailbox in &BOXES {
        drop(mailbox.lock().take());
    }
    let before = allocator.usage();
    checks.that("boxes-cached", before.cached > 0, format_args!("{before:?}"));
    checks.equal("trim", allocator.trim(&CpuMask::ALL), Ok(()));
    let after = allocator.usage();
    checks.equal(
        "boxes-all-free",
        (after.cached, after.areas),
        (0, before.areas - before.cached),
    );
    // What is left are the heads of the stacks.
    checks.equal("areas-all-free", after.areas, 1);
    mistakes::check(checks);
    kept::check(checks);
}

fn refusals(checks: &mut Checks, allocator: &Allocator) {
    let wrong = [(0, 4), (32_769, 4), (8, 3 * 4), (8, 8_192)];
    let refused = wrong.map(|(size, align)| {
        let refused = allocator.allocate(size, align);
        matches!(refused, Err(AllocateError::Need(_)))
    });
    checks.equal("area-needs", refused, [true; 4]);
    let area = allocator.allocate(24, 8);
    let Some(area) = checks.success("area", area) else {
        return;
    };
    checks.equal("area-inside", area.cell::<u64>(16).is_some(), true);
    checks.equal("area-unaligned", area.cell::<u64>(4).is_some(), false);
    checks.equal("area-outside", area.cell::<u64>(24).is_some(), false);
    checks.equal("area-far-outside", area.cell::<u8>(usize::MAX).is_some(), false);
    let raw = area.into_raw();
    let inside = RawArea {
        offset: raw.offset + 4,
        ..raw
    };
    let is_in_chunk = |freed: Result<(), FreeError>| matches!(freed, Err(FreeError::InChunk(_)));
    checks.equal("free-interior", is_in_chunk(allocator.free_raw(inside)), true);
    let nowhere = RawArea { offset: 8, ..raw };
    checks.equal(
        "free-nowhere",
        allocator.free_raw(nowhere),
        Err(FreeError::NoArea),
    );
    checks.equal("free-raw", allocator.free_raw(raw), Ok(()));
    checks.equal("free-twice", is_in_chunk(allocator.free_raw(raw)), true);
}

/// One box after the other in the same place: each begins with its own value on every CPU.
fn boxes(checks: &mut Checks, allocator: &Allocator) {
    let mut right = true;
    let mut first = None;
    for value in [0u64, u64::MAX, 7] {
        let Some(cell) = checks.success("box", PerCpuBox::new(allocator, value)) else {
            return;
        };
        let offset = *first.get_or_insert(cell.offset());
        right &= cell.iter().all(|found| found == value) && cell.iter().count() == machine::possible_cpus();
        right &= machine::online_cpus() > 1 || cell.offset() == offset;
        cell.add(1);
        right &= cell.sum()
            == value
                .wrapping_mul(machine::possible_cpus() as u64)
                .wrapping_add(1);
        checks.equal("box-free", cell.free(), Ok(()));
    }
    let narrow = PerCpuBox::new(allocator, true).map(|flag| flag.iter().all(|set| set));
    checks.equal("box-bool", narrow, Ok(true));
    checks.that("boxes-are-set", right, format_args!("a copy had another value"));
}

/// The server refuses at some moment, and the allocator says why; what was taken can be freed, and used again.
fn quota(checks: &mut Checks, allocator: &Allocator) {
    let limit = percpu::hello().map_or(0, |geometry| geometry.quota_pages);
    let fill = || {
        let mut areas = [const { None }; 64];
        for place in &mut areas {
            match allocator.allocate(32_768, 4_096) {
                Ok(area) => *place = Some(area),
                Err(error) => return (areas.iter().flatten().count(), Some(error)),
            }
        }
        (64, None)
    };
    let (count, error) = fill();
    let is_quota = |error: &AllocateError| {
        let AllocateError::Server(percpu::Error::Refused(refusal)) = error else {
            return false;
        };
        matches!(refusal, PercpuError::QuotaExceeded { limit: said, .. } if *said == limit)
    };
    checks.that(
        "quota-named",
        error.as_ref().is_some_and(is_quota),
        format_args!("{error:?}"),
    );
    checks.equal("quota-again", fill().0, count);
}

fn work(thread: usize) -> u64 {
    let Some(allocator) = ALLOCATOR.get() else {
        return 1;
    };
    let mut random = Random::new(thread as u64);
    let mut wrong = 0;
    for round in 0..ROUNDS {
        if round % 16 == 0 {
            crowd::drive();
        }
        let start = random.number();
        let Ok(cell) = PerCpuBox::new(allocator, start) else {
            return wrong + 1;
        };
        wrong += u64::from(cell.iter().any(|value| value != start));
        cell.add(3);
        let expected = start
            .wrapping_mul(machine::possible_cpus() as u64)
            .wrapping_add(3);
        wrong += u64::from(cell.sum() != expected);
        let mailbox = &BOXES[random.below(BOARD as u64) as usize];
        let found = mailbox.lock().replace(cell);
        drop(found);
        if round % 64 == 0 {
            let size = 4 * (1 + random.below(300));
            let Ok(area) = allocator.allocate(size as usize, 4) else {
                return wrong + 1;
            };
            let last = area.cell::<u32>(area.size() - 4);
            wrong += u64::from(last.is_none_or(|cell| cell.iter().any(|value| value != 0)));
            last.inspect(|cell| cell.set(thread as u32 + 1));
        }
    }
    wrong
}
