//! The template in the kernel's ELF file: where the linker put each kind of per-CPU variable (S2, S3, S5).

use libtest_mimic::{Failed, Trial};
use object::{Object, ObjectSymbol};

use crate::lab::prepared;
use crate::machines::case;

const PAGE: u64 = 4096;
const LINE: u64 = 64;

/// A per-CPU variable, or one of the linker's marks.
struct Symbol {
    name: String,
    start: u64,
    end: u64,
}

type Test = fn(&[Symbol]) -> Result<(), Failed>;

pub fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 4] = [
        ("template::fills_whole_pages_as_the_kernel_tells", pages),
        ("template::whole_pages_come_first", page_aligned),
        (
            "template::hot_variables_share_one_cache_line_with_nothing_else",
            hot,
        ),
        (
            "template::what_is_read_mostly_shares_no_cache_line_with_what_is_not",
            read_mostly,
        ),
    ];
    tests
        .map(|(name, test)| Trial::test(name, move || test(&symbols()?)))
        .into()
}

fn symbols() -> Result<Vec<Symbol>, Failed> {
    let bytes = std::fs::read(prepared()?.binary("kernel"))?;
    let kernel = object::File::parse(&*bytes)?;
    let all: Vec<Symbol> = kernel
        .symbols()
        .filter_map(|symbol| {
            let (start, size) = (symbol.address(), symbol.size());
            let name = symbol.name().ok()?.to_string();
            Some(Symbol {
                name,
                start,
                end: start + size,
            })
        })
        .collect();
    let (start, end) = (mark(&all, "start")?, mark(&all, "end")?);
    let is_inside = |symbol: &Symbol| symbol.start >= start && symbol.end <= end;
    Ok(all.into_iter().filter(is_inside).collect())
}

fn mark(symbols: &[Symbol], name: &str) -> Result<u64, Failed> {
    let name = format!("__per_cpu_{name}");
    let found = symbols.iter().find(|symbol| symbol.name == name);
    Ok(found
        .map(|symbol| symbol.start)
        .ok_or(format!("no symbol {name}"))?)
}

fn promised(holds: bool, promise: &str) -> Result<(), Failed> {
    holds.then_some(()).ok_or(promise.into())
}

fn variables(symbols: &[Symbol]) -> impl Iterator<Item = &Symbol> {
    symbols.iter().filter(|symbol| symbol.end > symbol.start)
}

fn named<'a>(symbols: &'a [Symbol], name: &str) -> Result<&'a Symbol, Failed> {
    let found = variables(symbols).find(|symbol| symbol.name.ends_with(name));
    Ok(found.ok_or(format!("no per-CPU variable {name}"))?)
}

fn pages(symbols: &[Symbol]) -> Result<(), Failed> {
    let (start, end) = (mark(symbols, "start")?, mark(symbols, "end")?);
    let place = case("4_on_2+2").witness()?.chunk.place;
    promised(
        start < end && (start | end).is_multiple_of(PAGE),
        "the template fills whole pages",
    )?;
    promised(
        (place.template_start, place.template_end) == (start, end),
        "the kernel tells where it is",
    )
}

fn page_aligned(symbols: &[Symbol]) -> Result<(), Failed> {
    let gdt = named(symbols, "GDT")?;
    promised(
        gdt.start == mark(symbols, "start")?,
        "the template begins with the GDT",
    )?;
    promised(gdt.end.is_multiple_of(PAGE), "the GDT has whole pages")
}

fn hot(symbols: &[Symbol]) -> Result<(), Failed> {
    let line = mark(symbols, "hot_start")?;
    promised(line.is_multiple_of(LINE), "the hot line begins at a cache line")?;
    let inside: Vec<&str> = variables(symbols)
        .filter(|symbol| symbol.end > line && symbol.start < line + LINE)
        .map(|symbol| symbol.name.as_str())
        .collect();
    let expected = ["DELTA", "THIS_CPU", "LOCAL", "PAGE_TABLE"];
    let is_hot = |name: &&str| expected.iter().any(|hot| name.ends_with(hot));
    let all = inside.len() == expected.len() && inside.iter().all(is_hot);
    promised(all, &format!("the hot line holds {expected:?}, not {inside:?}"))
}

fn read_mostly(symbols: &[Symbol]) -> Result<(), Failed> {
    let range = mark(symbols, "read_mostly_start")?..mark(symbols, "read_mostly_end")?;
    promised(
        (range.start | range.end).is_multiple_of(LINE),
        "its borders are cache lines'",
    )?;
    for name in ["STACKS", "MAILBOX"] {
        let variable = named(symbols, name)?;
        let inside = variable.start >= range.start && variable.end <= range.end;
        promised(inside, &format!("{name} is among what is read mostly"))?;
    }
    let queue = named(symbols, "QUEUE")?;
    promised(queue.start >= range.end, "a run queue is not")
}
