//! Rows about the memory of the first chunk: group and unit offsets, what is given back, both refusals, and
//! the chunks of the reserved and the dynamic part with all their hints and slots.

use percpu_core::{
    Chunk, FirstParts, LOCAL_DISTANCE, REMOTE_DISTANCE, Sizes, Slots, UnitPart, exceeds_three_quarters,
};
use serde_json::{Map, Value, json};

use crate::chunk_state::{blocks, storage, whole, without_edges};
use crate::shape::{Shape, build, cpus_and_nodes, field, list, number, same};

/// `in.vmalloc_total` is the range that three quarters are taken of.
const OUT_OF_RANGE: i64 = -22;
const OUT_OF_MEMORY: i64 = -12;

/// What a row was made from, and one fact about the recording itself.
const INPUTS: [&str; 5] = [
    "name",
    "kind",
    "in",
    "group_areas",
    "template_identical_in_all_units",
];

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
        let mut facts = came_to_be(&shape)?;
        let pages = shape.unit_size() / 4096 * shape.cpu_count() as u64;
        facts.insert("pages_allocated".into(), json!(pages));
        facts
    } else {
        embedded(&mut shape, row, input)?
    };
    let mut recorded = row.as_object().cloned().unwrap_or_default();
    recorded.retain(|name, _| !INPUTS.contains(&name.as_str()));
    for part in ["reserved_chunk", "first_chunk"] {
        if let Some(chunk) = recorded.get_mut(part) {
            *chunk = without_edges(chunk.take());
        }
    }
    same(&Value::Object(ours), &Value::Object(recorded))
}

/// The one row of `up_first_chunk`: what the dynamic reserve of 28 KiB gives.
pub fn up(row: &Value) -> Result<(), String> {
    let shape = Shape::build_up(28 << 10).map_err(|error| error.to_string())?;
    let (_, dynamic) = chunks(&shape)?;
    let slots = Slots::new(shape.unit_size() as usize);
    let ours = json!({
        "unit_size": shape.unit_size(),
        "nr_units": shape.unit_count(),
        "nr_groups": shape.group_count(),
        "static_size": shape.static_size(),
        "reserved_size": shape.reserved_size(),
        "dyn_size": shape.dyn_size(),
        "atom_size": shape.atom_size(),
        "alloc_size": shape.alloc_size(),
        "nr_pages": dynamic.pages(),
        "nr_populated": dynamic.populated_pages(),
        "nr_empty_pop_pages": dynamic.empty_pages(),
        "nr_slots": slots.count(),
        "free_slot": slots.free(),
        "first_chunk_slot": slots.of_chunk(&dynamic),
    });
    same(&ours, row)
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
    let mut facts = came_to_be(shape)?;
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
fn came_to_be(shape: &Shape) -> Result<Map<String, Value>, String> {
    let pages = |bytes: u64| bytes / 4096;
    let places: Vec<_> = shape
        .cpus()
        .map(|cpu| {
            let offset = shape.unit_offset(cpu).map(percpu_core::UnitOffset::bytes);
            json!([cpu.get(), shape.unit_index(cpu), offset])
        })
        .collect();
    let (low, high) = shape.lowest_and_highest().unzip();
    let (parts, (reserved, dynamic)) = (parts(shape)?, chunks(shape)?);
    let slots = Slots::new(shape.unit_size() as usize);
    let facts = json!({
        "rc": 0,
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
        "sidelined_slot": slots.sidelined(),
        "free_slot": slots.free(),
        "to_depopulate_slot": slots.to_depopulate(),
        "nr_slots": slots.count(),
        "nr_empty_pop_pages": dynamic.empty_pages(),
        "first_chunk_slot": slots.of_chunk(&dynamic),
        "reserved_chunk": reserved.map(|chunk| described(&chunk, parts.reserved)),
        "first_chunk": described(&dynamic, Some(parts.dynamic)),
    });
    Ok(facts.as_object().cloned().unwrap_or_default())
}

fn parts(shape: &Shape) -> Result<FirstParts, String> {
    let sizes = Sizes {
        static_size: shape.static_size(),
        reserved_size: shape.reserved_size(),
        dyn_size: shape.dyn_size(),
        atom_size: shape.atom_size(),
    };
    FirstParts::of(&sizes).ok_or("the parts have no sum".into())
}

/// The chunk of the reserved part, if there is one, and that of the dynamic part.
fn chunks(shape: &Shape) -> Result<(Option<Chunk<'static>>, Chunk<'static>), String> {
    let chunk = |part: UnitPart| {
        let chunk = Chunk::first(storage(part.pages())?, part).map_err(|error| error.to_string())?;
        chunk.verify().map_err(|damage| damage.to_string())?;
        Ok::<_, String>(chunk)
    };
    let parts = parts(shape)?;
    Ok((parts.reserved.map(chunk).transpose()?, chunk(parts.dynamic)?))
}

fn described(chunk: &Chunk<'_>, part: Option<UnitPart>) -> Value {
    json!({
        "base_minus_pcpu_base": part.map(UnitPart::page_offset),
        "start_offset": chunk.head_bytes(),
        "end_offset": chunk.tail_bytes(),
        "nr_pages": chunk.pages(),
        "free_bytes": chunk.free_bytes(),
        "nr_populated": chunk.populated_pages(),
        "nr_empty_pop_pages": chunk.empty_pages(),
        "chunk_md": whole(chunk),
        "md_blocks": blocks(chunk),
    })
}
