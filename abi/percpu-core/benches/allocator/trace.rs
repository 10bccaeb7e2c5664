//! The recorded traces of one chunk, `lcg_single`: what is asked is worked out before, so that only the
//! chunk's work is counted.

use std::{hint::black_box, path::Path};

use percpu_core::{AreaNeed, Chunk, PageRange, Reach, UnitPart};
use serde_json::Value;

use crate::{
    Failure,
    generator::{Fnv, Lcg},
    machine::storage,
    workload::Workload,
};

enum Operation {
    Allocate(AreaNeed),
    Free(usize),
}

fn rows() -> Result<Vec<Value>, Failure> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/chunk-trace.json");
    let mut sections: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    match sections["lcg_single"].take() {
        Value::Array(rows) => Ok(rows),
        _ => Err("no lcg_single among the vectors".into()),
    }
}

fn name(row: &Value) -> &str {
    row["name"].as_str().unwrap_or("?")
}

pub fn names() -> Result<Vec<String>, Failure> {
    Ok(rows()?.iter().map(|row| format!("trace {}", name(row))).collect())
}

pub fn prepare(wanted: &str) -> Result<Workload, Failure> {
    let rows = rows()?;
    let row = rows.iter().find(|row| name(row) == wanted);
    let row = row.ok_or_else(|| format!("no trace {wanted}"))?;
    let operations = operations(row)?;
    let mut chunk = populated_chunk(row)?;
    Ok(Workload {
        operations: operations.len() as u64,
        work: Box::new(move || replay(&mut chunk, &operations)),
    })
}

fn replay(chunk: &mut Chunk<'_>, operations: &[Operation]) {
    for operation in operations {
        match operation {
            Operation::Allocate(need) => drop(black_box(chunk.allocate(*need, Reach::AllPages))),
            Operation::Free(offset) => drop(black_box(chunk.free(*offset))),
        }
    }
}

fn number(row: &Value, field: &str) -> Result<u64, Failure> {
    let number = row[field].as_u64();
    number.ok_or_else(|| format!("no number {field}").into())
}

fn populated_chunk(row: &Value) -> Result<Chunk<'static>, Failure> {
    let described = &row["chunk"];
    let count = number(described, "nr_pages")? as usize;
    let (start, end) = (
        number(described, "start_offset")?,
        number(described, "end_offset")?,
    );
    let storage = storage(count).ok_or("no storage")?;
    if described["immutable"] == true {
        let (offset, size) = (start as usize, count * 4096 - (start + end) as usize);
        return Ok(Chunk::first(storage, UnitPart { offset, size })?);
    }
    let mut chunk = Chunk::new(storage, count)?;
    chunk.populate(PageRange { first: 0, count })?;
    Ok(chunk)
}

/// What a trace asks for, from a replay whose results are those that were recorded.
fn operations(row: &Value) -> Result<Vec<Operation>, Failure> {
    let model = row["model"].as_str().ok_or("no model")?;
    let alloc_pct = number(row, "alloc_pct")?;
    let (mut lcg, mut hash) = (Lcg::new(number(row, "seed")?), Fnv::new());
    let (mut chunk, mut live, mut operations) = (populated_chunk(row)?, Vec::new(), Vec::new());
    for _ in 0..number(row, "nr_ops")? {
        let result = if lcg.below(100) < alloc_pct || live.is_empty() {
            let need = lcg.request(model)?;
            operations.push(Operation::Allocate(need));
            let area = chunk.allocate(need, Reach::AllPages).ok();
            live.extend(area.map(|area| area.offset));
            area.map_or(-1, |area| area.offset as i64)
        } else {
            let index = lcg.below(live.len() as u64) as usize;
            let offset = live.swap_remove(index);
            operations.push(Operation::Free(offset));
            chunk.free(offset)?.size as i64
        };
        hash.number(result);
    }
    match row["corrected"]["results_fnv"] == hash.text() {
        true => Ok(operations),
        false => Err(format!("{}: not what was recorded", name(row)).into()),
    }
}
