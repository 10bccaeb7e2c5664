//! Rows about the memory of the first chunk, as far as shape and offsets go: group and unit offsets,
//! what is given back, and both refusals. The bookkeeping of the chunks themselves is not looked at.

use percpu_core::{LOCAL_DISTANCE, REMOTE_DISTANCE, exceeds_three_quarters};
use serde_json::{Map, Value, json};

use crate::shape::{Shape, build, cpus_and_nodes, field, list, number, same};

/// `in.vmalloc_total` is the range that three quarters are taken of.
const OUT_OF_RANGE: i64 = -22;
const OUT_OF_MEMORY: i64 = -12;

/// A row of `first_chunk`.
pub fn memory(row: &Value) -> Result<(), String> {
    let input = field(row, "in")?;
    let nodes = cpus_and_nodes(input)?;
    let by_page = field(row, "kind")? == "page";
    let distance = |from, to| {
        if by_page || nodes.get(&from) == nodes.get(&to) {
            LOCAL_DISTANCE
        } else {
            REMOTE_DISTANCE
        }
    };
    let mut shape = build(input, nodes.keys().copied(), distance)?;
    let ours = if by_page {
        paged(&shape)
    } else {
        embedded(&mut shape, row, input)?
    };
    let recorded: Map<String, Value> = ours
        .keys()
        .filter_map(|name| Some((name.clone(), row.get(name)?.clone())))
        .collect();
    same(&Value::Object(ours), &Value::Object(recorded))
}

/// The one row of `up_first_chunk`: what the dynamic reserve of 28 KiB gives.
pub fn up(row: &Value) -> Result<(), String> {
    let shape = Shape::build_up(28 << 10).map_err(|error| error.to_string())?;
    let ours = json!({
        "unit_size": shape.unit_size(),
        "nr_units": shape.unit_count(),
        "nr_groups": shape.group_count(),
        "static_size": shape.static_size(),
        "reserved_size": shape.reserved_size(),
        "dyn_size": shape.dyn_size(),
        "atom_size": shape.atom_size(),
        "alloc_size": shape.alloc_size(),
        "nr_pages": shape.size_sum() / 4096,
        "nr_populated": shape.size_sum() / 4096,
    });
    let names = ours.as_object().into_iter().flat_map(Map::keys);
    let recorded: Map<String, Value> = names
        .filter_map(|name| Some((name.clone(), row.get(name)?.clone())))
        .collect();
    same(&ours, &Value::Object(recorded))
}

/// The groups' memory as the row says it was handed out, and what became of it.
fn embedded(shape: &mut Shape, row: &Value, input: &Value) -> Result<Map<String, Value>, String> {
    let areas = list(field(row, "group_areas")?)?;
    let starts: Vec<u64> = areas
        .iter()
        .map(|area| number(area, "addr_rel"))
        .collect::<Result<_, _>>()?;
    for (area, group) in areas.iter().zip(shape.groups()) {
        same(field(area, "size")?, &json!(group.size()))?;
    }
    let all: Vec<_> = starts
        .iter()
        .zip(shape.groups())
        .map(|(start, group)| (*start, group.size()))
        .collect();
    if starts.len() < shape.group_count() {
        return Ok(refused(OUT_OF_MEMORY, &all));
    }
    let placement = shape.place_groups(&starts).map_err(|error| error.to_string())?;
    if exceeds_three_quarters(placement.max_distance, number(input, "vmalloc_total")?) {
        return Ok(refused(OUT_OF_RANGE, &all));
    }
    let mut facts = paged(shape);
    facts.remove("pages_allocated");
    let spare: Vec<_> = shape
        .spare_ranges()
        .map(|range| (range.offset, range.size))
        .collect();
    facts.insert("freed_rel".into(), json!(spare));
    Ok(facts)
}

/// A refusal gives back everything that was obtained.
fn refused(code: i64, obtained: &[(u64, u64)]) -> Map<String, Value> {
    [("rc".into(), json!(code)), ("freed_rel".into(), json!(obtained))]
        .into_iter()
        .collect()
}

/// What holds for every first chunk that came to be.
fn paged(shape: &Shape) -> Map<String, Value> {
    let pages = |bytes: u64| bytes / 4096;
    let places: Vec<_> = shape
        .cpus()
        .map(|cpu| {
            let offset = shape.unit_offset(cpu).map(percpu_core::UnitOffset::bytes);
            json!([cpu.get(), shape.unit_index(cpu), offset])
        })
        .collect();
    let (low, high) = shape.lowest_and_highest().unzip();
    let facts = json!({
        "rc": 0,
        "pages_allocated": pages(shape.unit_size()) * shape.cpu_count() as u64,
        "unit_size": shape.unit_size(),
        "unit_pages": pages(shape.unit_size()),
        "nr_units": shape.unit_count(),
        "nr_groups": shape.group_count(),
        "group_offsets": shape.groups().map(|group| group.base_offset()).collect::<Vec<_>>(),
        "group_sizes": shape.groups().map(|group| group.size()).collect::<Vec<_>>(),
        "cpu_unit_offset": places,
        "low_unit_cpu": low.map(percpu_core::CpuId::get),
        "high_unit_cpu": high.map(percpu_core::CpuId::get),
        "nr_populated": pages(shape.size_sum()),
        "meminfo_percpu_pages": pages(shape.size_sum()) * shape.unit_count() as u64,
    });
    facts.as_object().cloned().unwrap_or_default()
}
