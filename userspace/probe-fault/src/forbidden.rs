//! The forbidden things. None of these functions is safe for the program, which is why it exists: the kernel
//! has to end it at the named instruction, before anything happens. Everything is done in assembly, so that
//! the compiler assumes nothing of the addresses.

use core::arch::asm;

/// Reads an address.
pub fn read(address: u64) {
    // SAFETY: faults, or reads a byte that nobody uses.
    unsafe {
        asm!("mov {out}, byte ptr [{at}]", at = in(reg) address, out = lateout(reg_byte) _, options(nostack))
    }
}

/// Writes to an address.
pub fn write(address: u64) {
    // SAFETY: faults; surviving it is what the program reports, and then it ends.
    unsafe { asm!("mov byte ptr [{at}], 1", at = in(reg) address, options(nostack)) }
}

/// Reads at an offset of this CPU's unit.
pub fn read_in_window(offset: u64) {
    // SAFETY: faults, or reads a byte that nobody uses.
    unsafe {
        asm!("mov {out}, byte ptr gs:[{at}]", at = in(reg) offset, out = lateout(reg_byte) _, options(nostack))
    }
}

/// Writes at an offset of this CPU's unit.
pub fn write_in_window(offset: u64) {
    // SAFETY: faults; surviving it is what the program reports, and then it ends.
    unsafe { asm!("inc byte ptr gs:[{at}]", at = in(reg) offset, options(nostack)) }
}

/// Jumps to an address. What is there comes back by `ret`, if it is executed at all.
pub fn execute(address: u64) {
    // SAFETY: faults; surviving it is what the program reports, and then it ends.
    unsafe { asm!("call {at}", at = in(reg) address, clobber_abi("C")) }
}

/// Pushes until the stack ends, at the guard page below it.
pub fn overflow_stack() {
    // SAFETY: never comes back; below the stack lies an unmapped page, where it ends.
    unsafe { asm!("2:", "push rax", "jmp 2b", options(noreturn)) }
}

/// An instruction that only the kernel may execute: `cli`, `hlt`, `in`, a read of CR3, or `wrmsr`.
pub fn privileged(which: u64) {
    // SAFETY: each faults; surviving it is what the program reports, and then it ends.
    unsafe {
        match which {
            0 => asm!("cli"),
            1 => asm!("hlt"),
            2 => asm!("in al, 0x60", out("al") _),
            3 => asm!("mov {}, cr3", out(reg) _),
            _ => asm!("wrmsr", in("ecx") 0xc000_0101u32, in("eax") 0, in("edx") 0),
        }
    }
}

/// No instruction at all, after the flag that switches SMAP off was set for longer than several time slices.
pub fn undefined_with_ac() {
    // SAFETY: faults; there is no way to survive it. Nothing in between is aligned or not.
    unsafe {
        asm!(
            "pushfq",
            "or qword ptr [rsp], 0x40000",
            "popfq",
            "mov ecx, 5000000",
            "2: dec ecx",
            "jnz 2b",
            "ud2",
            out("ecx") _,
        )
    }
}

/// No instruction at all.
pub fn undefined() {
    // SAFETY: faults; there is no way to survive it.
    unsafe { asm!("ud2") }
}

/// Asks for a debug exception after the next instruction.
pub fn single_step() {
    // SAFETY: faults; surviving it is what the program reports, and then it ends.
    unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop") }
}

/// A division by zero that the x87 was told to report.
pub fn x87() {
    let control: u16 = 0x37f & !4;
    // SAFETY: faults; surviving it is what the program reports, and then it ends.
    unsafe {
        asm!("fldcw [{}]", "fld1", "fldz", "fdivp", "fwait", in(reg) &raw const control, options(nostack))
    }
}
