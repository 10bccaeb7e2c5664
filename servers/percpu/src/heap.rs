//! The server's heap: talc over a static array. The only file that names talc.
//!
//! Bounded on purpose: what clients make the server remember is refused when there is no room left, so a
//! larger heap would only put the same refusal off.

use core::cell::UnsafeCell;

use spin::mutex::SpinMutex;
use talc::base::binning::DefaultBinning;
use talc::source::Claim;
use talc::sync::TalcLock;
use userlib::sync::Lending;

const HEAP_BYTES: usize = 1 << 20;

#[repr(C, align(4096))]
struct Storage(UnsafeCell<[u8; HEAP_BYTES]>);

// SAFETY: only the allocator below uses it, under its lock.
unsafe impl Sync for Storage {}

static STORAGE: Storage = Storage(UnsafeCell::new([0; HEAP_BYTES]));

#[global_allocator]
static HEAP: TalcLock<SpinMutex<(), Lending>, Claim, DefaultBinning> =
    // SAFETY: the array lives for ever, and nobody else touches it.
    TalcLock::new(unsafe { Claim::array(STORAGE.0.get()) });
