//! One CPU: its registers, tables, entry and exit, and its local APIC.

#[expect(unsafe_code, reason = "programs the local APIC's registers")]
pub mod apic;
pub mod breath;
#[expect(
    unsafe_code,
    reason = "the stubs at every border between user and kernel mode"
)]
pub mod entry;
#[expect(unsafe_code, reason = "assembly between threads that talk to each other")]
mod fast_path;
#[expect(unsafe_code, reason = "writes control registers")]
pub mod features;
#[expect(unsafe_code, reason = "saves and loads the registers of the FPU")]
pub mod fpu;
pub mod frame;
#[expect(unsafe_code, reason = "writes the GS and FS bases")]
pub mod gs;
pub mod node;
#[expect(unsafe_code, reason = "reads and writes I/O ports")]
pub mod ports;
#[expect(unsafe_code, reason = "assembly at every border between user and kernel mode")]
mod stubs;
#[expect(unsafe_code, reason = "loads GDT, TSS and IDT")]
pub mod tables;

use lockfree::Loaded;
use percpu_core::CpuId;
use x86_64::PhysAddr;
use x86_64::registers::control::{Cr2, Cr3, Cr3Flags};
use x86_64::structures::paging::PhysFrame;

use crate::per_cpu;

pub use breath::breathe;
pub use gs::{fs_base, set_fs_base, this_cpu};
pub use node::{cpu_to_node, this_node};

/// Address of the last page fault. Read before anything else can fault.
pub fn fault_address() -> u64 {
    Cr2::read_raw()
}

/// The time stamp counter: instructions, where the machine counts them.
#[expect(unsafe_code, reason = "reads the time stamp counter")]
pub fn time_stamp() -> u64 {
    // SAFETY: every CPU of this architecture has RDTSC, and nothing forbids it to the kernel.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// The page table in use.
pub fn page_table() -> u64 {
    Cr3::read().0.start_address().as_u64()
}

/// Switches to another page table, or flushes this one when it is the same.
#[expect(unsafe_code, reason = "writes CR3")]
pub fn load_page_table(root: u64) {
    let frame = PhysFrame::containing_address(PhysAddr::new(root));
    // SAFETY: every root handed in here shares the kernel half, so code and stack stay mapped.
    unsafe { Cr3::write(frame, Cr3Flags::empty()) }
}

per_cpu! {
    /// The page table that this CPU uses, or is about to load. Others read it.
    static PAGE_TABLE: Loaded = Loaded::nothing(), hot;
}

/// Switches to the page table of an address space, or to the kernel's own.
pub fn switch_page_table(root: u64) {
    PAGE_TABLE.local().switch(root, load_page_table);
}

/// The same, unless it is in use.
pub fn use_page_table(root: u64) {
    if PAGE_TABLE.local().root() != root {
        switch_page_table(root);
    }
}

/// The page table that `cpu` uses.
pub fn page_table_of(cpu: CpuId) -> u64 {
    PAGE_TABLE.on(cpu).root()
}

/// Idles until an interrupt came, and leaves interrupts off again.
pub fn wait_for_interrupt() {
    x86_64::instructions::interrupts::enable_and_hlt();
    x86_64::instructions::interrupts::disable();
}

/// Takes the interrupts that are pending, and leaves interrupts off again. No lock is held.
#[inline(always)]
pub fn let_interrupts_in() {
    x86_64::instructions::interrupts::enable();
    // The first instruction behind it is not interrupted yet.
    x86_64::instructions::nop();
    x86_64::instructions::interrupts::disable();
}

/// Readies the running CPU after its GS base is installed: protections, tables, entry points, APIC.
pub fn initialize() {
    features::enable(features::detect());
    tables::load();
    entry::initialize();
    apic::initialize();
}
