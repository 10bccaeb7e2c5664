//! Starts the other CPUs, one after the other, and counts who reported.
//!
//! INIT, then two start-up messages (SDM volume 3, section 8.4.4.1). A CPU begins in real mode in the
//! trampoline page, reaches long mode on the boot page table, and jumps to the kernel, where its first Rust
//! statement installs its GS base. One that does not report in time is named and left out: it stays
//! possible.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use percpu_core::CpuId;

use super::firmware;
use crate::cpu::{self, apic, tables};
use crate::memory::{self, kernel_map};
use crate::{log, schedule};

/// Where the trampoline is copied: below 1 MiB, which no one else uses.
const TRAMPOLINE: u64 = 0x8000;
/// Its arguments: boot page table, kernel page table, stack, entry, CPU number, no-execute.
const ARGUMENTS: u64 = TRAMPOLINE + 0xf00;
/// How long a CPU may take to report. Emulated CPUs share the host's cores: generous.
const PATIENCE_MILLISECONDS: u32 = 20_000;

static ONLINE: [AtomicU64; abi::MAX_CPUS / 64] = [const { AtomicU64::new(0) }; abi::MAX_CPUS / 64];
static ONLINE_COUNT: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" {
    static ap_trampoline_start: u8;
    static ap_trampoline_end: u8;
    static boot_pml4_physical: u8;
    fn ap_entry64();
}

/// Whether `cpu` has reported.
pub fn is_online(cpu: CpuId) -> bool {
    ONLINE[cpu.index() / 64].load(Ordering::Acquire) >> (cpu.index() % 64) & 1 == 1
}

/// How many CPUs have reported, the boot CPU included.
pub fn online_count() -> usize {
    ONLINE_COUNT.load(Ordering::Acquire)
}

/// Starts every present CPU but the boot CPU, which counts as online from here on.
pub fn start_others() {
    set_online(CpuId::BOOT);
    copy_trampoline();
    let topology = firmware::topology();
    for cpu in topology.present_cpus().filter(|cpu| *cpu != CpuId::BOOT) {
        start(cpu);
    }
    let count = topology.present_cpus().count();
    log!(
        "cpus: {} of {count} online, {} possible",
        online_count(),
        topology.cpu_count()
    );
}

fn start(cpu: CpuId) {
    let stack = tables::prepare(cpu);
    let nx = u64::from(cpu::features::detect().nx);
    let boot_root = (&raw const boot_pml4_physical) as u64;
    let entry = ap_entry64 as *const () as u64;
    let arguments = [
        boot_root,
        kernel_map::kernel_root(),
        stack,
        entry,
        u64::from(cpu.get()),
        nx,
    ];
    // SAFETY: the trampoline page belongs to this file, and the CPU before this one has left it.
    unsafe {
        memory::physical_pointer(ARGUMENTS)
            .cast::<[u64; 6]>()
            .write_volatile(arguments)
    };
    apic::send_init(cpu);
    apic::wait_milliseconds(10);
    for _ in 0..2 {
        apic::send_startup(cpu, (TRAMPOLINE >> 12) as u8);
        apic::wait_milliseconds(1);
    }
    for _ in 0..PATIENCE_MILLISECONDS {
        if is_online(cpu) {
            return;
        }
        apic::wait_milliseconds(1);
    }
    // Parked again, so that it cannot wake up later in a page that is not its own any more.
    apic::send_init(cpu);
    log!("cpu {cpu}: did not report, left out");
}

fn set_online(cpu: CpuId) {
    ONLINE[cpu.index() / 64].fetch_or(1 << (cpu.index() % 64), Ordering::AcqRel);
    ONLINE_COUNT.fetch_add(1, Ordering::AcqRel);
    log!("cpu {cpu} online");
}

fn copy_trampoline() {
    let start = &raw const ap_trampoline_start;
    let length = (&raw const ap_trampoline_end) as usize - start as usize;
    assert!(
        length <= (ARGUMENTS - TRAMPOLINE) as usize,
        "the trampoline fits in front of its arguments"
    );
    // SAFETY: the page below 1 MiB is given to no one else (memory map), and the code is that long.
    unsafe { memory::physical_pointer(TRAMPOLINE).copy_from_nonoverlapping(start, length) };
}

/// First Rust code of every other CPU, on its own kernel stack and the kernel's page table.
extern "C" fn ap_main(cpu: u64) -> ! {
    let cpu = CpuId::new(cpu as u16);
    // SAFETY: the boot CPU built the first chunk, and named this CPU in these arguments only.
    unsafe { cpu::gs::install(cpu) };
    cpu::initialize();
    set_online(cpu);
    schedule::run()
}

global_asm!(
    r#"
    .section .rodata.trampoline, "a"
    .global ap_trampoline_start
    .global ap_trampoline_end
    .code16
ap_trampoline_start:
    cli
    cld
    xor ax, ax
    mov ds, ax
    .set AP_GDTR, {base} + (ap_gdtr - ap_trampoline_start)
    lgdt [AP_GDTR]
    mov eax, cr0
    or eax, 1
    mov cr0, eax
    .byte 0x66, 0xea
    .long {base} + (ap_protected - ap_trampoline_start)
    .short 8
    .code32
ap_protected:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    .set AP_ARGUMENTS, {arguments}
    mov eax, [AP_ARGUMENTS]
    mov cr3, eax
    mov eax, 0x20
    mov cr4, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x100
    cmp dword ptr [AP_ARGUMENTS + 40], 0
    je 2f
    or eax, 0x800
2:  wrmsr
    mov eax, 0x80010011
    mov cr0, eax
    .byte 0xea
    .long {base} + (ap_long - ap_trampoline_start)
    .short 24
    .code64
ap_long:
    mov ebx, {arguments}
    mov rax, [rbx + 8]
    mov rcx, [rbx + 16]
    mov rdi, [rbx + 32]
    mov rdx, [rbx + 24]
    jmp rdx
    .balign 8
ap_gdt:
    .quad 0
    .quad 0x00cf9a000000ffff
    .quad 0x00cf92000000ffff
    .quad 0x00af9a000000ffff
ap_gdtr:
    .short 31
    .long {base} + (ap_gdt - ap_trampoline_start)
ap_trampoline_end:

    .text
    .global ap_entry64
ap_entry64:
    mov cr3, rax
    mov rsp, rcx
    xor ebp, ebp
    call {main}
    ud2
"#,
    base = const TRAMPOLINE,
    arguments = const ARGUMENTS,
    main = sym ap_main,
);
