//! Which values options may have. Whatever makes no sense is told, and changes nothing.

use percpu_core::PAGE_SIZE;

use super::{Builder, Distance, Setup};
use crate::log;

const MIB: u64 = 1 << 20;

/// A sensible upper limit: with more there would be no machine that has it for every CPU.
const MAX_PART: u64 = 64 * MIB;

/// A word of the command line: `name`, or `name=value`.
pub struct Word {
    pub name: &'static str,
    pub value: Option<&'static str>,
}

impl Word {
    /// For options that need a value.
    fn value(&self) -> Option<&'static str> {
        if self.value.is_none() {
            log!("options: {} needs a value, ignored", self.name);
        }
        self.value
    }
}

/// Stands alone.
pub fn switch(slot: &mut bool, word: Word) {
    match word.value {
        None => *slot = true,
        Some(value) => log!("options: {0} takes no value, {0}={value} ignored", word.name),
    }
}

/// Anything.
pub fn text(slot: &mut &'static str, word: Word) {
    *slot = word.value().unwrap_or(*slot);
}

/// What is unknown changes nothing (D1). In Linux's words.
pub fn builder(slot: &mut Builder, word: Word) {
    let Some(name) = word.value else {
        return log!("options: Malformed early option '{}'", word.name);
    };
    match [Builder::Embed, Builder::Page, Builder::Up]
        .iter()
        .find(|builder| builder.name() == name)
    {
        Some(builder) => *slot = *builder,
        None => log!("percpu: unknown allocator {name} specified"),
    }
}

pub fn setup(slot: &mut Setup, word: Word) {
    choose(slot, word, [("x86", Setup::X86), ("generic", Setup::Generic)]);
}

pub fn distance(slot: &mut Distance, word: Word) {
    choose(slot, word, [("node", Distance::Node), ("slit", Distance::Slit)]);
}

fn choose<T: Copy>(slot: &mut T, word: Word, choices: [(&str, T); 2]) {
    let Some(value) = word.value() else { return };
    let [(first, _), (second, _)] = choices;
    match choices.iter().find(|(name, _)| *name == value) {
        Some((_, chosen)) => *slot = *chosen,
        None => log!(
            "options: {}={value} makes no sense: {first} or {second}",
            word.name
        ),
    }
}

pub fn cpu(slot: &mut Option<u16>, word: Word) {
    let Some(value) = word.value() else { return };
    match value.parse() {
        Ok(number) => *slot = Some(number),
        Err(_) => log!("options: {}={value} is no CPU, every CPU reports", word.name),
    }
}

/// Parts of a unit end at page borders.
pub fn part(slot: &mut u64, word: Word) {
    let fits = |size: u64| size.is_multiple_of(PAGE_SIZE) && size <= MAX_PART;
    number(slot, word, "a multiple of 4096, at most 64M", fits);
}

/// A part that must be there.
pub fn some_part(slot: &mut u64, word: Word) {
    let fits = |size: u64| size > 0 && size.is_multiple_of(PAGE_SIZE) && size <= MAX_PART;
    number(slot, word, "a multiple of 4096, from 4K to 64M", fits);
}

pub fn limit(slot: &mut u64, word: Word) {
    number(slot, word, "at least 1", |size| size > 0);
}

/// From one unit of a window to the next.
pub fn stride(slot: &mut u64, word: Word) {
    let fits = |size: u64| size.is_power_of_two() && (2 * MIB..=1024 * MIB).contains(&size);
    number(slot, word, "a power of two from 2M to 1G", fits);
}

fn number(slot: &mut u64, word: Word, rule: &str, fits: fn(u64) -> bool) {
    let Some(value) = word.value() else { return };
    match size(value).filter(|number| fits(*number)) {
        Some(number) => *slot = number,
        None => log!(
            "options: {}={value} makes no sense: {rule}; default {slot}",
            word.name
        ),
    }
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
