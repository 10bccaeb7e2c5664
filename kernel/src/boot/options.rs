//! The boot command line: words the kernel knows, as values. Others are for init, which gets all of it.

mod line;
mod size;

use abi::window::DEFAULT_STRIDE;

pub use line::{command_line, keep};

use crate::log;
use crate::memory::kernel_map::PER_CPU_AREA_SIZE;
use crate::sync::Once;
use size::Rule;

const KIB: u64 = 1 << 10;

/// Who builds the first chunk (D1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Builder {
    /// Nothing was asked for: embed if that works.
    Auto,
    /// Embed if that works.
    Embed,
    /// Single pages.
    Page,
    /// Nothing to build: one CPU, and the template is its copy. Linux decides this when it is compiled.
    Up,
}

impl Builder {
    /// Linux's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Builder::Auto => "auto",
            Builder::Embed => "embed",
            Builder::Page => "page",
            Builder::Up => "up",
        }
    }
}

/// How the first chunk is set up. Linux decides this when it is compiled, by architecture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Setup {
    /// As on x86: large-page atoms, groups by node, memory of each CPU's node; single pages if that fails.
    X86,
    /// As where nothing is known of nodes (D9): one group in page atoms, memory from anywhere.
    Generic,
}

/// Which distances between CPUs make groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Distance {
    /// 10 on one node, 20 otherwise, as Linux does on x86 (T2).
    Node,
    /// What the SLIT says.
    Slit,
}

/// What the command line asks of the kernel. Sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Who builds the first chunk.
    pub percpu_alloc: Builder,
    /// How it is set up.
    pub percpu_setup: Setup,
    /// Which distances make groups.
    pub percpu_distance: Distance,
    /// Groups of an embedded first chunk may lie apart by three quarters of this, at most (M4).
    pub percpu_span_limit: u64,
    /// Static part of each unit, at least; behind the template it is zero. For tests of large ones.
    pub percpu_static: u64,
    /// Reserved part of each unit: static parts of programs. Linux has 8 KiB; page-grained parts need more.
    pub percpu_reserve: u64,
    /// Dynamic part of each unit, at least. Linux's default.
    pub percpu_dynamic: u64,
    /// How much of the dynamic part the kernel keeps for itself.
    pub percpu_kernel: u64,
    /// From one unit of a window to the next.
    pub window_stride: u64,
    /// Which check of the first chunk is to fail; none if empty.
    pub setup_test: &'static str,
    /// Log what Linux logs at debug level too.
    pub debug: bool,
    /// Log the first chunk for programs to read.
    pub facts: bool,
    /// End well once the first chunk is there.
    pub first_chunk_only: bool,
    /// Panic once the first chunk is there.
    pub panic_test: bool,
    /// End by a triple fault once the first chunk is there.
    pub triple_fault_test: bool,
    /// Stop the boot CPU after boot.
    pub hang_test: bool,
    /// Log what happens to windows.
    pub log_windows: bool,
    /// Check uses of per-CPU data that come too early or go nowhere, and tell them with their callers.
    pub percpu_debug: bool,
    /// Which misuse of the map from CPUs to nodes is to happen; none if empty.
    pub node_test: &'static str,
    /// How locks are to be misused; not at all if empty.
    pub lock_test: &'static str,
    /// Which of firmware's tables is to be damaged before it is read; none if empty.
    pub root_test: &'static str,
    /// A CPU that is to stop before it reports.
    pub silent_cpu: Option<u16>,
    /// How many milliseconds may pass without a CPU that reports.
    pub cpu_patience: u64,
}

const DEFAULTS: Options = Options {
    percpu_alloc: Builder::Auto,
    percpu_setup: Setup::X86,
    percpu_distance: Distance::Node,
    percpu_span_limit: PER_CPU_AREA_SIZE,
    percpu_static: 0,
    percpu_reserve: 128 * KIB,
    percpu_dynamic: 28 * KIB,
    percpu_kernel: 16 * KIB,
    window_stride: DEFAULT_STRIDE,
    setup_test: "",
    debug: false,
    facts: false,
    first_chunk_only: false,
    panic_test: false,
    triple_fault_test: false,
    hang_test: false,
    log_windows: false,
    percpu_debug: false,
    node_test: "",
    lock_test: "",
    root_test: "",
    silent_cpu: None,
    // Emulated CPUs share the host's cores: generous.
    cpu_patience: 20_000,
};

static OPTIONS: Once<Options> = Once::new();

/// The options. Read, checked and complained about at the first call.
pub fn options() -> &'static Options {
    OPTIONS.call_once(|| {
        if let Some((read, said)) = line::cut() {
            log!("options: {read} of {said} bytes are read: at most 2048, in UTF-8, and whole words");
        }
        let mut options = DEFAULTS;
        command_line()
            .split_ascii_whitespace()
            .for_each(|word| options.take(word));
        options.check_builder();
        options.check_parts();
        options
    })
}

impl Options {
    fn take(&mut self, word: &'static str) {
        match word.split_once('=') {
            Some((name, value)) => self.set(name, value),
            None => self.switch(word),
        }
    }

    fn set(&mut self, name: &str, value: &'static str) {
        match name {
            "percpu_alloc" => self.choose_builder(value),
            "percpu_setup" => choose(&mut self.percpu_setup, name, value, &SETUPS),
            "percpu_distance" => choose(&mut self.percpu_distance, name, value, &DISTANCES),
            "percpu_span_limit" => number(&mut self.percpu_span_limit, name, value, size::LIMIT),
            "percpu_static" => number(&mut self.percpu_static, name, value, size::PART),
            "percpu_reserve" => number(&mut self.percpu_reserve, name, value, size::PART),
            "percpu_dynamic" => number(&mut self.percpu_dynamic, name, value, size::SOME_PART),
            "percpu_kernel" => number(&mut self.percpu_kernel, name, value, size::SOME_PART),
            "window_stride" => number(&mut self.window_stride, name, value, size::STRIDE),
            "setup_test" => self.setup_test = value,
            "node_test" => self.node_test = value,
            "lock_test" => self.lock_test = value,
            "root_test" => self.root_test = value,
            "silent_cpu" => self.choose_silent_cpu(value),
            "cpu_patience" => number(&mut self.cpu_patience, name, value, size::LIMIT),
            _ if SWITCHES.contains(&name) => log!("options: {name} takes no value, {name}={value} ignored"),
            // Words without our prefix may be init's.
            _ if name.starts_with("percpu_") => log!("options: unknown option {name}, ignored"),
            _ => {}
        }
    }

    fn switch(&mut self, word: &str) {
        match word {
            "percpu_alloc" => log!("options: Malformed early option 'percpu_alloc'"),
            "debug" => self.debug = true,
            "facts" => self.facts = true,
            "first_chunk_only" => self.first_chunk_only = true,
            "panic_test" => self.panic_test = true,
            "triple_fault_test" => self.triple_fault_test = true,
            "hang_test" => self.hang_test = true,
            "log_windows" => self.log_windows = true,
            "percpu_debug" => self.percpu_debug = true,
            _ if VALUES.contains(&word) => log!("options: {word} needs a value, ignored"),
            _ if word.starts_with("percpu_") => log!("options: unknown option {word}, ignored"),
            _ => {}
        }
    }

    /// What is unknown changes nothing (D1).
    fn choose_builder(&mut self, name: &str) {
        match name {
            "embed" => self.percpu_alloc = Builder::Embed,
            "page" => self.percpu_alloc = Builder::Page,
            "up" => self.percpu_alloc = Builder::Up,
            _ => log!("percpu: unknown allocator {name} specified"),
        }
    }

    fn choose_silent_cpu(&mut self, number: &str) {
        match number.parse() {
            Ok(number) => self.silent_cpu = Some(number),
            Err(_) => log!("options: silent_cpu={number} is no CPU, every CPU reports"),
        }
    }

    /// The generic set-up has no page mode, as Linux where none is compiled in.
    fn check_builder(&mut self) {
        if (self.percpu_setup, self.percpu_alloc) == (Setup::Generic, Builder::Page) {
            log!("percpu: unknown allocator page specified");
            self.percpu_alloc = Builder::Auto;
        }
    }

    /// The kernel's part must leave a page of the dynamic part to programs.
    fn check_parts(&mut self) {
        if self.percpu_dynamic < percpu_core::DYNAMIC_EARLY_SIZE {
            let least = percpu_core::DYNAMIC_EARLY_SIZE;
            log!(
                "options: percpu_dynamic={} is less than Linux's least, {least}",
                self.percpu_dynamic
            );
            self.percpu_dynamic = least;
        }
        if self.percpu_kernel >= self.percpu_dynamic {
            log!(
                "options: percpu_kernel={} leaves nothing of percpu_dynamic={}, default {}",
                self.percpu_kernel,
                self.percpu_dynamic,
                DEFAULTS.percpu_kernel
            );
            self.percpu_kernel = DEFAULTS.percpu_kernel;
        }
    }
}

/// Words that stand alone.
const SWITCHES: [&str; 8] = [
    "debug",
    "facts",
    "first_chunk_only",
    "panic_test",
    "triple_fault_test",
    "hang_test",
    "log_windows",
    "percpu_debug",
];
/// Words that do not.
const VALUES: [&str; 9] = [
    "percpu_setup",
    "percpu_distance",
    "percpu_span_limit",
    "percpu_static",
    "percpu_reserve",
    "percpu_dynamic",
    "percpu_kernel",
    "window_stride",
    "cpu_patience",
];
const SETUPS: [(&str, Setup); 2] = [("x86", Setup::X86), ("generic", Setup::Generic)];
const DISTANCES: [(&str, Distance); 2] = [("node", Distance::Node), ("slit", Distance::Slit)];

fn choose<T: Copy>(slot: &mut T, name: &str, value: &str, choices: &[(&str, T); 2]) {
    match choices.iter().find(|(choice, _)| *choice == value) {
        Some((_, chosen)) => *slot = *chosen,
        None => log!(
            "options: {name}={value} makes no sense: {} or {}",
            choices[0].0,
            choices[1].0
        ),
    }
}

fn number(slot: &mut u64, name: &str, value: &str, rule: Rule) {
    match size::size(value).filter(|number| (rule.accepts)(*number)) {
        Some(number) => *slot = number,
        None => log!(
            "options: {name}={value} makes no sense: {}; default {slot}",
            rule.words
        ),
    }
}
