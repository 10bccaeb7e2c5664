//! How a program starts and ends: `_start`, the start page, and what a panic does.

use core::arch::naked_asm;
use core::fmt::Display;
use core::panic::PanicInfo;
use core::ptr::with_exposed_provenance;

use abi::start::{
    ARGUMENT_BYTES, ARGUMENT_OFFSET, MODULE_ADDRESS, NAME_BYTES, NAME_OFFSET, START_INFO_ADDRESS,
    START_WORDS, StartInfo,
};

use crate::backtrace::Backtrace;
use crate::{println, process};

/// Exit code of a program that panicked.
pub const PANIC_CODE: u64 = 101;
/// Exit code of a program whose start page makes no sense.
pub const BAD_START_CODE: u64 = 102;

unsafe extern "Rust" {
    /// What `entry!` makes of the program's main function.
    safe fn selion_main() -> u64;
}

/// The first instruction: ends the chain of frames, aligns the stack, goes on in Rust.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "xor ebp, ebp",
        "and rsp, -16",
        "call {run}",
        "ud2",
        run = sym run,
    )
}

extern "C" fn run() -> ! {
    if decode().is_none() {
        process::exit(BAD_START_CODE);
    }
    process::exit(selion_main())
}

/// Names the program's main function: `fn()`, `fn() -> u64` (an exit code), or `fn() -> Result<_, E>`.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        const _: () = {
            #[allow(
                unsafe_code,
                reason = "the symbol that userlib's start calls; once in each program"
            )]
            #[unsafe(no_mangle)]
            fn selion_main() -> u64 {
                $crate::start::Ending::code($main())
            }
        };
    };
}

/// What a main function may return.
pub trait Ending {
    /// The exit code; 0 is success. Says why it is not, where that is known.
    fn code(self) -> u64;
}

impl Ending for () {
    fn code(self) -> u64 {
        0
    }
}

impl Ending for u64 {
    fn code(self) -> u64 {
        self
    }
}

impl<T: Ending, E: Display> Ending for Result<T, E> {
    fn code(self) -> u64 {
        match self {
            Ok(ending) => ending.code(),
            Err(error) => {
                println!("{}: {error}", name());
                1
            }
        }
    }
}

/// What this program was given.
///
/// # Panics
/// Never in a program that has started: `_start` has read the same page.
#[must_use]
pub fn info() -> StartInfo {
    decode().expect("_start has read the same page")
}

fn decode() -> Option<StartInfo> {
    let page = with_exposed_provenance::<[u64; START_WORDS]>(START_INFO_ADDRESS as usize);
    // SAFETY: whoever made this process has mapped the page, aligned, read-only and for as long as it lives.
    StartInfo::decode(unsafe { &*page }).ok()
}

/// The program's name.
#[must_use]
pub fn name() -> &'static str {
    text(NAME_OFFSET, info().name_bytes, NAME_BYTES)
}

/// The argument text; for init the kernel's command line.
#[must_use]
pub fn argument() -> &'static str {
    text(ARGUMENT_OFFSET, info().argument_bytes, ARGUMENT_BYTES)
}

fn text(offset: usize, bytes: u64, most: usize) -> &'static str {
    let length = usize::try_from(bytes).map_or(0, |bytes| bytes.min(most));
    let start = with_exposed_provenance::<u8>(START_INFO_ADDRESS as usize + offset);
    // SAFETY: `offset + most` is within the start page, which is mapped read-only as long as the process lives.
    let bytes = unsafe { core::slice::from_raw_parts(start, length) };
    core::str::from_utf8(bytes).unwrap_or("")
}

/// The boot module, which only init has; empty elsewhere.
#[must_use]
pub fn boot_module() -> &'static [u8] {
    let length = info().handover.module_bytes as usize;
    let module = with_exposed_provenance::<u8>(MODULE_ADDRESS as usize);
    match length {
        0 => &[],
        // SAFETY: the kernel has mapped that many bytes there, read-only and for as long as init lives.
        _ => unsafe { core::slice::from_raw_parts(module, length) },
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("panic: program {}: {}", name(), info.message());
    if let Some(place) = info.location() {
        println!("panic: at {place}");
    }
    // The launcher expects the place itself first, then return addresses.
    let place = panic as *const () as usize;
    println!(
        "fault: return addresses {} {place:#x}{}",
        name(),
        Backtrace::here()
    );
    process::exit(PANIC_CODE)
}
