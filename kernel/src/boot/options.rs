//! The boot command line: words the kernel knows, as values. Others are for init, which gets all of it.

mod line;
mod value;

use abi::window::DEFAULT_STRIDE;

pub use line::{command_line, keep};

use crate::log;
use crate::memory::kernel_map::PER_CPU_AREA_SIZE;
use crate::sync::Once;
use value::Word;

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

macro_rules! options {
    ($($(#[doc = $doc:literal])+ $name:ident: $type:ty = $default:expr, $read:ident;)+) => {
        /// What the command line asks of the kernel. Sizes in bytes.
        #[derive(Clone, Copy, Debug)]
        pub struct Options {
            $($(#[doc = $doc])+ pub $name: $type,)+
        }

        const DEFAULTS: Options = Options { $($name: $default,)+ };

        impl Options {
            fn take(&mut self, word: Word) {
                match word.name {
                    $(stringify!($name) => value::$read(&mut self.$name, word),)+
                    // Words without our prefix may be init's.
                    name if name.starts_with("percpu_") => log!("options: unknown option {name}, ignored"),
                    _ => {}
                }
            }
        }
    };
}

// Each option: its type, its default, and what in `value` reads it.
options! {
    /// Who builds the first chunk.
    percpu_alloc: Builder = Builder::Auto, builder;
    /// How it is set up.
    percpu_setup: Setup = Setup::X86, setup;
    /// Which distances make groups.
    percpu_distance: Distance = Distance::Node, distance;
    /// Groups of an embedded first chunk may lie apart by three quarters of this, at most (M4).
    percpu_span_limit: u64 = PER_CPU_AREA_SIZE, limit;
    /// Static part of each unit, at least; behind the template it is zero. For tests of large ones.
    percpu_static: u64 = 0, part;
    /// Reserved part of each unit: static parts of programs. Linux has 8 KiB; page-grained parts need more.
    percpu_reserve: u64 = 128 * KIB, part;
    /// Dynamic part of each unit, at least. Linux's default.
    percpu_dynamic: u64 = 28 * KIB, some_part;
    /// How much of the dynamic part the kernel keeps for itself.
    percpu_kernel: u64 = 16 * KIB, some_part;
    /// From one unit of a window to the next.
    window_stride: u64 = DEFAULT_STRIDE, stride;
    /// Which check of the first chunk is to fail; none if empty.
    setup_test: &'static str = "", text;
    /// Log what Linux logs at debug level too.
    debug: bool = false, switch;
    /// Log the first chunk for programs to read.
    facts: bool = false, switch;
    /// End well once the first chunk is there.
    first_chunk_only: bool = false, switch;
    /// Panic once the first chunk is there.
    panic_test: bool = false, switch;
    /// End by a triple fault once the first chunk is there.
    triple_fault_test: bool = false, switch;
    /// Stop the boot CPU after boot.
    hang_test: bool = false, switch;
    /// Log what happens to windows.
    log_windows: bool = false, switch;
    /// Check uses of per-CPU data that come too early or go nowhere, and tell them with their callers.
    percpu_debug: bool = false, switch;
    /// Which misuse of the map from CPUs to nodes is to happen; none if empty.
    node_test: &'static str = "", text;
    /// How locks are to be misused; not at all if empty.
    lock_test: &'static str = "", text;
    /// Which of firmware's tables is to be damaged before it is read; none if empty.
    root_test: &'static str = "", text;
    /// A CPU that is to stop before it reports.
    silent_cpu: Option<u16> = None, cpu;
    /// How many milliseconds may pass without a CPU that reports. Emulated CPUs share the host's cores: generous.
    cpu_patience: u64 = 20_000, limit;
}

static OPTIONS: Once<Options> = Once::new();

/// The options. Read, checked and complained about at the first call.
pub fn options() -> &'static Options {
    OPTIONS.call_once(|| {
        if let Some((read, said)) = line::cut() {
            log!("options: {read} of {said} bytes are read: at most 2048, in UTF-8, and whole words");
        }
        let mut options = DEFAULTS;
        for word in command_line().split_ascii_whitespace() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            options.take(Word { name, value });
        }
        options.check_builder();
        options.check_parts();
        options
    })
}

impl Options {
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
