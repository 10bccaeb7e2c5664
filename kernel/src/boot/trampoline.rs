//! What other CPUs start with: code that leads from real mode to the kernel.
//!
//! A CPU starts at a page below 1 MiB (SDM volume 3, section 8.4.3), with nothing but that page's address in
//! its code segment; the code is the same wherever it is copied to. The kernel's page table maps the page one to one, for
//! reading and executing only, and lies below 4 GiB, where CR3 can be loaded from.

use core::arch::global_asm;
use core::mem::offset_of;

use percpu_core::PAGE_SIZE;

use crate::cpu;
use crate::memory::{kernel_map, physical_pointer};

/// Where in the code's page the arguments lie.
const ARGUMENTS: usize = 0xf00;

/// 16 bits of selector behind 32 bits of offset, as a far jump reads it.
#[repr(C)]
struct FarPointer {
    offset: u32,
    selector: u32,
}

/// What the code needs to know, the same for all CPUs. The boot CPU writes it, through the physical map.
#[repr(C)]
struct Arguments {
    entry: u64,
    page_table: u32,
    /// Bits to set in EFER.
    efer: u32,
    protected: FarPointer,
    long: FarPointer,
    /// So that the base is aligned and the limit right in front of it.
    _padding: u16,
    gdt_limit: u16,
    gdt_base: u32,
}

const LONG_MODE: u32 = 1 << 8;
const NO_EXECUTE: u32 = 1 << 11;

unsafe extern "C" {
    static ap_trampoline_start: u8;
    static ap_protected: u8;
    static ap_long: u8;
    static ap_gdt: u8;
    static ap_trampoline_end: u8;
}

/// Puts the code into a page below 1 MiB that nobody else uses. CPUs go on at `entry`, on the kernel's page table.
pub fn write(page: u64, entry: u64) {
    let start = &raw const ap_trampoline_start;
    let offset = |symbol: *const u8| (symbol as u64 - start as u64) as u32;
    let length = offset(&raw const ap_trampoline_end) as usize;
    assert!(length <= ARGUMENTS, "the code fits in front of its arguments");
    let to = |symbol, selector| FarPointer {
        offset: page as u32 + offset(symbol),
        selector,
    };
    let no_execute = if cpu::features::detect().nx { NO_EXECUTE } else { 0 };
    let page_table = u32::try_from(kernel_map::kernel_root());
    let arguments = Arguments {
        entry,
        page_table: page_table.expect("it is made of the first frames, which lie below 4 GiB"),
        efer: LONG_MODE | no_execute,
        protected: to(&raw const ap_protected, 8),
        long: to(&raw const ap_long, 24),
        _padding: 0,
        gdt_limit: 31,
        gdt_base: page as u32 + offset(&raw const ap_gdt),
    };
    // SAFETY: the page is the caller's, the physical map has it, no CPU runs in it yet, and code and arguments
    // are that long.
    unsafe {
        physical_pointer(page).write_bytes(0, PAGE_SIZE as usize);
        physical_pointer(page).copy_from_nonoverlapping(start, length);
        let place = physical_pointer(page + ARGUMENTS as u64);
        place.cast::<Arguments>().write_volatile(arguments);
    }
}

global_asm!(
    r#"
    .section .rodata.trampoline, "a"
    .global ap_trampoline_start
    .global ap_protected
    .global ap_long
    .global ap_gdt
    .global ap_trampoline_end
    .code16
ap_trampoline_start:
    cli
    cld
    /* From here on ebx is where the page lies. */
    mov ax, cs
    mov ds, ax
    xor ebx, ebx
    mov bx, ax
    shl ebx, 4
    .set AP_GDTR, {gdtr}
    lgdt [AP_GDTR]
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xff, 0x2e /* jmp far dword [protected] */
    .short {protected}
    .code32
ap_protected:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov eax, [ebx + {page_table}]
    mov cr3, eax
    mov eax, 0x20
    mov cr4, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, [ebx + {efer}]
    wrmsr
    mov eax, 0x80010011
    mov cr0, eax
    .byte 0xff, 0xab /* jmp far [ebx + long] */
    .long {long}
    .code64
ap_long:
    mov ebx, ebx
    jmp [rbx + {entry}]
    .balign 8
ap_gdt: /* "Accessed" already: to say so, the CPU would write to a page that it may only read. */
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00af9b000000ffff
ap_trampoline_end:
"#,
    gdtr = const ARGUMENTS + offset_of!(Arguments, gdt_limit),
    protected = const ARGUMENTS + offset_of!(Arguments, protected),
    page_table = const ARGUMENTS + offset_of!(Arguments, page_table),
    efer = const ARGUMENTS + offset_of!(Arguments, efer),
    long = const ARGUMENTS + offset_of!(Arguments, long),
    entry = const ARGUMENTS + offset_of!(Arguments, entry),
);
