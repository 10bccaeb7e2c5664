//! Last words: what happened, on which CPU, with which registers, called from where.
//!
//! A panic is a broken invariant of the kernel itself. Return addresses are printed raw, with the line that
//! turns them into names; the launcher does it by itself.

use core::arch::asm;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;

use crate::boot::first_chunk;
use crate::console::print_last_words;
use crate::cpu::frame::Frame;
use crate::debug_exit::{self, Verdict};
use crate::fault::PAGE_FAULT;
use crate::memory::PHYSICAL_OFFSET;

static PANICKED: AtomicBool = AtomicBool::new(false);
const MAX_DEPTH: usize = 24;
/// In the order in which a frame names them.
const REGISTERS: [&str; 15] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
];

// Where lints run, std has the one panic handler.
#[cfg_attr(target_os = "none", panic_handler)]
#[cfg_attr(
    not(target_os = "none"),
    expect(dead_code, reason = "only the bare-metal build calls it")
)]
fn panic(info: &PanicInfo<'_>) -> ! {
    if PANICKED.swap(true, Ordering::SeqCst) {
        // A second CPU, or a panic within a panic: the first one's words are enough.
        debug_exit::halt();
    }
    print_last_words(format_args!("kernel panic: {info}\n"));
    print_registers();
    print_return_addresses("panic", frame_pointer());
    debug_exit::end(Verdict::Panic)
}

/// An exception in kernel mode: prints the registers that it came with, then panics.
pub fn on_exception(frame: &Frame) -> ! {
    let (vector, error, rip) = (frame.vector, frame.error, frame.rip);
    print_last_words(format_args!(
        "exception {vector} in kernel mode, error {error:#x}, rip {rip:#x} rsp {:#x} rflags {:#x}",
        frame.rsp, frame.rflags
    ));
    for (index, (name, value)) in REGISTERS.iter().zip(frame.all().general).enumerate() {
        let between = if index % 4 == 0 { "\n" } else { " " };
        print_last_words(format_args!("{between}{name:3} {value:#018x}"));
    }
    print_last_words(format_args!("\n"));
    if vector == PAGE_FAULT {
        print_fault_address(crate::cpu::fault_address());
    }
    print_return_addresses("panic", frame.rbp);
    panic!("exception {vector} at {rip:#x}");
}

/// A stray pointer into another CPU's memory is told as what it is.
fn print_fault_address(address: u64) {
    match first_chunk::percpu_address(address) {
        Some(found) => print_last_words(format_args!(
            "panic: {address:#x} is a per-CPU variable of cpu {}, {:#x} on the boot CPU\n",
            found.cpu, found.canonical
        )),
        None => match first_chunk::per_cpu_ptr_to_phys(address) {
            Some(physical) => print_last_words(format_args!(
                "panic: {address:#x} is per-CPU memory, physical {physical:#x}\n"
            )),
            None => print_last_words(format_args!("panic: page fault at {address:#x}\n")),
        },
    }
}

fn print_registers() {
    let (rsp, cr0, cr2, cr3, cr4): (u64, u64, u64, u64, u64);
    // SAFETY: reading these registers changes nothing.
    unsafe {
        asm!("mov {}, rsp", "mov {}, cr0", "mov {}, cr2", "mov {}, cr3", "mov {}, cr4",
            out(reg) rsp, out(reg) cr0, out(reg) cr2, out(reg) cr3, out(reg) cr4);
    }
    let gs = crate::cpu::gs::read();
    print_last_words(format_args!(
        "panic: rsp {rsp:#x} gs {gs:#x} cr0 {cr0:#x} cr2 {cr2:#x} cr3 {cr3:#x} cr4 {cr4:#x}\n"
    ));
}

fn frame_pointer() -> u64 {
    let rbp: u64;
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) rbp) };
    rbp
}

/// Says who called, for a warning after which everything goes on.
pub fn print_stack() {
    print_return_addresses("warning", frame_pointer());
}

fn print_return_addresses(what: &str, rbp: u64) {
    print_last_words(format_args!("{what}: return addresses"));
    let mut addresses = ArrayVec::<u64, MAX_DEPTH>::new();
    for address in return_addresses(rbp, saved_pair).take(MAX_DEPTH) {
        print_last_words(format_args!(" {address:#x}"));
        addresses.push(address);
    }
    print_last_words(format_args!(
        "\nsymbolise: addr2line -fpiCe target/bare/x86_64-unknown-none/release/kernel"
    ));
    for address in addresses {
        print_last_words(format_args!(" {address:#x}"));
    }
    print_last_words(format_args!("\n"));
}

/// The addresses that a chain of frame pointers leads to, from the innermost on. `pair` reads what lies at a frame
/// pointer: the next one, and an address.
pub fn return_addresses(rbp: u64, pair: impl Fn(u64) -> Option<[u64; 2]>) -> impl Iterator<Item = u64> {
    let mut at = Some(rbp);
    core::iter::from_fn(move || {
        let rbp = at?;
        let [next, address] = pair(rbp)?;
        // Callers' frames lie above.
        at = (next > rbp).then_some(next);
        (address != 0).then_some(address)
    })
}

/// The pair at a frame pointer of the kernel's.
fn saved_pair(rbp: u64) -> Option<[u64; 2]> {
    let is_kernels = |address: u64| address >= PHYSICAL_OFFSET;
    if !is_kernels(rbp) || !rbp.is_multiple_of(8) {
        return None;
    }
    // SAFETY: frame pointers are on (compiler flag), so rbp points to a saved pair in a kernel stack; a
    // wrong one faults, and the fault's panic stops at PANICKED.
    let [next, address] = unsafe { *(rbp as *const [u64; 2]) };
    is_kernels(address).then_some([next, address])
}
