//! The boot command line: words the kernel knows, as values. Others are for init, which gets all of it.

use core::str;

use abi::window::DEFAULT_STRIDE;
use percpu_core::PAGE_SIZE;

use crate::log;
use crate::memory::kernel_map::PER_CPU_AREA_SIZE;
use crate::sync::Once;

const MAX_LENGTH: usize = 2048;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

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

/// What the command line asks of the kernel. Sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Who builds the first chunk.
    pub percpu_alloc: Builder,
    /// Groups of an embedded first chunk may lie apart by three quarters of this, at most (M4).
    pub percpu_span_limit: u64,
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
    /// Panic once the first chunk is there.
    pub panic_test: bool,
    /// End by a triple fault once the first chunk is there.
    pub triple_fault_test: bool,
    /// Stop the boot CPU after boot.
    pub hang_test: bool,
    /// Log what happens to windows.
    pub log_windows: bool,
}

const DEFAULTS: Options = Options {
    percpu_alloc: Builder::Auto,
    percpu_span_limit: PER_CPU_AREA_SIZE,
    percpu_reserve: 128 * KIB,
    percpu_dynamic: 28 * KIB,
    percpu_kernel: 16 * KIB,
    window_stride: DEFAULT_STRIDE,
    setup_test: "",
    panic_test: false,
    triple_fault_test: false,
    hang_test: false,
    log_windows: false,
};

/// A sensible upper limit: a unit this large still fits into every stride's window.
const MAX_PART: u64 = 64 * MIB;

struct Line {
    bytes: [u8; MAX_LENGTH],
    length: usize,
}

static LINE: Once<Line> = Once::new();
static OPTIONS: Once<Options> = Once::new();

/// Keeps the command line: where it lies now is no one's later. Called by the boot door, if at all.
pub fn keep(text: &[u8]) {
    LINE.call_once(|| {
        let mut line = Line {
            bytes: [0; MAX_LENGTH],
            length: text.len().min(MAX_LENGTH),
        };
        line.bytes[..line.length].copy_from_slice(&text[..line.length]);
        line
    });
}

/// The command line, up to the first byte that is not UTF-8.
#[must_use]
pub fn command_line() -> &'static str {
    let bytes = LINE.get().map_or(&[][..], |line| &line.bytes[..line.length]);
    str::from_utf8(bytes).unwrap_or_else(|error| str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or(""))
}

/// The options. Read, checked and complained about at the first call.
pub fn options() -> &'static Options {
    OPTIONS.call_once(|| {
        let mut options = DEFAULTS;
        command_line()
            .split_ascii_whitespace()
            .for_each(|word| options.take(word));
        options.check_parts();
        options
    })
}

impl Options {
    fn take(&mut self, word: &'static str) {
        match word.split_once('=') {
            Some(("percpu_alloc", value)) => self.choose_builder(value),
            Some(("setup_test", name)) => self.setup_test = name,
            Some(("percpu_span_limit", value)) => set(&mut self.percpu_span_limit, word, value, is_limit),
            Some(("percpu_reserve", value)) => set(&mut self.percpu_reserve, word, value, is_part),
            Some(("percpu_dynamic", value)) => set(&mut self.percpu_dynamic, word, value, is_part),
            Some(("percpu_kernel", value)) => set(&mut self.percpu_kernel, word, value, is_part),
            Some(("window_stride", value)) => set(&mut self.window_stride, word, value, is_stride),
            None => match word {
                "percpu_alloc" => log!("options: Malformed early option 'percpu_alloc'"),
                "panic_test" => self.panic_test = true,
                "triple_fault_test" => self.triple_fault_test = true,
                "hang_test" => self.hang_test = true,
                "log_windows" => self.log_windows = true,
                _ => {}
            },
            Some(_) => {}
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

    /// The kernel's part must leave a page of the dynamic part to programs.
    fn check_parts(&mut self) {
        self.percpu_dynamic = self.percpu_dynamic.max(percpu_core::DYNAMIC_EARLY_SIZE);
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

fn set(slot: &mut u64, word: &str, value: &str, accept: fn(u64) -> Option<u64>) {
    match size(value).and_then(accept) {
        Some(size) => *slot = size,
        None => log!("options: {word} makes no sense, default {slot}"),
    }
}

/// Parts end at page borders.
fn is_part(size: u64) -> Option<u64> {
    (1..=MAX_PART)
        .contains(&size)
        .then(|| size.next_multiple_of(PAGE_SIZE))
}

fn is_limit(size: u64) -> Option<u64> {
    (size > 0).then_some(size)
}

fn is_stride(size: u64) -> Option<u64> {
    (size.is_power_of_two() && (2 * MIB..=1024 * MIB).contains(&size)).then_some(size)
}

/// A number, decimal or `0x…`, with K, M or G behind it.
fn size(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let number = match digits.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => digits.parse(),
    };
    number.ok()?.checked_mul(1 << shift)
}
