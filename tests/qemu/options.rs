//! Words on the kernel's command line that make no sense are told and change nothing.

use libtest_mimic::{Failed, Trial};
use run_qemu::{Machine, Status};
use selion_tests::FirstChunk;

use crate::lab::{TIME_LIMIT, boot, check, check_ending, with_append};

/// The default shape, and all that is said about a word.
const NONSENSE: [(&str, &str); 15] = [
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
        "options: percpu_distance without a value, ignored",
    ),
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
