//! From raw addresses to functions and lines, by the debug information that the boot module leaves out.
//!
//! The kernel prints addresses only: it has neither the tables nor, in a panic, the right to be clever.

use std::fmt::Write;
use std::path::Path;

use addr2line::Loader;

/// The kernel's return addresses stand behind these words: of its end, or of something that it only tells.
const IN_KERNEL: [(&str, &str); 2] = [
    ("panic: return addresses", "panic in the kernel"),
    ("warning: return addresses", "warning in the kernel"),
];
/// A fault's behind these words and the program's name; the first is the instruction that faulted.
const IN_PROGRAM: &str = "fault: return addresses";
/// What QEMU calls the instruction pointer in its register dump.
const INSTRUCTION: &str = "RIP=";

/// One binary's addresses, as they were printed.
struct Trace<'a> {
    title: String,
    binary: &'a str,
    addresses: Vec<u64>,
    /// The first address is an instruction itself, and not the one behind a call.
    first_is_exact: bool,
}

/// Explain every address list in a serial line and in a register dump. `file` finds a binary by its name.
pub fn explain(
    lines: &[String],
    registers: Option<&str>,
    root: &Path,
    file: impl Fn(&str) -> Loaded,
) -> String {
    let traces = lines
        .iter()
        .filter_map(|line| of_line(line))
        .chain(registers.and_then(of_registers));
    let mut text = String::new();
    for trace in traces {
        let loader = file(trace.binary);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}:", trace.title);
        for (index, &address) in trace.addresses.iter().enumerate() {
            let exact = index == 0 && trace.first_is_exact || trace.title.starts_with(INSTRUCTION);
            let probe = address.wrapping_sub(u64::from(!exact));
            let _ = writeln!(text, "  {address:#018x}  {}", place(loader.as_ref(), probe, root));
        }
    }
    text
}

/// A binary with its tables, if it could be read.
pub type Loaded = Option<Loader>;

fn of_line(line: &str) -> Option<Trace<'_>> {
    let mut kernels = IN_KERNEL.iter();
    if let Some((rest, title)) = kernels.find_map(|(words, title)| Some((line.split_once(words)?.1, *title)))
    {
        return Some(Trace {
            title: title.into(),
            binary: "kernel",
            addresses: addresses(rest),
            first_is_exact: false,
        });
    }
    let (_, rest) = line.split_once(IN_PROGRAM)?;
    let binary = rest.split_whitespace().next()?;
    let title = format!("fault in {binary}");
    Some(Trace {
        title,
        binary,
        addresses: addresses(rest),
        first_is_exact: true,
    })
}

fn of_registers(dump: &str) -> Option<Trace<'_>> {
    let pointers = dump
        .split(INSTRUCTION)
        .skip(1)
        .filter_map(|rest| rest.split_whitespace().next());
    let addresses: Vec<u64> = pointers
        .filter_map(|digits| u64::from_str_radix(digits, 16).ok())
        .collect();
    let title = format!("{INSTRUCTION} of each CPU, where it lies in the kernel");
    (!addresses.is_empty()).then_some(Trace {
        title,
        binary: "kernel",
        addresses,
        first_is_exact: true,
    })
}

fn addresses(text: &str) -> Vec<u64> {
    let words = text.split_whitespace().filter_map(|word| word.strip_prefix("0x"));
    words
        .filter_map(|digits| u64::from_str_radix(digits, 16).ok())
        .collect()
}

/// `function at file:line`, inlined callers included.
fn place(loader: Option<&Loader>, address: u64, root: &Path) -> String {
    let mut frames = Vec::new();
    if let Some(mut found) = loader.and_then(|loader| loader.find_frames(address).ok()) {
        while let Ok(Some(frame)) = found.next() {
            let function = frame.function.as_ref().and_then(|name| name.demangle().ok());
            let function = function.map_or("?".to_string(), |name| name.into_owned());
            let location = frame
                .location
                .and_then(|at| Some(format!(" at {}:{}", short(at.file?, root), at.line?)));
            frames.push(function + &location.unwrap_or_default());
        }
    }
    match frames.is_empty() {
        true => loader
            .and_then(|loader| loader.find_symbol(address))
            .unwrap_or("?")
            .to_string(),
        false => frames.join("\n                      inlined into "),
    }
}

/// Paths below the workspace and in the registry without what is the same for all of them.
fn short<'a>(file: &'a str, root: &Path) -> &'a str {
    let root = root.to_str().unwrap_or_default();
    match (file.strip_prefix(root), file.split_once("/registry/src/")) {
        (Some(own), _) => own.trim_start_matches('/'),
        (None, Some((_, foreign))) => foreign.split_once('/').map_or(foreign, |(_, rest)| rest),
        (None, None) => file,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_lists_are_found_wherever_they_stand() {
        let panic = of_line("[cpu 1] panic: return addresses 0xffffffff80201000 0xffffffff80202000").unwrap();
        assert_eq!((panic.binary, panic.addresses.len()), ("kernel", 2));
        let warning = of_line("warning: return addresses 0xffffffff80201000").unwrap();
        assert_eq!(
            (warning.title.as_str(), warning.addresses.len()),
            ("warning in the kernel", 1)
        );
        let fault = of_line("fault: return addresses probe 0x400010 0x400020").unwrap();
        assert_eq!(
            (fault.binary, fault.addresses),
            ("probe", vec![0x40_0010, 0x40_0020])
        );
        assert!(of_line("panic: at kernel/src/main.rs:3").is_none());
        let hang =
            of_registers("CPU#0\nRIP=ffffffff80200064 RFL=46\nCPU#1\nRIP=0000000000400000 RFL=2\n").unwrap();
        assert_eq!(hang.addresses, [0xffff_ffff_8020_0064, 0x40_0000]);
    }

    /// The test's own binary has line tables, and a function whose address we know.
    #[test]
    fn an_address_is_told_by_function_and_line() {
        let own = std::env::current_exe().unwrap();
        let loader = Loader::new(own).unwrap();
        let bias = std::fs::read_to_string("/proc/self/maps").unwrap();
        let bias = u64::from_str_radix(bias.split('-').next().unwrap(), 16).unwrap();
        let address = of_registers as fn(&str) -> Option<Trace<'_>> as usize as u64 - bias;
        let told = place(Some(&loader), address, Path::new(env!("CARGO_MANIFEST_DIR")));
        assert!(
            told.contains("of_registers") && told.contains("symbolise.rs:"),
            "{told}"
        );
    }

    #[test]
    fn paths_are_short() {
        let root = Path::new("/home/me/selion");
        assert_eq!(
            short("/home/me/selion/kernel/src/main.rs", root),
            "kernel/src/main.rs"
        );
        assert_eq!(
            short(
                "/home/me/.cargo/registry/src/index-1f/spin-0.12/src/once.rs",
                root
            ),
            "spin-0.12/src/once.rs"
        );
        assert_eq!(
            short("/usr/src/core/src/fmt.rs", root),
            "/usr/src/core/src/fmt.rs"
        );
    }

    #[test]
    fn an_unknown_binary_leaves_addresses_as_they_are() {
        let lines = ["fault: return addresses nobody 0x400010".to_string()];
        let text = explain(&lines, None, Path::new("/"), |_| None);
        assert_eq!(text, "fault in nobody:\n  0x0000000000400010  ?\n");
    }
}
