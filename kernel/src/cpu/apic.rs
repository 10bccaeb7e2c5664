//! The local APIC of this CPU: end of interrupt, inter-processor interrupts, and the slice timer.
//!
//! The only place where an `ApicId` is written to hardware. Registers: SDM volume 3, table 10-1, named by their
//! offset in the page of xAPIC mode; `access` knows both modes. Each CPU sees its own registers.

mod access;
pub mod lines;

use core::sync::atomic::{AtomicU32, Ordering};

use super::ports::{read_byte, write_byte};
use crate::boot::firmware;
use percpu_core::{ApicId, CpuId};

pub use access::{access, choose};

/// The slice of the running thread is over.
pub const TIMER_VECTOR: u64 = 0xf0;
/// Something was put into this CPU's run queue, or its thread was ended.
pub const WAKE_VECTOR: u64 = 0xf1;
/// The mailbox has a request to flush the TLB.
pub const FLUSH_VECTOR: u64 = 0xf2;
/// The APIC's own: needs no end of interrupt.
const SPURIOUS_VECTOR: u64 = 0xff;

const TASK_PRIORITY: u16 = 0x80;
const EOI: u16 = 0xb0;
const SPURIOUS: u16 = 0xf0;
const LVT_TIMER: u16 = 0x320;
const LVT_LINT0: u16 = 0x350;
const LVT_LINT1: u16 = 0x360;
const INITIAL_COUNT: u16 = 0x380;
const CURRENT_COUNT: u16 = 0x390;
const DIVIDE: u16 = 0x3e0;

const MASKED: u32 = 1 << 16;
const NMI_MODE: u32 = 4 << 8;
const ENABLE: u32 = 1 << 8;
const ASSERT: u32 = 1 << 14;
const INIT: u32 = 5 << 8;
const STARTUP: u32 = 6 << 8;
const DIVIDE_BY_16: u32 = 3;

/// Length of a slice in PIT ticks' worth of time: 1 ms of 1,193,182 Hz.
const SLICE_PIT_TICKS: u16 = 1193;

/// Timer ticks in a slice, measured once by the boot CPU.
static SLICE: AtomicU32 = AtomicU32::new(0);

/// Switches this CPU's APIC on. NMIs are let through; the first CPU measures the timer.
pub fn initialize() {
    access().enter();
    write(TASK_PRIORITY, 0);
    write(LVT_LINT0, MASKED);
    write(LVT_LINT1, NMI_MODE);
    write(SPURIOUS, ENABLE | SPURIOUS_VECTOR as u32);
    write(DIVIDE, DIVIDE_BY_16);
    write(LVT_TIMER, TIMER_VECTOR as u32);
    if SLICE.load(Ordering::Relaxed) == 0 {
        if firmware::has_8259() {
            // The two 8259s stay silent: their vectors would collide with exceptions.
            [0x21, 0xa1].into_iter().for_each(|mask| write_byte(mask, 0xff));
        }
        SLICE.store(measure_slice(), Ordering::Relaxed);
        lines::initialize(firmware::madt());
    }
}

/// Tells the APIC that the handler of `vector` is done.
pub fn end_of_interrupt(vector: u64) {
    lines::on_arrival(vector);
    if vector != SPURIOUS_VECTOR {
        write(EOI, 0);
    }
}

/// Begins a slice: [`TIMER_VECTOR`] comes once, after 1 ms.
pub fn arm_timer() {
    write(INITIAL_COUNT, SLICE.load(Ordering::Relaxed));
}

/// Sends an interrupt to another CPU.
pub fn send_ipi(cpu: CpuId, vector: u8) {
    send(apic_id(cpu), ASSERT | u32::from(vector));
}

/// INIT: the CPU waits for its start-up message.
pub fn send_init(cpu: CpuId) {
    send(apic_id(cpu), ASSERT | INIT);
}

/// Start-up: the CPU begins in real mode at `page * 4096`.
pub fn send_startup(cpu: CpuId, page: u8) {
    send(apic_id(cpu), ASSERT | STARTUP | u32::from(page));
}

/// Waits by the timer, and does something meanwhile, again and again. A slice that was armed is lost.
pub fn wait_milliseconds(milliseconds: u32, meanwhile: fn()) {
    let slice = SLICE.load(Ordering::Relaxed);
    write(LVT_TIMER, MASKED);
    for _ in 0..milliseconds {
        write(INITIAL_COUNT, slice);
        while read(CURRENT_COUNT) != 0 {
            meanwhile();
        }
    }
    write(LVT_TIMER, TIMER_VECTOR as u32);
}

fn apic_id(cpu: CpuId) -> ApicId {
    firmware::topology()
        .apic_id(cpu)
        .expect("a CpuId is made only for CPUs of the topology")
}

fn send(to: ApicId, command: u32) {
    access().send(to, command);
}

/// Lets the timer run for one slice of the PIT's channel 2 and reads how far it came.
fn measure_slice() -> u32 {
    const CONTROL: u16 = 0x61;
    const COMMAND: u16 = 0x43;
    const COUNTER: u16 = 0x42;
    write(LVT_TIMER, MASKED);
    // Channel 2 drives only the speaker, whose gate stays closed; mode 0 raises its output once.
    let gate = read_byte(CONTROL) & !3;
    write_byte(CONTROL, gate);
    write_byte(COMMAND, 0xb0);
    for byte in SLICE_PIT_TICKS.to_le_bytes() {
        write_byte(COUNTER, byte);
    }
    write(INITIAL_COUNT, u32::MAX);
    write_byte(CONTROL, gate | 1);
    while read_byte(CONTROL) & 0x20 == 0 {
        core::hint::spin_loop();
    }
    let ticks = u32::MAX - read(CURRENT_COUNT);
    write(INITIAL_COUNT, 0);
    write(LVT_TIMER, TIMER_VECTOR as u32);
    ticks.max(1)
}

fn read(offset: u16) -> u32 {
    access().read(offset)
}

fn write(offset: u16, value: u32) {
    access().write(offset, value);
}
