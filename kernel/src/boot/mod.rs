//! From the boot door to the first program.

pub mod accounting;
#[expect(unsafe_code, reason = "reads firmware tables where firmware says they are")]
pub mod firmware;
pub mod first_chunk;
pub mod info;
#[expect(unsafe_code, reason = "reads the boot module where the loader put it")]
pub mod module;
pub mod options;
#[expect(unsafe_code, reason = "entered by the loader")]
mod pvh;
#[expect(unsafe_code, reason = "breaks the CPU on purpose")]
pub mod self_test;
pub mod servers;
#[expect(unsafe_code, reason = "gives each CPU its GS base")]
pub mod smp;
#[expect(
    unsafe_code,
    reason = "writes the code and page table that other CPUs start with"
)]
mod trampoline;
#[expect(unsafe_code, reason = "entered by the loader, on a stack that does not last")]
mod uefi;
