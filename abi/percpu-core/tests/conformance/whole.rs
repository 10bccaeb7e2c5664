//! Traces of the whole allocator, in both variants of the rule for frees: placement, lists, counts, and a
//! drain at the end.

use percpu_core::{AreaOf, ChunkId, Part, Reach, Request};
use serde_json::{Value, json};

use crate::{
    chunk::VARIANTS,
    generator::{Fnv, Lcg},
    machine::{Whole, boot},
    shape::{field, list, number, same},
};

/// A row of `whole_allocator`.
pub fn trace(row: &Value) -> Result<(), String> {
    for (variant, rule) in VARIANTS {
        let wrong = |difference: String| format!("{variant}: {difference}");
        let recorded = field(row, variant)?;
        let (mut allocator, units) = boot(row, rule)?;
        let shown = list(field(recorded, "first_results")?)?.len();
        let mut replay = Replay::new(row, shown)?;
        replay.run(&mut allocator, row).map_err(wrong)?;
        let mut ours = replay.facts();
        ours["unit_size"] = json!(allocator.slots().unit_size());
        ours["nr_units"] = json!(units);
        ours["nr_slots"] = json!(allocator.slots().count());
        ours["final"] = state(&allocator, units);
        replay.drain(&mut allocator).map_err(wrong)?;
        ours["after_drain"] = drained(&allocator, units);
        same(&ours["final"], field(recorded, "final")?)
            .map_err(|difference| wrong(format!("final: {difference}")))?;
        same(&ours, recorded).map_err(wrong)?;
    }
    let agree = row["linux"] == row["corrected"];
    same(&json!(agree), field(row, "linux_and_corrected_agree")?)
}

fn state(allocator: &Whole, units: usize) -> Value {
    let (stats, machine) = (allocator.stats(), allocator.backing());
    let slots: Vec<Value> = allocator
        .chunks()
        .map(|listed| {
            let (id, chunk) = (listed.id.number(), listed.chunk);
            let pages = (chunk.populated_pages(), chunk.empty_pages());
            json!([listed.slot, id, chunk.free_bytes(), pages.0, pages.1])
        })
        .collect();
    json!({
        "stats": {
            "nr_alloc": stats.allocated,
            "nr_dealloc": stats.freed,
            "nr_cur_alloc": stats.current,
            "nr_max_alloc": stats.most,
            "nr_chunks": stats.chunks,
            "nr_max_chunks": stats.most_chunks,
            "min_alloc_size": stats.smallest_area,
            "max_alloc_size": stats.largest_area,
        },
        "nr_empty_pop_pages": allocator.empty_pages(),
        "nr_populated": allocator.populated_pages(),
        "meminfo_percpu_pages": meminfo_pages(allocator, units),
        "chunks_created": stats.chunks_made,
        "chunks_destroyed": machine.destroyed,
        "mock_pages_live": machine.frames,
        "mock_pages_peak": machine.most_frames,
        "tlb_flushes": machine.flushes,
        "slots": slots,
    })
}

/// Linux counts filler units as if they were populated.
fn meminfo_pages(allocator: &Whole, units: usize) -> usize {
    let cpus = allocator.backing().cpus();
    let taken = allocator.memory_use(cpus, units - cpus);
    (taken.on_cpus + taken.on_fillers) / 4096
}

fn drained(allocator: &Whole, units: usize) -> Value {
    json!({
        "order": "free live[] from last to first",
        "nr_chunks": allocator.stats().chunks,
        "nr_empty_pop_pages": allocator.empty_pages(),
        "nr_populated": allocator.populated_pages(),
        "meminfo_percpu_pages": meminfo_pages(allocator, units),
        "mock_pages_live": allocator.backing().frames,
    })
}

/// The operations of a trace, and what came out.
struct Replay {
    model: String,
    /// Balance after each so many operations; 0: never.
    worker_every: u64,
    lcg: Lcg,
    hash: Fnv,
    live: Vec<AreaOf>,
    shown: usize,
    first: Vec<[i64; 2]>,
    /// Allocated, refused, freed, most live, balanced.
    counts: [usize; 5],
}

impl Replay {
    fn new(row: &Value, shown: usize) -> Result<Self, String> {
        let worker_every = match field(row, "worker")?.as_str() {
            Some("eager") => 1,
            Some("every16") => 16,
            Some("never") => 0,
            other => return Err(format!("unknown worker {other:?}")),
        };
        Ok(Self {
            model: field(row, "model")?.as_str().ok_or("model is no text")?.into(),
            worker_every,
            lcg: Lcg::new(number(row, "seed")?),
            hash: Fnv::new(),
            live: Vec::new(),
            shown,
            first: Vec::new(),
            counts: [0; 5],
        })
    }

    fn run(&mut self, allocator: &mut Whole, row: &Value) -> Result<(), String> {
        let alloc_pct = number(row, "alloc_pct")?;
        for index in 0..number(row, "nr_ops")? {
            if self.lcg.below(100) < alloc_pct || self.live.is_empty() {
                self.allocate(allocator, row)?;
            } else {
                let victim = self.lcg.below(self.live.len() as u64) as usize;
                release(allocator, self.live.swap_remove(victim))?;
                self.counts[2] += 1;
            }
            let has_turn = self.worker_every != 0 && index % self.worker_every == self.worker_every - 1;
            if has_turn && allocator.is_balancing_wanted() {
                allocator.balance();
                self.counts[4] += 1;
            }
            allocator
                .verify()
                .map_err(|damage| format!("operation {index}: {damage}"))?;
        }
        Ok(())
    }

    fn allocate(&mut self, allocator: &mut Whole, row: &Value) -> Result<(), String> {
        let need = self.lcg.request(&self.model)?;
        let is_atomic = self.lcg.below(100) < number(row, "atomic_pct")?;
        let is_reserved = self.lcg.below(100) < number(row, "reserved_pct")?;
        let answer = allocator.allocate(Request {
            need,
            reach: if is_atomic {
                Reach::PopulatedPages
            } else {
                Reach::AllPages
            },
            part: if is_reserved {
                Part::Reserved
            } else {
                Part::Dynamic
            },
        });
        let result = match answer {
            Ok(taken) if taken.chunk == ChunkId::RESERVED => [-2, taken.area.offset as i64],
            Ok(taken) => [taken.chunk.number().into(), taken.area.offset as i64],
            Err(_) => [-1, -1],
        };
        self.counts[usize::from(answer.is_err())] += 1;
        self.live.extend(answer.ok());
        self.counts[3] = self.counts[3].max(self.live.len());
        for number in result {
            self.hash.number(number);
        }
        if self.first.len() < self.shown {
            self.first.push(result);
        }
        Ok(())
    }

    fn drain(&mut self, allocator: &mut Whole) -> Result<(), String> {
        while let Some(taken) = self.live.pop() {
            release(allocator, taken)?;
            if self.worker_every == 1 && allocator.is_balancing_wanted() {
                allocator.balance();
            }
        }
        if allocator.is_balancing_wanted() {
            allocator.balance();
        }
        allocator.verify().map_err(|damage| damage.to_string())
    }

    fn facts(&self) -> Value {
        let [succeeded, failed, frees, peak, balanced] = self.counts;
        json!({
            "results_fnv": self.hash.text(),
            "allocs_ok": succeeded,
            "allocs_failed": failed,
            "frees": frees,
            "peak_live": peak,
            "live_at_end": self.live.len(),
            "worker_runs": balanced,
            "first_results": self.first,
        })
    }
}

fn release(allocator: &mut Whole, taken: AreaOf) -> Result<(), String> {
    match allocator.release(taken.chunk, taken.area.offset) {
        Ok(area) if area == taken.area => Ok(()),
        other => Err(format!("{taken:?} freed as {other:?}")),
    }
}
