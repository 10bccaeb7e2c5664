//! Starts the other CPUs, all at once, and counts who reported.
//!
//! INIT, then two start-up messages (SDM volume 3, section 8.4.4.1). A CPU begins in real mode in the
//! trampoline page, reaches long mode on the boot page table, and jumps to the kernel. There it asks its APIC
//! for its id, which tells it its number and its stack, so that it does not matter who comes first; its first
//! Rust statement installs its GS base. One that does not report in time is named and left out: it stays
//! possible, and would stop if it came later.

use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

use abi::MAX_CPUS;
use percpu_core::CpuId;

use super::firmware;
use super::options::options;
use crate::cpu::{self, apic, tables};
use crate::memory::{self, kernel_map};
use crate::{debug_exit, log, schedule};

/// Where the trampoline is copied: below 1 MiB, which no one else uses.
const TRAMPOLINE: u64 = 0x8000;
/// Its arguments, the same for all CPUs: boot page table, kernel page table, entry, no-execute.
const ARGUMENTS: u64 = TRAMPOLINE + 0xf00;
/// In [`Start`], for a number that no CPU has.
const NOBODY: u64 = u64::MAX;

const ABSENT: u8 = 0;
const STARTING: u8 = 1;
const ONLINE: u8 = 2;
const LEFT_OUT: u8 = 3;

/// What every CPU is doing, by its number. Only STARTING is left by two sides, each by compare-exchange: the
/// CPU reports, or the boot CPU gives it up.
static STATES: [AtomicU8; MAX_CPUS] = [const { AtomicU8::new(ABSENT) }; MAX_CPUS];
static ONLINE_COUNT: AtomicUsize = AtomicUsize::new(0);

/// What a CPU finds by its APIC id. The entry code reads it.
#[repr(C)]
struct Start {
    apic_id: AtomicU64,
    stack: AtomicU64,
}

/// By number. Written before any of them starts.
static STARTS: [Start; MAX_CPUS] = [const {
    Start {
        apic_id: AtomicU64::new(NOBODY),
        stack: AtomicU64::new(0),
    }
}; MAX_CPUS];
/// Address of the APIC's page in the physical map, for the entry code.
static APIC_PAGE: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    static ap_trampoline_start: u8;
    static ap_trampoline_end: u8;
    static boot_pml4_physical: u8;
    fn ap_entry64();
}

/// Whether `cpu` has reported.
pub fn is_online(cpu: CpuId) -> bool {
    STATES[cpu.index()].load(Ordering::Acquire) == ONLINE
}

/// How many CPUs have reported, the boot CPU included.
pub fn online_count() -> usize {
    ONLINE_COUNT.load(Ordering::Acquire)
}

/// Starts every present CPU but the boot CPU, which counts as online from here on.
pub fn start_others() {
    let topology = firmware::topology();
    STATES[CpuId::BOOT.index()].store(STARTING, Ordering::Release);
    report(CpuId::BOOT);
    log!("cpu {} online", CpuId::BOOT);
    let others = topology.present_cpus().filter(|cpu| *cpu != CpuId::BOOT);
    if others.clone().next().is_some() {
        others.clone().for_each(prepare);
        copy_trampoline();
        wake(others.clone());
        wait_for(others.clone());
        others.for_each(leave_out_if_silent);
    }
    log!(
        "cpus: {} of {} online, {} possible",
        online_count(),
        topology.present_cpus().count(),
        topology.cpu_count()
    );
}

/// Gives a CPU its stack, where it will find it.
fn prepare(cpu: CpuId) {
    let apic_id = firmware::topology().apic_id(cpu).expect("a CPU of the topology");
    let start = &STARTS[cpu.index()];
    start.stack.store(tables::prepare(cpu), Ordering::Release);
    start.apic_id.store(apic_id.get().into(), Ordering::Release);
    STATES[cpu.index()].store(STARTING, Ordering::Release);
}

/// The waits of the manual, once for all: 10 ms from INIT on, then twice what is more than 200 µs.
fn wake(cpus: impl Iterator<Item = CpuId> + Clone) {
    cpus.clone().for_each(apic::send_init);
    apic::wait_milliseconds(10);
    for _ in 0..2 {
        let silent = cpus.clone().filter(|cpu| !is_online(*cpu));
        silent.for_each(|cpu| apic::send_startup(cpu, (TRAMPOLINE >> 12) as u8));
        apic::wait_milliseconds(1);
    }
}

/// Names the CPUs that report, until all have or none has for as long as one may take.
///
/// They do not say so themselves: hundreds that spin for the console's lock would keep its holder from its
/// host's cores.
fn wait_for(cpus: impl Iterator<Item = CpuId> + Clone) {
    let mut is_told = [false; MAX_CPUS];
    let mut missing = cpus.clone().count();
    let mut silence = 0;
    while missing > 0 && silence < options().cpu_patience {
        apic::wait_milliseconds(1);
        silence += 1;
        for cpu in cpus.clone().filter(|cpu| is_online(*cpu)) {
            if !core::mem::replace(&mut is_told[cpu.index()], true) {
                log!("cpu {cpu} online");
                missing -= 1;
                silence = 0;
            }
        }
    }
}

fn leave_out_if_silent(cpu: CpuId) {
    if change(cpu, LEFT_OUT) {
        // Parked again. Should this reach it late, it stops by itself when it reports.
        apic::send_init(cpu);
        log!("cpu {cpu}: did not report, left out");
    }
}

fn report(cpu: CpuId) {
    if !change(cpu, ONLINE) {
        debug_exit::halt();
    }
    ONLINE_COUNT.fetch_add(1, Ordering::AcqRel);
}

/// From STARTING to another state; not if it has left it.
fn change(cpu: CpuId, to: u8) -> bool {
    let state = &STATES[cpu.index()];
    state
        .compare_exchange(STARTING, to, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}

fn copy_trampoline() {
    let start = &raw const ap_trampoline_start;
    let length = (&raw const ap_trampoline_end) as usize - start as usize;
    assert!(
        length <= (ARGUMENTS - TRAMPOLINE) as usize,
        "the trampoline fits in front of its arguments"
    );
    let arguments = [
        (&raw const boot_pml4_physical) as u64,
        kernel_map::kernel_root(),
        ap_entry64 as *const () as u64,
        u64::from(cpu::features::detect().nx),
    ];
    let page = memory::physical_pointer(firmware::local_apic_address());
    APIC_PAGE.store(page as u64, Ordering::Release);
    // SAFETY: the page below 1 MiB is given to no one else (memory map), no CPU runs in it yet, and code and
    // arguments are that long.
    unsafe {
        memory::physical_pointer(TRAMPOLINE).copy_from_nonoverlapping(start, length);
        memory::physical_pointer(ARGUMENTS)
            .cast::<[u64; 4]>()
            .write_volatile(arguments);
    }
}

/// First Rust code of every other CPU, on its own kernel stack and the kernel's page table.
extern "C" fn ap_main(cpu: u64) -> ! {
    let cpu = CpuId::new(cpu as u16);
    // SAFETY: the boot CPU built the first chunk, and no other CPU has this one's APIC id.
    unsafe { cpu::gs::install(cpu) };
    if options().silent_cpu == Some(cpu.get()) {
        debug_exit::halt();
    }
    cpu::initialize();
    report(cpu);
    schedule::run()
}

// From `ap_entry64` on: IA32_APIC_BASE says in which mode this CPU's APIC is, and so where its id is. Who is not
// in the list stops.
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
    cmp dword ptr [AP_ARGUMENTS + 24], 0
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
    mov rdx, [rbx + 16]
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
    mov ecx, 0x1b
    rdmsr
    test eax, 0x400
    jz 2f
    mov ecx, 0x802
    rdmsr
    jmp 3f
2:  mov rcx, [rip + {page}]
    mov eax, [rcx + 0x20]
    shr eax, 24
3:  mov eax, eax
    lea rcx, [rip + {starts}]
    xor edi, edi
4:  cmp rax, [rcx]
    je 5f
    add rcx, {start_size}
    inc edi
    cmp edi, {cpus}
    jb 4b
    jmp 6f
5:  mov rsp, [rcx + {stack}]
    xor ebp, ebp
    call {main}
6:  cli
    hlt
    jmp 6b
"#,
    base = const TRAMPOLINE,
    arguments = const ARGUMENTS,
    page = sym APIC_PAGE,
    starts = sym STARTS,
    start_size = const size_of::<Start>(),
    stack = const offset_of!(Start, stack),
    cpus = const MAX_CPUS,
    main = sym ap_main,
);
