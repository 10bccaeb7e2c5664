//! What other CPUs start with: code that leads from real mode to the kernel, and a page table to do it on.
//!
//! A CPU starts at a page below 1 MiB (SDM volume 3, section 8.4.3), with nothing but that page's address in
//! its code segment; the code is the same wherever it is copied to. It needs a page table below 4 GiB, which
//! a loader may have put elsewhere: this one lies right behind the code, maps the code's page one to one, for
//! reading and executing only, and the kernel's half as the kernel's own does.

use core::arch::global_asm;
use core::mem::offset_of;

use percpu_core::PAGE_SIZE;

use crate::cpu;
use crate::memory::kernel_map;
use crate::memory::physical_pointer;
use crate::memory::table::{self, ENTRIES, PRESENT, Table};

/// The code's page, and four tables.
pub const AREA: u64 = 5 * PAGE_SIZE;
/// Where in the code's page the arguments lie.
const ARGUMENTS: usize = 0xf00;

/// 16 bits of selector behind 32 bits of offset, as a far jump reads it.
#[repr(C)]
#[derive(Default)]
struct FarPointer {
    offset: u32,
    selector: u32,
}

/// What the code needs to know, the same for all CPUs. The boot CPU writes it, through the physical map.
#[repr(C)]
#[derive(Default)]
struct Arguments {
    entry: u64,
    /// For `rax`.
    passed: u64,
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
const GDT_LIMIT: u16 = 31;

unsafe extern "C" {
    static ap_trampoline_start: u8;
    static ap_protected: u8;
    static ap_long: u8;
    static ap_gdt: u8;
    static ap_trampoline_end: u8;
}

/// The code in its place.
pub struct Trampoline {
    base: u64,
}

impl Trampoline {
    /// Puts code and page table at `base`: [`AREA`] bytes below 1 MiB that nobody else uses. CPUs go on at
    /// `entry`, with `passed`. No entry of the kernel's half changes afterwards.
    pub fn new(base: u64, entry: u64, passed: u64) -> Trampoline {
        assert!(base.is_multiple_of(PAGE_SIZE) && base + AREA <= 1 << 20);
        let trampoline = Trampoline { base };
        let start = &raw const ap_trampoline_start;
        let length = offset(&raw const ap_trampoline_end) as usize;
        assert!(length <= ARGUMENTS, "the code fits in front of its arguments");
        let arguments = physical_pointer(base + ARGUMENTS as u64).cast::<Arguments>();
        // SAFETY: the memory is the caller's, all of it mapped, no CPU runs in it yet, and code and arguments
        // are that long.
        unsafe {
            physical_pointer(base).write_bytes(0, AREA as usize);
            physical_pointer(base).copy_from_nonoverlapping(start, length);
            arguments.write_volatile(trampoline.arguments(entry, passed));
        }
        trampoline.map();
        trampoline
    }

    /// The page to name in a start-up message.
    pub fn page(&self) -> u8 {
        (self.base / PAGE_SIZE) as u8
    }

    fn arguments(&self, entry: u64, passed: u64) -> Arguments {
        let to = |symbol: *const u8, selector| FarPointer {
            offset: self.base as u32 + offset(symbol),
            selector,
        };
        let no_execute = if cpu::features::detect().nx { NO_EXECUTE } else { 0 };
        Arguments {
            entry,
            passed,
            page_table: self.table(4) as u32,
            efer: LONG_MODE | no_execute,
            protected: to(&raw const ap_protected, 8),
            long: to(&raw const ap_long, 24),
            gdt_limit: GDT_LIMIT,
            gdt_base: self.base as u32 + offset(&raw const ap_gdt),
            ..Arguments::default()
        }
    }

    /// Address of the table of a level.
    fn table(&self, level: u32) -> u64 {
        self.base + u64::from(5 - level) * PAGE_SIZE
    }

    fn map(&self) {
        // SAFETY: 1. the pages were zeroed, and are empty tables; the kernel's own table stays.
        let (tables, kernel) = unsafe {
            (
                [4, 3, 2, 1].map(|level| (level, Table::at(self.table(level)))),
                Table::at(kernel_map::kernel_root()),
            )
        };
        for (level, at) in tables {
            let next = if level == 1 {
                self.base
            } else {
                self.table(level - 1)
            };
            // SAFETY: 1. no CPU uses the tables yet, and what they map is this page.
            unsafe { at.write(table::index(self.base, level), next | PRESENT) };
        }
        for index in ENTRIES / 2..ENTRIES {
            // SAFETY: 1. as above; the kernel's half is the same for all.
            unsafe { tables[0].1.write(index, kernel.read(index)) };
        }
    }
}

/// How far into the code.
fn offset(symbol: *const u8) -> u32 {
    (symbol as u64 - (&raw const ap_trampoline_start) as u64) as u32
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
    mov rax, [rbx + {passed}]
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
    passed = const ARGUMENTS + offset_of!(Arguments, passed),
    entry = const ARGUMENTS + offset_of!(Arguments, entry),
);
