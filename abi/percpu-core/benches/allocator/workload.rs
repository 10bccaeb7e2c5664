//! The workloads by name: steady pairs, and the recorded traces of one chunk.

use crate::{Failure, steady, trace};

/// Something to count: ready to run, once.
pub struct Workload {
    /// How often the thing that is asked about happens in one run.
    pub operations: u64,
    pub work: Box<dyn FnMut()>,
}

/// Does nothing, so that the cost of counting is known.
pub const NOTHING: &str = "nothing";

/// Every workload that is reported, in order.
pub fn names() -> Result<Vec<String>, Failure> {
    let mut names = steady::names();
    names.extend(trace::names()?);
    Ok(names)
}

/// The workload of this name, with everything before the counted part done.
pub fn named(name: &str) -> Result<Workload, Failure> {
    if name == NOTHING {
        return Ok(Workload {
            operations: 1,
            work: Box::new(|| ()),
        });
    }
    match name.strip_prefix("trace ") {
        Some(row) => trace::prepare(row),
        None => steady::prepare(name),
    }
}
