//! The state of the FPU, SSE and AVX: a thread's own, from its first such instruction on.
//!
//! A thread without state runs with CR0.TS set, so that its first FPU instruction is an exception (SDM volume
//! 3, section 13.4) and gives it one. A thread with state runs with TS clear and its state in the registers; it is saved
//! when the thread leaves the CPU and loaded when it comes to one. So TS says whether the running thread has
//! state, and is left alone between threads that have none. The kernel itself uses no such instruction.
//!
//! The state is kept by XSAVE, and by FXSAVE on a CPU without it.

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use core::arch::asm;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, Ordering};

use x86_64::registers::control::{Cr0, Cr0Flags};

/// x87, SSE and AVX in the standard form: 512 + 64 + 256 bytes (SDM volume 1, section 13.4).
const BYTES: usize = 832;
/// What XSAVE wants.
const ALIGN: usize = 64;
const CONTROL_WORD: (usize, u16) = (0, 0x37f);
const MXCSR: (usize, u32) = (24, 0x1f80);

/// Whether the CPUs have XSAVE: the same on every one.
static HAS_XSAVE: AtomicBool = AtomicBool::new(false);

/// The state of one thread. For the assembly of messages it is one word, the address.
#[repr(transparent)]
pub struct State(NonNull<u8>);

// SAFETY: it owns the memory that it points to.
unsafe impl Send for State {}

/// Says how states are kept, on every CPU before it runs a thread.
pub fn initialize(has_xsave: bool) {
    HAS_XSAVE.store(has_xsave, Ordering::Relaxed);
}

/// Whether states are kept by XSAVE.
pub fn has_xsave() -> bool {
    HAS_XSAVE.load(Ordering::Relaxed)
}

impl State {
    const LAYOUT: Layout = match Layout::from_size_align(BYTES, ALIGN) {
        Ok(layout) => layout,
        Err(_) => panic!("a power of two"),
    };

    /// What a program may expect at its start: everything masked and empty. None without heap for it.
    pub fn new() -> Option<State> {
        // SAFETY: the layout is not empty.
        let state = State(NonNull::new(unsafe { alloc_zeroed(Self::LAYOUT) })?);
        let base = state.0.as_ptr();
        // SAFETY: both lie within the memory just allocated, aligned.
        unsafe { base.add(CONTROL_WORD.0).cast::<u16>().write(CONTROL_WORD.1) };
        // SAFETY: as above.
        unsafe { base.add(MXCSR.0).cast::<u32>().write(MXCSR.1) };
        Some(state)
    }

    /// Saves the registers of the thread that leaves this CPU, and closes the FPU.
    pub fn save(&mut self) {
        let area = self.0.as_ptr();
        // SAFETY: TS is clear, since the running thread has a state; the area is large enough for the parts
        // that XCR0 allows, and aligned.
        unsafe {
            match has_xsave() {
                true => {
                    asm!("xsave64 [{}]", in(reg) area, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack))
                }
                false => asm!("fxsave64 [{}]", in(reg) area, options(nostack)),
            }
        }
        // SAFETY: only makes FPU instructions fault.
        unsafe { Cr0::update(|cr0| cr0.insert(Cr0Flags::TASK_SWITCHED)) };
    }

    /// Opens the FPU, and loads the registers of the thread that comes to this CPU.
    pub fn load(&self) {
        let area = self.0.as_ptr();
        // SAFETY: what is loaded was saved by `save` or the assembly of messages, or made by `new`; user code cannot
        // reach it, so nothing in it is reserved.
        unsafe {
            asm!("clts", options(nostack, nomem));
            match has_xsave() {
                true => {
                    asm!("xrstor64 [{}]", in(reg) area, in("eax") u32::MAX, in("edx") u32::MAX, options(nostack))
                }
                false => asm!("fxrstor64 [{}]", in(reg) area, options(nostack)),
            }
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: allocated by `new` with this layout, and owned.
        unsafe { dealloc(self.0.as_ptr(), Self::LAYOUT) };
    }
}
