//! Does one forbidden thing, named by its argument, and should not survive it.
//!
//! `probe-fault:kernel-read`, or with an address of its own: `probe-fault:kernel-read=0xffff800000000000`.
#![no_std]
#![no_main]

#[expect(unsafe_code, reason = "forbidden instructions and accesses are the purpose")]
mod forbidden;

use userlib::abi::window::WINDOW_BASE;
use userlib::{entry, println, start};

entry!(main);

/// An address of the kernel: where its image begins.
const KERNEL: u64 = 0xffff_ffff_8020_0000;
/// Where other programs have their static part, and this one has nothing.
const OTHERS_STATICS: u64 = 0x1000;

/// Exit code of a program that has survived.
const SURVIVED: u64 = 1;
/// Exit code for an argument without meaning.
const UNKNOWN: u64 = 2;

fn main() -> u64 {
    let (kind, number) = match start::argument().split_once('=') {
        Some((kind, number)) => (kind, parse(number)),
        None => (start::argument(), None),
    };
    println!("probe-fault: {kind}");
    match kind {
        "kernel-read" => forbidden::read(number.unwrap_or(KERNEL)),
        "kernel-write" => forbidden::write(number.unwrap_or(KERNEL)),
        "kernel-execute" => forbidden::execute(number.unwrap_or(KERNEL)),
        "other-window" => forbidden::read_in_window(number.unwrap_or(OTHERS_STATICS)),
        "other-window-write" => forbidden::write_in_window(number.unwrap_or(OTHERS_STATICS)),
        "header-write" => forbidden::write(number.unwrap_or(WINDOW_BASE)),
        "unmapped" => forbidden::read(number.unwrap_or(0x10)),
        "write-text" => forbidden::write(main as *const () as u64),
        "execute-stack" => forbidden::execute(&raw const number as u64),
        "stack-overflow" => forbidden::overflow_stack(),
        "non-canonical" => forbidden::read(number.unwrap_or(0x8000_0000_0000)),
        "privileged" => forbidden::privileged(number.unwrap_or(0)),
        "undefined" => forbidden::undefined(),
        "alignment-flag" => forbidden::undefined_with_ac(),
        "single-step" => forbidden::single_step(),
        "x87" => forbidden::x87(),
        "panic" => panic!("as the argument asks"),
        "exit" => return number.unwrap_or(0),
        _ => {
            println!("probe-fault: no such kind");
            return UNKNOWN;
        }
    }
    println!("probe-fault: survived");
    SURVIVED
}

/// A number in hexadecimal behind `0x`, or in decimal.
fn parse(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
