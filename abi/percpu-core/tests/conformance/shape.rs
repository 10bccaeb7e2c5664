//! Rows about the shape: `build_alloc_info*` and the layouts of real machines.
//!
//! The result is written as the recorded JSON would be and compared as a whole, so that no field can be
//! forgotten.

use std::collections::BTreeMap;

use percpu_core::{AllocInfo, CpuId, LOCAL_DISTANCE, REMOTE_DISTANCE, Sizes};
use serde_json::{Value, json};

/// Room for more than any recorded machine has.
pub type Shape = AllocInfo<8192, 512>;

/// A row of `{"in": …, "out": …}`.
pub fn named(row: &Value) -> Result<(), String> {
    let input = field(row, "in")?;
    let nodes = cpus_and_nodes(input)?;
    let kind = field(input, "distance_fn")?
        .as_str()
        .ok_or("distance_fn is no text")?;
    let matrix = input.get("distance_matrix");
    let distance = |from: CpuId, to: CpuId| match kind {
        "matrix" => entry(matrix, from, to),
        "node_equal" if nodes.get(&from) != nodes.get(&to) => REMOTE_DISTANCE,
        _ => LOCAL_DISTANCE,
    };
    if !["matrix", "node_equal", "null"].contains(&kind) {
        return Err(format!("unknown distance_fn {kind}"));
    }
    let shape = build(input, nodes.keys().copied(), distance)?;
    same(&as_recorded(&shape), field(row, "out")?)
}

/// A row of a real machine: sizes and groups from its boot messages. A CPU's node is its group.
pub fn real_boot_log(row: &Value) -> Result<(), String> {
    let mut nodes = BTreeMap::new();
    for (node, group) in list(field(row, "groups")?)?.iter().enumerate() {
        for cpu in list(group)? {
            nodes.insert(cpu_id(cpu)?, node);
        }
    }
    let distance = |from, to| {
        if nodes.get(&from) == nodes.get(&to) {
            LOCAL_DISTANCE
        } else {
            REMOTE_DISTANCE
        }
    };
    let shape = build(row, nodes.keys().copied(), distance)?;
    let groups: Vec<Vec<u16>> = shape
        .groups()
        .map(|group| group.cpus().iter().map(|cpu| cpu.get()).collect())
        .collect();
    let ours = json!({
        "id": field(row, "id")?,
        "what": field(row, "what")?,
        "static_size": shape.static_size(),
        "reserved_size": shape.reserved_size(),
        "dyn_size": shape.dyn_size(),
        "unit_size": shape.unit_size(),
        "alloc_size": shape.alloc_size(),
        "atom_size": shape.atom_size(),
        "groups": groups,
    });
    same(&ours, row)
}

/// The shape for the sizes of a row.
pub fn build(
    sizes: &Value,
    cpus: impl IntoIterator<Item = CpuId>,
    distance: impl Fn(CpuId, CpuId) -> u32,
) -> Result<Shape, String> {
    let sizes = Sizes {
        static_size: number(sizes, "static_size")?,
        reserved_size: number(sizes, "reserved_size")?,
        dyn_size: number(sizes, "dyn_size")?,
        atom_size: number(sizes, "atom_size")?,
    };
    Shape::build(&sizes, cpus, distance).map_err(|error| error.to_string())
}

/// `"cpus": [[id, node], …]`.
pub fn cpus_and_nodes(input: &Value) -> Result<BTreeMap<CpuId, u64>, String> {
    let pair = |pair: &Value| {
        let node = pair
            .get(1)
            .and_then(Value::as_u64)
            .ok_or("a CPU without a node")?;
        Ok((cpu_id(pair.get(0).unwrap_or(&Value::Null))?, node))
    };
    list(field(input, "cpus")?)?.iter().map(pair).collect()
}

/// A field that must be there.
pub fn field<'a>(row: &'a Value, name: &str) -> Result<&'a Value, String> {
    row.get(name).ok_or_else(|| format!("no field {name}"))
}

/// A field that must be a number.
pub fn number(row: &Value, name: &str) -> Result<u64, String> {
    field(row, name)?
        .as_u64()
        .ok_or_else(|| format!("field {name} is no number"))
}

/// A value that must be a list.
pub fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("{value} is no list"))
}

/// Equal as a whole, or the fields that are not.
pub fn same(ours: &Value, recorded: &Value) -> Result<(), String> {
    if ours == recorded {
        return Ok(());
    }
    let (Value::Object(ours), Value::Object(recorded)) = (ours, recorded) else {
        return Err(format!("{ours}, recorded {recorded}"));
    };
    let names: std::collections::BTreeSet<_> = ours.keys().chain(recorded.keys()).collect();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| ours.get(*name) != recorded.get(*name))
        .map(|name| {
            let show = |value: Option<&Value>| value.map_or("nothing".into(), Value::to_string);
            format!(
                "{name}: {}, recorded {}",
                show(ours.get(name)),
                show(recorded.get(name))
            )
        })
        .collect();
    Err(differing.join("; "))
}

fn as_recorded(shape: &Shape) -> Value {
    let unit = |cpu: Option<CpuId>| cpu.map_or(-1, |cpu| i32::from(cpu.get()));
    let groups: Vec<Value> = shape
        .groups()
        .map(|group| {
            json!({
                "nr_units": group.unit_count(),
                "base_offset": group.base_offset(),
                "cpu_map": group.cpu_map().map(unit).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "static_size": shape.static_size(),
        "reserved_size": shape.reserved_size(),
        "dyn_size": shape.dyn_size(),
        "unit_size": shape.unit_size(),
        "atom_size": shape.atom_size(),
        "alloc_size": shape.alloc_size(),
        "upa": shape.units_per_alloc(),
        "size_sum": shape.size_sum(),
        "nr_groups": shape.group_count(),
        "groups": groups,
        "nr_units": shape.unit_count(),
    })
}

fn entry(matrix: Option<&Value>, from: CpuId, to: CpuId) -> u32 {
    let entry = matrix.and_then(|matrix| matrix.get(from.index())?.get(to.index())?.as_u64());
    entry
        .and_then(|entry| u32::try_from(entry).ok())
        .expect("the matrix has a row for each CPU")
}

fn cpu_id(value: &Value) -> Result<CpuId, String> {
    let number = value.as_u64().and_then(|number| u16::try_from(number).ok());
    number
        .map(CpuId::new)
        .ok_or_else(|| format!("{value} is no CPU id"))
}
