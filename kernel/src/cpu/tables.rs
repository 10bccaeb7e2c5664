//! The GDT, TSS and interrupt stacks of this CPU, and the IDT of all.
//!
//! Selectors: 0x08 kernel code, 0x10 kernel data, 0x18 user data, 0x20 user code, 0x28 TSS: the order that
//! SYSRET wants (SDM volume 2, SYSRET). NMI, #DF, #MC and #DB have a stack each (IST 1 to 4); the top 16
//! bytes of such a stack hold the CPU's kernel GS base, because a handler that may interrupt the entry stubs
//! cannot know which base is live.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

use percpu_core::CpuId;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::{lidt, load_tss};
use x86_64::structures::DescriptorTablePointer;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

use super::{cpu_to_node, entry, gs};
use crate::boot::first_chunk;
use crate::memory::frame;
use crate::per_cpu;
use crate::sync::Once;

const KERNEL_STACK_BYTES: u64 = 32 << 10;
const IST_STACK_BYTES: u64 = 8 << 10;
const IST_STACKS: u64 = 4;
const PAGE: u64 = abi::PAGE_SIZE;

per_cpu! {
    /// A page of its own, as in Linux: a program could be allowed to read it, and nothing else would be seen.
    static GDT: GdtPage = GdtPage(UnsafeCell::new(GlobalDescriptorTable::new())), page_aligned;
    /// In one cache line: its first word is used at every entry.
    pub(super) static TSS: Tss = Tss(UnsafeCell::new(TaskStateSegment::new()));
    /// The lowest address of this CPU's stacks: the IST stacks, and the kernel stack above them.
    static STACKS: AtomicU64 = AtomicU64::new(0), read_mostly;
}

#[repr(align(64))]
pub(super) struct Tss(UnsafeCell<TaskStateSegment>);

#[repr(align(4096))]
struct GdtPage(UnsafeCell<GlobalDescriptorTable>);

/// One gate: SDM volume 3, section 6.14.1.
#[derive(Clone, Copy)]
#[repr(C)]
struct Gate {
    low: u64,
    high: u64,
}

static IDT: Once<[Gate; 256]> = Once::new();

/// Gives `cpu` its stacks, on its own node, and tells the top of its kernel stack. Before the CPU starts.
pub fn prepare(cpu: CpuId) -> u64 {
    let bytes = KERNEL_STACK_BYTES + IST_STACKS * IST_STACK_BYTES;
    let memory = frame::take_contiguous(cpu_to_node(cpu), (bytes / PAGE) as usize, PAGE, 0)
        .unwrap_or_else(|_| panic!("no memory for the stacks of cpu {cpu}"));
    let base = memory.pointer() as u64;
    STACKS.on(cpu).store(base, Ordering::Release);
    for index in 1..=IST_STACKS {
        // SAFETY: the word lies in the memory just allocated, and no one else uses it yet.
        unsafe { (ist_top(base, index) as *mut u64).write(first_chunk::delta_of(cpu)) };
    }
    base + bytes
}

/// Where the CPU begins to push on IST stack `index`: below the 16 bytes that hold the GS base.
fn ist_top(base: u64, index: u64) -> u64 {
    base + index * IST_STACK_BYTES - 16
}

/// Loads everything on this CPU, which INIT has made forget what was loaded before. [`prepare`] gave it its stacks; the
/// boot CPU does that here.
pub fn load() {
    if gs::this_cpu() == CpuId::BOOT {
        prepare(CpuId::BOOT);
    }
    let base = STACKS.local().load(Ordering::Acquire);
    // SAFETY: these are this CPU's own copies; nothing else refers to them before they are loaded, and
    // afterwards only `set_interrupt_stack` writes one word of the TSS.
    let (gdt, tss) = unsafe { (&mut *GDT.local().0.get(), &mut *TSS.local().0.get()) };
    *gdt = GlobalDescriptorTable::new();
    for index in 1..=IST_STACKS {
        tss.interrupt_stack_table[index as usize - 1] = VirtAddr::new(ist_top(base, index));
    }
    let code = gdt.append(Descriptor::kernel_code_segment());
    let data = gdt.append(Descriptor::kernel_data_segment());
    gdt.append(Descriptor::user_data_segment());
    gdt.append(Descriptor::user_code_segment());
    // SAFETY: the TSS lives for ever, in this CPU's unit.
    let task = gdt.append(unsafe { Descriptor::tss_segment_unchecked(tss) });
    // SAFETY: the GDT lives for ever; the selectors are those just made. GS and FS stay untouched, because
    // loading their selectors would zero the bases.
    unsafe {
        gdt.load_unsafe();
        CS::set_reg(code);
        SS::set_reg(data);
        DS::set_reg(SegmentSelector::NULL);
        ES::set_reg(SegmentSelector::NULL);
        load_tss(task);
    }
    let idt = IDT.call_once(build_idt);
    let pointer = DescriptorTablePointer {
        limit: (size_of_val(idt) - 1) as u16,
        base: VirtAddr::from_ptr(idt),
    };
    // SAFETY: the table lives for ever, and all its gates lead to the stubs.
    unsafe { lidt(&pointer) };
    entry::set_kernel_stack(base + IST_STACKS * IST_STACK_BYTES + KERNEL_STACK_BYTES);
}

/// Where the CPU pushes on an interrupt from user mode.
pub fn set_interrupt_stack(top: u64) {
    // SAFETY: this CPU's own TSS; the CPU reads it only on an interrupt from user mode.
    unsafe { (*TSS.local().0.get()).privilege_stack_table[0] = VirtAddr::new(top) };
}

/// The same.
pub fn interrupt_stack() -> u64 {
    // SAFETY: this CPU's own TSS; copied, because the word is not aligned.
    unsafe { (&raw const (*TSS.local().0.get()).privilege_stack_table[0]).read_unaligned() }.as_u64()
}

fn build_idt() -> [Gate; 256] {
    let mut idt = [Gate { low: 0, high: 0 }; 256];
    for (vector, gate) in idt.iter_mut().enumerate() {
        let address = entry::stub_address(vector);
        let stack = match vector {
            2 => 1,
            8 => 2,
            18 => 3,
            1 => 4,
            _ => 0u64,
        };
        // Breakpoint and overflow may be raised by user code's own instructions.
        let privilege = if vector == 3 || vector == 4 { 3u64 } else { 0 };
        let kind = 0x8e00 | privilege << 13;
        gate.low = address & 0xffff | 0x08 << 16 | stack << 32 | kind << 32 | (address >> 16 & 0xffff) << 48;
        gate.high = address >> 32;
    }
    idt
}
