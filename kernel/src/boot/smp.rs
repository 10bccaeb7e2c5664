//! Starts the other CPUs, all at once, and counts who reported; and starts one again that was parked.
//!
//! INIT, then two start-up messages (SDM volume 3, section 8.4.4.1). A CPU begins in real mode in the
//! trampoline, and reaches the kernel in long mode. There it asks its APIC for its id, which tells it its
//! number and its stack, so that it does not matter who comes first; its first Rust statement installs its GS
//! base. One that does not report in time is named and left out: it stays possible, and would stop if it came
//! later.
//!
//! A parked CPU waits for INIT in a halt. It begins again in the same trampoline, whose page nobody else ever has, on the
//! same stack.

use core::arch::global_asm;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use abi::MAX_CPUS;
use percpu_core::{CpuId, PAGE_SIZE};

use super::options::options;
use super::{firmware, trampoline};
use crate::cpu::{self, apic, tables};
use crate::memory;
use crate::sync::Once;
use crate::{debug_exit, log, schedule};

/// In [`Start`], for a number that no CPU has.
const NOBODY: u64 = u64::MAX;

const ABSENT: u8 = 0;
const STARTING: u8 = 1;
const ONLINE: u8 = 2;
const LEFT_OUT: u8 = 3;
/// Nothing new comes to it any more, but it still runs.
const LEAVING: u8 = 4;
const PARKED: u8 = 5;

/// What every CPU is doing, by its number. Only STARTING is left by two sides, each by compare-exchange: the
/// CPU reports, or whoever starts it gives it up. PARKED is a CPU's own last word. All other changes are those of whoever
/// changes CPUs, one at a time (`hotplug.rs`).
static STATES: [AtomicU8; MAX_CPUS] = [const { AtomicU8::new(ABSENT) }; MAX_CPUS];

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
/// Number of the page in which others start, if there are any.
static START_PAGE: Once<u8> = Once::new();

unsafe extern "C" {
    fn ap_entry64();
}

fn state(cpu: CpuId) -> u8 {
    STATES[cpu.index()].load(Ordering::Acquire)
}

/// Whether threads may be sent to `cpu`.
pub fn is_online(cpu: CpuId) -> bool {
    state(cpu) == ONLINE
}

/// Whether `cpu` has reported and is not parked: it may use any page table, and serves its requests.
pub fn is_running(cpu: CpuId) -> bool {
    matches!(state(cpu), ONLINE | LEAVING)
}

/// Whether `cpu` does not run, and will not before somebody starts it.
pub fn is_off(cpu: CpuId) -> bool {
    matches!(state(cpu), ABSENT | LEFT_OUT | PARKED)
}

/// Whether `cpu` is parked.
pub fn is_parked(cpu: CpuId) -> bool {
    state(cpu) == PARKED
}

/// Whether `cpu` could be started: it has a stack.
pub fn can_start(cpu: CpuId) -> bool {
    matches!(state(cpu), LEFT_OUT | PARKED)
}

/// Nothing new comes to `cpu` from now on.
pub fn begin_to_leave(cpu: CpuId) {
    STATES[cpu.index()].store(LEAVING, Ordering::SeqCst);
}

/// The last thing that this CPU does: from here on only INIT wakes it.
pub fn park() -> ! {
    STATES[cpu::this_cpu().index()].store(PARKED, Ordering::Release);
    debug_exit::halt()
}

/// `cpu` begins to come.
pub fn begin_to_start(cpu: CpuId) {
    STATES[cpu.index()].store(STARTING, Ordering::SeqCst);
}

/// Starts a CPU that begins to come, and waits until it is online, or has not reported for as long as one may take. `meanwhile` is done
/// all the time. Whether it is online.
pub fn start_again(cpu: CpuId, meanwhile: fn()) -> bool {
    start(core::iter::once(cpu), meanwhile);
    is_online(cpu)
}

/// How many CPUs have reported, the boot CPU included.
pub fn online_count() -> usize {
    firmware::topology().cpus().filter(|cpu| is_online(*cpu)).count()
}

/// Starts every present CPU but the boot CPU, which counts as online from here on. `page` is one below
/// 1 MiB for that, if there is any.
pub fn start_others(page: Option<u64>) {
    let topology = firmware::topology();
    STATES[CpuId::BOOT.index()].store(STARTING, Ordering::Release);
    report(CpuId::BOOT);
    log!("cpu {} online", CpuId::BOOT);
    let others = topology.present_cpus().filter(|cpu| *cpu != CpuId::BOOT);
    match page {
        _ if others.clone().next().is_none() => {}
        Some(page) => {
            others.clone().for_each(prepare);
            START_PAGE.call_once(|| write_trampoline(page));
            start(others, core::hint::spin_loop);
        }
        None => log!("cpus: no memory between 64 KiB and 640 KiB to start other CPUs in"),
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

/// Wakes CPUs, and names each as online or left out.
fn start(cpus: impl Iterator<Item = CpuId> + Clone, meanwhile: fn()) {
    if let Some(page) = START_PAGE.get() {
        wake(cpus.clone(), *page, meanwhile);
        let is_told = wait_for(cpus.clone(), meanwhile);
        cpus.for_each(|cpu| settle(cpu, is_told[cpu.index()]));
    }
}

/// The waits of the manual, once for all: 10 ms from INIT on, then twice what is more than 200 µs.
fn wake(cpus: impl Iterator<Item = CpuId> + Clone, page: u8, meanwhile: fn()) {
    cpus.clone().for_each(apic::send_init);
    apic::wait_milliseconds(10, meanwhile);
    for _ in 0..2 {
        let silent = cpus.clone().filter(|cpu| !is_online(*cpu));
        silent.for_each(|cpu| apic::send_startup(cpu, page));
        apic::wait_milliseconds(1, meanwhile);
    }
}

/// Names the CPUs that report, until all have or none has for as long as one may take; tells which it named.
///
/// They do not say so themselves: hundreds that spin for the console's lock would keep its holder from its
/// host's cores.
fn wait_for(cpus: impl Iterator<Item = CpuId> + Clone, meanwhile: fn()) -> [bool; MAX_CPUS] {
    let mut is_told = [false; MAX_CPUS];
    let mut missing = cpus.clone().count();
    let mut silence = 0;
    while missing > 0 && silence < options().cpu_patience {
        apic::wait_milliseconds(1, meanwhile);
        silence += 1;
        for cpu in cpus.clone().filter(|cpu| is_online(*cpu)) {
            if !core::mem::replace(&mut is_told[cpu.index()], true) {
                log!("cpu {cpu} online");
                missing -= 1;
                silence = 0;
            }
        }
    }
    is_told
}

/// From here on a CPU is online or left out, and named as what it is.
fn settle(cpu: CpuId, is_told: bool) {
    if change(cpu, LEFT_OUT) {
        // Parked again. Should this reach it late, it stops by itself when it reports.
        apic::send_init(cpu);
        log!("cpu {cpu}: did not report, left out");
    } else if !is_told {
        log!("cpu {cpu} online");
    }
}

fn report(cpu: CpuId) {
    schedule::open();
    if !change(cpu, ONLINE) {
        debug_exit::halt();
    }
}

/// From STARTING to another state; not if it has left it.
fn change(cpu: CpuId, to: u8) -> bool {
    let state = &STATES[cpu.index()];
    state
        .compare_exchange(STARTING, to, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}

fn write_trampoline(page: u64) -> u8 {
    let apic = memory::physical_pointer(firmware::local_apic_address());
    APIC_PAGE.store(apic as u64, Ordering::Release);
    trampoline::write(page, ap_entry64 as *const () as u64);
    (page / PAGE_SIZE) as u8
}

/// First Rust code of every other CPU, whenever it starts, on its own kernel stack and the kernel's page table.
extern "C" fn ap_main(cpu: u64) -> ! {
    let cpu = CpuId::new(cpu as u16);
    // SAFETY: the boot CPU built the first chunk, and no other CPU has this one's APIC id. What this CPU has installed
    // before it was parked was lost by INIT.
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
    .text
    .global ap_entry64
ap_entry64:
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
    page = sym APIC_PAGE,
    starts = sym STARTS,
    start_size = const size_of::<Start>(),
    stack = const offset_of!(Start, stack),
    cpus = const MAX_CPUS,
    main = sym ap_main,
);
