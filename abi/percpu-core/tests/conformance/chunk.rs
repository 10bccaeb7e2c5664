//! Traces of one chunk, each in both variants of the rule for frees; slots; the argument check.

use percpu_core::{Area, AreaRequest, Chunk, FreeRule, Reach, Slots, size_to_slot};
use serde_json::{Value, json};

use crate::{
    chunk_state::{blocks, populated_chunk, state, without_edges},
    generator::{Fnv, Lcg, checked},
    shape::{field, list, number, same},
};

/// Both variants of every trace.
pub const VARIANTS: [(&str, FreeRule); 2] = [("linux", FreeRule::Linux), ("corrected", FreeRule::Corrected)];

/// How many results a row holds in full.
const FIRST_RESULTS: &str = "first_results";

/// A row of `size_to_slot`: `[bytes, slot]`.
pub fn size_slot(row: &Value) -> Result<(), String> {
    let bytes = row.get(0).and_then(Value::as_u64).ok_or("no size")?;
    same(&json!([bytes, size_to_slot(bytes as usize)]), row)
}

/// A row of `slots`.
pub fn slots(row: &Value) -> Result<(), String> {
    let slots = Slots::new(number(row, "unit_size")? as usize);
    let ours = json!({
        "unit_size": slots.unit_size(),
        "top_raw_slot": slots.top(),
        "sidelined": slots.sidelined(),
        "free": slots.free(),
        "to_depopulate": slots.to_depopulate(),
        "nr_slots": slots.count(),
    });
    same(&ours, row)
}

/// A row of `argument_check`. A refusal is a warning, unless the caller wants none.
pub fn argument(row: &Value) -> Result<(), String> {
    let (size, align) = (number(row, "size")?, number(row, "align")?);
    let is_legal = checked(size, align).is_ok();
    let ours = json!({
        "size": size,
        "align": align,
        "ok": is_legal,
        "warns": u8::from(!is_legal),
        "warns_with_NOWARN": 0,
    });
    same(&ours, row)
}

/// A row of `scripted` or of `invalid_free`.
pub fn scripted(row: &Value) -> Result<(), String> {
    for (variant, rule) in VARIANTS {
        let recorded = field(row, variant)?;
        let mut chunk = populated_chunk(row, rule)?;
        let results = run_script(&mut chunk, list(field(row, "ops")?)?)?;
        let mut ours = json!({"results": results, "final": state(&chunk, row)?});
        ours["md_blocks"] = json!(blocks(&chunk));
        compare(ours, recorded, variant)?;
    }
    let agree = row.get("linux").is_some() && row.get("linux") == row.get("corrected");
    match row.get("linux_and_corrected_agree") {
        Some(recorded) => same(&json!(agree), recorded),
        None => Ok(()),
    }
}

/// A row of `lcg_single`.
pub fn random(row: &Value) -> Result<(), String> {
    for (variant, rule) in VARIANTS {
        let recorded = field(row, variant)?;
        let mut chunk = populated_chunk(row, rule)?;
        let shown = list(field(recorded, FIRST_RESULTS)?)?.len();
        let mut ours = run_random(&mut chunk, row, shown)?;
        ours["final"] = state(&chunk, row)?;
        compare(ours, recorded, variant)?;
    }
    Ok(())
}

fn compare(ours: Value, recorded: &Value, variant: &str) -> Result<(), String> {
    let mut recorded = recorded.clone();
    let state = without_edges(recorded["final"].take());
    same(&ours["final"], &state).map_err(|difference| format!("{variant}, final: {difference}"))?;
    recorded["final"] = state;
    same(&ours, &recorded).map_err(|difference| format!("{variant}: {difference}"))
}

fn run_script(chunk: &mut Chunk<'_>, ops: &[Value]) -> Result<Vec<i64>, String> {
    let mut results: Vec<i64> = Vec::new();
    for op in ops {
        let result = if let Some(request) = op.get("alloc") {
            let request = AreaRequest {
                size: number(request, "size")? as usize,
                align: number(request, "align")? as usize,
            };
            allocate(chunk, checked(request.size as u64, request.align as u64)?)
        } else if op.get("free_op").is_some() {
            let earlier = results.get(number(op, "free_op")? as usize);
            free(chunk, *earlier.ok_or("frees what a later operation returns")?)
        } else {
            free(chunk, number(op, "free_offset")? as i64)
        };
        chunk.verify().map_err(|damage| format!("{op}: {damage}"))?;
        results.push(result);
    }
    Ok(results)
}

fn run_random(chunk: &mut Chunk<'_>, row: &Value, shown: usize) -> Result<Value, String> {
    let model = field(row, "model")?.as_str().ok_or("model is no text")?;
    let alloc_pct = number(row, "alloc_pct")?;
    let mut lcg = Lcg::new(number(row, "seed")?);
    let (mut hash, mut live, mut first) = (Fnv::new(), Vec::new(), Vec::new());
    let (mut succeeded, mut failed, mut frees, mut peak, mut too_low) = (0, 0, 0, 0, 0);
    for index in 0..number(row, "nr_ops")? {
        let result = if lcg.below(100) < alloc_pct || live.is_empty() {
            let offset = allocate(chunk, lcg.request(model)?);
            if offset < 0 {
                failed += 1;
            } else {
                succeeded += 1;
                live.push(offset);
            }
            offset
        } else {
            frees += 1;
            let index = lcg.below(live.len() as u64) as usize;
            free(chunk, live.swap_remove(index))
        };
        chunk
            .verify()
            .map_err(|damage| format!("operation {index}: {damage}"))?;
        peak = peak.max(live.len());
        too_low += u32::from((chunk.hints().contig as usize) < chunk.longest_free() / 4);
        hash.number(result);
        if first.len() < shown {
            first.push(result);
        }
    }
    Ok(json!({
        "allocs_ok": succeeded,
        "allocs_failed": failed,
        "frees": frees,
        "peak_live": peak,
        "live_at_end": live.len(),
        "ops_after_which_chunk_contig_hint_was_below_truth": too_low,
        "results_fnv": hash.text(),
        FIRST_RESULTS: first,
    }))
}

fn allocate(chunk: &mut Chunk<'_>, need: percpu_core::AreaNeed) -> i64 {
    let area: Option<Area> = chunk.allocate(need, Reach::AllPages).ok();
    area.map_or(-1, |area| area.offset as i64)
}

/// Bytes that became free; 0 if it was refused.
fn free(chunk: &mut Chunk<'_>, offset: i64) -> i64 {
    let area = usize::try_from(offset)
        .ok()
        .and_then(|offset| chunk.free(offset).ok());
    area.map_or(0, |area| area.size as i64)
}
