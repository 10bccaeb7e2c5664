//! Sizes on the command line: which words are numbers, and which numbers make sense.

use percpu_core::PAGE_SIZE;

const MIB: u64 = 1 << 20;

/// A sensible upper limit: with more there would be no machine that has it for every CPU.
const MAX_PART: u64 = 64 * MIB;

/// What a number must be, beside being one.
#[derive(Clone, Copy)]
pub struct Rule {
    /// In words, for whoever broke it.
    pub words: &'static str,
    /// Whether a number keeps it.
    pub accepts: fn(u64) -> bool,
}

/// Parts of a unit end at page borders.
pub const PART: Rule = Rule {
    words: "a multiple of 4096, at most 64M",
    accepts: |size| size.is_multiple_of(PAGE_SIZE) && size <= MAX_PART,
};

/// A part that must be there.
pub const SOME_PART: Rule = Rule {
    words: "a multiple of 4096, from 4K to 64M",
    accepts: |size| size > 0 && (PART.accepts)(size),
};

/// A range of addresses.
pub const LIMIT: Rule = Rule {
    words: "at least 1",
    accepts: |size| size > 0,
};

/// From one unit of a window to the next.
pub const STRIDE: Rule = Rule {
    words: "a power of two from 2M to 1G",
    accepts: |size| size.is_power_of_two() && (2 * MIB..=1024 * MIB).contains(&size),
};

/// A number, decimal or `0x…`, with K, M or G behind it.
pub fn size(text: &str) -> Option<u64> {
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
