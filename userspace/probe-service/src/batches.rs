//! Many requests in one message.

use userlib::abi::PAGE_SIZE;
use userlib::abi::percpu::{PercpuError, RegionId, Request};
use userlib::checks::Checks;
use userlib::memory::Memory;
use userlib::percpu::{self, Answers, Batch, Error, Populate, Region};
use userlib::process;

const REGIONS: usize = 20;
/// Pages of a batch's memory.
const BATCH_PAGES: u64 = 4;

/// Checks everything in this file.
pub fn check(checks: &mut Checks) {
    let before = percpu::stats().map(|stats| stats.regions);
    let Some(answers) = checks.success("batch", create_many()) else {
        return;
    };
    let counted = percpu::stats().map(|stats| stats.regions);
    let expected = before.map(|regions| regions + REGIONS as u64);
    checks.equal("batch-counted", counted, expected);
    checks.equal(
        "batch-refusal",
        answers.words(0),
        Some(Err(PercpuError::NoSuchRegion)),
    );
    let regions = [(); REGIONS];
    let mut index = 0;
    let regions = regions.map(|()| {
        index += 1;
        answers.region(index).and_then(Result::ok)
    });
    checks.that(
        "batch-granted",
        regions.iter().all(Option::is_some),
        format_args!("{regions:?}"),
    );
    checks.equal(
        "batch-stats",
        answers.words(REGIONS + 1).map(|words| words.is_ok()),
        Some(true),
    );
    checks.equal("batch-end", answers.words(REGIONS + 2), None);
    let cells_work = regions.iter().flatten().all(|region| {
        region.cell::<u64>(0).is_some_and(|cell| {
            cell.increment();
            cell.sum() == 1
        })
    });
    checks.that(
        "batch-regions-are-whole",
        cells_work,
        format_args!("a cell has lost its count"),
    );
    destroy_many(checks, regions);
    buffers(checks);
    let kept = kept_memory();
    checks.equal("batch-kept-memory", kept, Ok(true));
}

/// A request that is refused, regions, and one that changes nothing.
fn create_many() -> Result<Answers, Error> {
    let mut batch = Batch::new()?;
    let region = RegionId {
        index: 0xffff_fff0,
        generation: 1,
    };
    let mut all = batch.push(&Request::Destroy { region });
    for _ in 0..REGIONS {
        all &= batch.create(PAGE_SIZE, Populate::All, "batch");
    }
    all &= batch.push(&Request::Stats);
    assert!(all, "there is room for them");
    batch.run()
}

fn destroy_many(checks: &mut Checks, regions: [Option<Region>; REGIONS]) {
    let Some(mut batch) = checks.success("batch-destroy", Batch::new()) else {
        return;
    };
    let mut pushed = 0;
    for region in regions.into_iter().flatten() {
        pushed += u64::from(batch.push(&Request::Destroy { region: region.id() }));
    }
    if let Some(answers) = checks.success("batch-destroy-run", batch.run()) {
        let done = (0..REGIONS)
            .filter(|index| matches!(answers.words(*index), Some(Ok(_))))
            .count();
        checks.equal(
            "batch-destroyed",
            (done as u64, pushed),
            (REGIONS as u64, REGIONS as u64),
        );
    }
}

fn buffers(checks: &mut Checks) {
    let bad = Err(Error::Refused(PercpuError::BadBuffer(4)));
    let send = |entries, memory: &Memory| {
        let is_kept = false;
        let message = Request::Batch { entries, is_kept }
            .encode()
            .with_capability(memory.handle());
        percpu::send(&message).map(drop)
    };
    let Some(memory) = checks.success("batch-memory", Memory::own(1)) else {
        return;
    };
    checks.equal("batch-too-many", send(33, &memory), bad);
    checks.equal("batch-far-too-many", send(u64::MAX, &memory), bad);
    checks.equal("batch-of-none", send(0, &memory), Ok(()));
    if let Some(large) = checks.success("batch-large-memory", Memory::own(5)) {
        checks.equal("batch-large", send(1, &large), bad);
    }
    let request = Request::Batch {
        entries: 1,
        is_kept: false,
    };
    let without = percpu::send(&request.encode());
    checks.equal(
        "batch-without",
        without,
        Err(Error::Refused(PercpuError::Malformed(6))),
    );
}

/// Memory that the server keeps mapped is used again, and let go as soon as a batch lies in other memory; frames are this
/// program's. Whether all was so.
fn kept_memory() -> Result<bool, Error> {
    let frames = || process::stats(process::own()).map(|stats| stats.frames_used);
    let before = run_twice(Batch::new()?)?.then(frames);
    let kept = run_twice(Batch::kept()?)?.then(frames);
    let other = run_twice(Batch::kept()?)?.then(frames);
    let after = run_twice(Batch::new()?)?.then(frames);
    let [before, kept, other, after] = [before, kept, other, after].map(|frames| frames.transpose());
    let more = before?.map(|frames| frames + BATCH_PAGES);
    Ok(before?.is_some() && after? == before? && kept? == more && other? == more)
}

/// Whether a batch is answered, and so is the next one in the same memory.
fn run_twice(batch: Batch) -> Result<bool, Error> {
    let mut batch = batch;
    let mut is_answered = true;
    for requests in [3, 2] {
        for _ in 0..requests {
            is_answered &= batch.push(&Request::Stats);
        }
        let answers = batch.run()?;
        is_answered &= (0..requests).all(|index| matches!(answers.words(index), Some(Ok(_))));
        is_answered &= answers.words(requests).is_none();
        batch = answers.again();
    }
    Ok(is_answered)
}
