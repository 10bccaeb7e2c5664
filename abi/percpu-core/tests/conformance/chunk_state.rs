//! The records of a chunk, written as the vectors write them.

use percpu_core::{Chunk, ChunkStorage, FreeRule, Hints, PageRange, UnitPart};
use serde_json::{Value, json};

use crate::{
    generator::Fnv,
    shape::{field, number},
};

/// Storage that lives until the end: a replay makes few chunks.
pub fn storage(pages: usize) -> Result<ChunkStorage<'static>, String> {
    let words = vec![0; ChunkStorage::words(pages)].leak();
    let blocks = vec![Hints::default(); pages].leak();
    ChunkStorage::split(words, blocks, pages).map_err(|error| error.to_string())
}

/// The chunk that a trace of one chunk begins with: everything is populated.
pub fn populated_chunk(row: &Value, rule: FreeRule) -> Result<Chunk<'static>, String> {
    let described = field(row, "chunk")?;
    let (pages, start, end) = (
        number(described, "nr_pages")? as usize,
        number(described, "start_offset")? as usize,
        number(described, "end_offset")? as usize,
    );
    let chunk = if field(described, "immutable")? == true {
        let part = UnitPart {
            offset: start,
            size: pages * 4096 - start - end,
        };
        Chunk::first(storage(pages)?, part).map_err(|error| error.to_string())?
    } else {
        let mut chunk = Chunk::new(storage(pages)?, pages).map_err(|error| error.to_string())?;
        let all = PageRange {
            first: 0,
            count: pages,
        };
        chunk.populate(all).map_err(|error| error.to_string())?;
        chunk
    };
    Ok(chunk.with_free_rule(rule))
}

/// A chunk's `final`. What the allocator above knows of it is copied from the row.
pub fn state(chunk: &Chunk<'_>, row: &Value) -> Result<Value, String> {
    chunk.verify().map_err(|damage| damage.to_string())?;
    let populated: Vec<usize> = (0..chunk.pages())
        .filter(|page| chunk.is_populated(*page) == Some(true))
        .collect();
    let mut map = Fnv::new();
    for offset in (0..chunk.pages() * 4096).step_by(4) {
        map.byte(u8::from(chunk.is_taken(offset) == Some(true)));
    }
    let mut blocks = Fnv::new();
    for number in chunk.block_hints().iter().flat_map(numbers) {
        blocks.number(number.into());
    }
    Ok(json!({
        "nr_pages": chunk.pages(),
        "start_offset": chunk.head_bytes(),
        "end_offset": chunk.tail_bytes(),
        "free_bytes": chunk.free_bytes(),
        "nr_alloc": chunk.areas(),
        "max_alloc_size": chunk.largest_area(),
        "nr_populated": chunk.populated_pages(),
        "nr_empty_pop_pages": chunk.empty_pages(),
        "immutable": field(field(row, "chunk")?, "immutable")?,
        "isolated": false,
        "chunk_md": whole(chunk),
        "true_longest_free_run_bits": chunk.longest_free() / 4,
        "populated_pages": populated,
        "md_blocks_fnv": blocks.text(),
        "alloc_map_fnv": map.text(),
    }))
}

/// The chunk's own hints without `left_free` and `right_free`, which Linux does not maintain.
pub fn whole(chunk: &Chunk<'_>) -> Value {
    let [scan, scan_start, contig, contig_start, _, _, first_free] = numbers(chunk.hints());
    json!({
        "scan_hint": scan,
        "scan_hint_start": scan_start,
        "contig_hint": contig,
        "contig_hint_start": contig_start,
        "first_free": first_free,
        "nr_bits": chunk.hints().bits,
    })
}

/// Takes out of a recorded chunk what is not compared.
pub fn without_edges(mut recorded: Value) -> Value {
    if let Some(hints) = recorded.get_mut("chunk_md").and_then(Value::as_object_mut) {
        hints.remove("left_free");
        hints.remove("right_free");
    }
    recorded
}

/// Rows of `md_blocks`.
pub fn blocks(chunk: &Chunk<'_>) -> Vec<[u32; 7]> {
    chunk.block_hints().iter().map(numbers).collect()
}

/// A start whose size is 0 means nothing and is written as 0.
fn numbers(hints: &Hints) -> [u32; 7] {
    let start = |size: u32, start: u32| if size == 0 { 0 } else { start };
    [
        hints.scan,
        start(hints.scan, hints.scan_start),
        hints.contig,
        start(hints.contig, hints.contig_start),
        hints.left_free,
        hints.right_free,
        hints.first_free,
    ]
}
