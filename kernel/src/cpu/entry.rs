//! Every border between user and kernel mode: what the stubs call, and the words they need of this CPU.
//! The stubs' instructions stand in `stubs.rs`; the rules that both follow stand here.
//!
//! **Entry.** TSS.rsp0 is the end of the current thread's frame, and both the CPU (on an interrupt) and the syscall stub push
//! a thread's registers there: straight into the thread object. That address is also the thread's token, which [`current`]
//! hands to the scheduler. Then the stub goes over to the CPU's kernel stack. **Exit** takes the registers from the frame at
//! TSS.rsp0: of the thread that [`set_current`] named last, or of the one that came in and stays (`Running::stay`).
//!
//! **GS** (design invariant 4). A normal vector comes from user mode, where saved CS says so and the stub swaps the bases,
//! or from kernel code, which has the kernel's base. NMI, #DF and #MC may come between any two instructions, so with either:
//! they take the kernel's base from the top of their own stack, and put back what they found. #DB from user mode
//! moves to the normal way; from kernel mode it is a panic. Exit writes the user's base unconditionally,
//! because user code can change it.
//!
//! **SMAP** is off while EFLAGS.AC is set, which user code may do. SYSCALL clears AC; on a CPU with SMAP every other
//! stub begins with CLAC. Whether AC is clear is checked at the end of each slice, and at each fault that is reported.
//!
//! **SYSRET and IRET cannot fault:** selectors are constant, RFLAGS comes from user mode itself, and no page
//! at or above `USER_END` can be mapped, so the saved RIP is canonical. Only a thread that came by SYSCALL
//! leaves by SYSRET: its frame has `SYSCALL_VECTOR` where others have the number of an interrupt.

use core::cell::Cell;
use core::sync::atomic::{AtomicU8, Ordering};

use x86_64::VirtAddr;
use x86_64::registers::model_specific::{LStar, Msr, SFMask, Star};
use x86_64::registers::rflags::RFlags;
use x86_64::structures::gdt::SegmentSelector;

use super::fast_path::fast_syscall_stub;
use super::frame::Frame;
use super::stubs::{exit_to_user, interrupt_stubs, interrupt_stubs_smap, syscall_stub};
use super::{apic, breath, features, fpu, gs, tables};
use crate::object::{Parked, Running};
use crate::percpu::PerCpu;
use crate::{panic, per_cpu, schedule};

/// What the stubs read through GS.
#[repr(C)]
pub(super) struct Local {
    /// Top of the kernel stack.
    pub stack_top: Cell<u64>,
    /// User GS base of every thread here.
    pub user_gs: Cell<u64>,
    /// Where this CPU stands in a `CpuSet`: bytes before its word, and its bit.
    pub cpu_word: Cell<u64>,
    /// See `cpu_word`.
    pub cpu_bit: Cell<u64>,
    /// For one register, before there is a stack.
    pub scratch: Cell<u64>,
}

per_cpu! {
    pub(super) static LOCAL: Local = Local {
        stack_top: Cell::new(0),
        user_gs: Cell::new(0),
        cpu_word: Cell::new(0),
        cpu_bit: Cell::new(0),
        scratch: Cell::new(0),
    }, hot;
    /// NMIs that this CPU has seen.
    static NMI_COUNT: Cell<u64> = Cell::new(0);
}

/// 1 when WRGSBASE works: the same on every CPU, readable with any GS base.
pub(super) static HAS_FSGSBASE: AtomicU8 = AtomicU8::new(0);

const IA32_SYSENTER_CS: u32 = 0x174;

/// Address of the stub for `vector` (below 256): with the instruction that switches SMAP on again, where there is one.
pub fn stub_address(vector: usize) -> u64 {
    let stubs = match features::has_smap_now() {
        true => &raw const interrupt_stubs_smap,
        false => &raw const interrupt_stubs,
    };
    stubs as u64 + vector as u64 * 16
}

/// That user code cannot switch SMAP off for the kernel.
pub fn check_smap() {
    let flags = x86_64::registers::rflags::read();
    assert!(
        !features::has_smap_now() || !flags.contains(RFlags::ALIGNMENT_CHECK),
        "EFLAGS.AC is set in the kernel"
    );
}

/// Makes SYSCALL work on this CPU, and SYSENTER not.
pub fn initialize() {
    let cpu = gs::this_cpu().index();
    LOCAL.local().user_gs.set(gs::user_base(gs::this_cpu()));
    LOCAL.local().cpu_word.set((cpu / 64 * 8) as u64);
    LOCAL.local().cpu_bit.set(1 << (cpu % 64));
    HAS_FSGSBASE.store(u8::from(features::has_fsgsbase_now()), Ordering::Relaxed);
    let selector = |index, level| SegmentSelector::new(index, level);
    use x86_64::PrivilegeLevel::{Ring0, Ring3};
    Star::write(
        selector(4, Ring3),
        selector(3, Ring3),
        selector(1, Ring0),
        selector(2, Ring0),
    )
    .expect("the GDT has the order that SYSRET wants");
    let stub: unsafe extern "C" fn() = match features::has_fsgsbase_now() && fpu::has_xsave() {
        true => fast_syscall_stub,
        false => syscall_stub,
    };
    LStar::write(VirtAddr::new(stub as *const () as u64));
    SFMask::write(
        RFlags::TRAP_FLAG
            | RFlags::INTERRUPT_FLAG
            | RFlags::DIRECTION_FLAG
            | RFlags::ALIGNMENT_CHECK
            | RFlags::NESTED_TASK,
    );
    // SAFETY: a null selector makes SYSENTER fault, and nothing here uses it.
    unsafe { Msr::new(IA32_SYSENTER_CS).write(0) };
}

/// Top of the stack on which this CPU's kernel code runs.
pub fn set_kernel_stack(top: u64) {
    LOCAL.local().stack_top.set(top);
}

/// Keeps the token of the thread that the next exit goes to; the next entry hands it in.
pub fn set_current(next: Parked) {
    tables::set_interrupt_stack(next.into_word());
}

/// The token of the thread that was running, or that a call has switched to. Whoever takes it gives it back, or
/// sets another one. A part of every way in.
#[inline(always)]
pub fn current() -> Running {
    // SAFETY: 1. user mode was left, so the exit before took the frame of a token that `set_current` or the
    // assembly of messages put there, or that was taken here and given back by `Running::stay`.
    let parked = unsafe { Parked::from_word(tables::interrupt_stack()) };
    Running::new(parked.expect("user mode was left, so a thread was running"))
}

/// Leaves the kernel for the first time on this CPU; what is on the stack is forgotten.
pub fn enter_user() -> ! {
    // SAFETY: the scheduler has named a frame, and it has the registers of user mode.
    unsafe { exit_to_user() }
}

pub(super) extern "C" fn from_user(vector: u64) {
    if vector >= 32 {
        apic::end_of_interrupt(vector);
    }
    schedule::on_user_interrupt(current(), vector);
}

pub(super) extern "C" fn from_kernel(frame: &mut Frame) {
    if frame.vector < 32 {
        panic::on_exception(frame);
    }
    apic::end_of_interrupt(frame.vector);
    if !breath::note(frame.vector) {
        schedule::on_kernel_interrupt(frame.vector);
    }
}

/// Takes no lock, no fault and prints nothing: it may have interrupted any instruction.
pub(super) extern "C" fn on_nmi() {
    let count = NMI_COUNT.local();
    count.set(count.get() + 1);
}

pub(super) extern "C" fn on_fatal(frame: &mut Frame) -> ! {
    panic::on_exception(frame)
}

pub(super) extern "C" fn on_syscall() {
    schedule::on_syscall(current());
}

// The stubs name LOCAL by its link address; PerCpu adds nothing in front of the value.
const _: () = assert!(size_of::<PerCpu<Local>>() == size_of::<Local>());
