//! Words on the kernel's command line that make no sense are told and change nothing.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status};
use selion_tests::FirstChunk;

use crate::lab::{TIME_LIMIT, boot, check, check_ending, with_append};

/// The default shape, and all that is said about a word.
const NONSENSE: [(&str, &str); 17] = [
    ("percpu_alloc=slab", "percpu: unknown allocator slab specified"),
    ("percpu_alloc", "options: Malformed early option 'percpu_alloc'"),
    (
        "percpu_alloc=page percpu_setup=generic",
        "percpu: unknown allocator page specified",
    ),
    (
        "percpu_setup=arm",
        "options: percpu_setup=arm makes no sense: x86 or generic",
    ),
    (
        "percpu_distance=far",
        "options: percpu_distance=far makes no sense: node or slit",
    ),
    (
        "percpu_reserve=5000",
        "options: percpu_reserve=5000 makes no sense: a multiple of 4096, at most 64M; default 131072",
    ),
    (
        "percpu_reserve=65M",
        "options: percpu_reserve=65M makes no sense: a multiple of 4096, at most 64M; default 131072",
    ),
    (
        "percpu_reserve=18446744073709551616",
        "options: percpu_reserve=18446744073709551616 makes no sense: a multiple of 4096, at most 64M; default 131072",
    ),
    (
        "percpu_dynamic=0",
        "options: percpu_dynamic=0 makes no sense: a multiple of 4096, from 4K to 64M; default 28672",
    ),
    (
        "percpu_dynamic=-1",
        "options: percpu_dynamic=-1 makes no sense: a multiple of 4096, from 4K to 64M; default 28672",
    ),
    (
        "percpu_kernel=28K",
        "options: percpu_kernel=28672 leaves nothing of percpu_dynamic=28672, default 16384",
    ),
    (
        "percpu_span_limit=0",
        "options: percpu_span_limit=0 makes no sense: at least 1; default 549755813888",
    ),
    (
        "window_stride=3M",
        "options: window_stride=3M makes no sense: a power of two from 2M to 1G; default 67108864",
    ),
    (
        "percpu_colour=red",
        "options: unknown option percpu_colour, ignored",
    ),
    (
        "percpu_distance",
        "options: percpu_distance needs a value, ignored",
    ),
    (
        "percpu_debug=1",
        "options: percpu_debug takes no value, percpu_debug=1 ignored",
    ),
    ("percpu_colour", "options: unknown option percpu_colour, ignored"),
];

pub fn trials() -> Vec<Trial> {
    let nonsense = NONSENSE.iter().map(|(append, words)| {
        let name = append.replace(['=', ' '], "_");
        Trial::test(format!("options::{name}"), move || {
            told_and_ignored(append, words)
        })
    });
    nonsense
        .chain([
            Trial::test("options::no_reserved_part_at_all", no_reserve),
            Trial::test("options::embed_by_name", embed),
            Trial::test("options::a_line_that_is_too_long_is_cut_between_words", too_long),
            Trial::test("options::a_dynamic_part_that_is_too_small_is_told", too_small),
            Trial::test("options::debug_shows_the_layout", layout),
        ])
        .collect()
}

/// Nothing runs behind the first chunk: it tells the options.
fn first_chunk_only(machine: &Machine) -> Result<(run_qemu::Transcript, FirstChunk), Failed> {
    let machine = Machine {
        append: format!("{} first_chunk_only", machine.append),
        ..machine.clone()
    };
    let transcript = boot(&machine, &["counter"], TIME_LIMIT)?;
    check_ending(Status::Ok, &transcript)?;
    let chunk = FirstChunk::read(&transcript.lines).map_err(|error| format!("{error}\n{transcript}"))?;
    Ok((transcript, chunk))
}

fn told_and_ignored(append: &str, words: &str) -> Result<(), Failed> {
    let (transcript, chunk) = first_chunk_only(&with_append(append))?;
    let lines = transcript.lines.iter().map(|line| line.trim());
    let told: Vec<&str> = lines
        .filter(|line| line.starts_with("options: ") || line.contains("unknown allocator"))
        .collect();
    check(
        told == [words],
        format!("told: `{words}`, not {told:?}"),
        &transcript,
    )?;
    let parts = [
        chunk.sizes.reserved_size,
        chunk.sizes.dyn_size,
        chunk.sizes.kernel_part,
    ];
    let promise = format!("the default's sizes, not {parts:?}");
    check(parts == [128 << 10, 28 << 10, 16 << 10], promise, &transcript)?;
    let is_default = chunk.builder.asked == "auto" && chunk.builder.name == "embed";
    check(is_default, "the default builder", &transcript)
}

fn embed() -> Result<(), Failed> {
    let (transcript, chunk) = first_chunk_only(&with_append("percpu_alloc=embed"))?;
    let builder = &chunk.builder;
    let is_named = builder.name == "embed" && builder.asked == "embed" && builder.why == "asked for";
    check(
        is_named,
        format!("embed, asked for, not {builder:?}"),
        &transcript,
    )
}

/// What fits of the last word would be another size.
fn too_long() -> Result<(), Failed> {
    const LIMIT: usize = 2048;
    let (front, half) = (
        format!("first_chunk_only {} percpu_reserve=64K ", run_qemu::facts::WORD),
        " percpu_reserve=4096",
    );
    let filler = "x".repeat(LIMIT - front.len() - half.len());
    let (transcript, chunk) = first_chunk_only(&with_append(&format!("{front}{filler}{half}000")))?;
    let told = transcript.find("bytes are read: at most 2048, in UTF-8, and whole words");
    check(told.is_some(), "told that it is cut", &transcript)?;
    let size = chunk.sizes.reserved_size;
    check(
        size == 64 << 10,
        format!("the last whole word's size, not {size}"),
        &transcript,
    )
}

fn too_small() -> Result<(), Failed> {
    let (transcript, chunk) = first_chunk_only(&with_append("percpu_dynamic=4K"))?;
    let line = "options: percpu_dynamic=4096 is less than Linux's least, 20480";
    check(transcript.find(line).is_some(), format!("`{line}`"), &transcript)?;
    check(chunk.sizes.dyn_size == 20480, "the least", &transcript)
}

/// Programs' static parts then lie in dynamic pages, and nothing is refused for it (R2).
fn no_reserve() -> Result<(), Failed> {
    let transcript = boot(&with_append("percpu_reserve=0"), &["counter"], TIME_LIMIT)?;
    check_ending(Status::Ok, &transcript)?;
    let chunk = FirstChunk::read(&transcript.lines).map_err(|error| format!("{error}\n{transcript}"))?;
    check(chunk.sizes.reserved_size == 0, "no reserved part", &transcript)
}

/// At debug level, and only there, in Linux's form (E4); of 3 and 5 CPUs as Linux prints it.
fn layout() -> Result<(), Failed> {
    let machine = |append: &str| Machine {
        nodes: vec![3, 5],
        ..with_append(append)
    };
    let (silent, _) = first_chunk_only(&machine(""))?;
    check(
        silent.find("pcpu-alloc: ").is_none(),
        "no layout without `debug`",
        &silent,
    )?;
    let (loud, chunk) = first_chunk_only(&machine("debug"))?;
    let sizes = chunk.sizes;
    let expected = [
        format!(
            "pcpu-alloc: s{} r{} d{} u{} alloc=1*2097152",
            sizes.static_size, sizes.reserved_size, sizes.dyn_size, sizes.unit_size
        ),
        "pcpu-alloc: [0] 0 1 [0] 2 - [1] 3 4 [1] 5 6 ".into(),
        "pcpu-alloc: [1] 7 - ".into(),
    ];
    let told: Vec<&String> = loud
        .lines
        .iter()
        .filter(|line| line.starts_with("pcpu-alloc: "))
        .collect();
    let same = told.iter().copied().eq(expected.iter());
    check(same, format!("{expected:?}, not {told:?}"), &loud)
}
