//! Selion's kernel: CPUs, memory by node, address spaces, threads, messages, and every CPU's own memory.
//!
//! The module list is the map of unsafe code: a module that is not opened for it here, or in the list of its
//! folder, has none.
#![no_std]
#![no_main]

extern crate alloc;
// Lints run on the host, where crates of host programs bring std into the kernel's dependencies.
#[cfg(not(target_os = "none"))]
extern crate std;

mod boot;
mod console;
mod cpu;
mod debug_exit;
mod fault;
mod hotplug;
mod ipc;
mod levels;
mod mailbox;
mod memory;
mod object;
#[expect(unsafe_code, reason = "reads control registers and return addresses")]
mod panic;
#[expect(unsafe_code, reason = "turns template addresses into this CPU's copies")]
mod percpu;
mod refusal;
mod schedule;
mod sync;
mod syscall;

use bootloader_api::BootInfo;
use percpu_core::CpuId;

use crate::boot::info::Memory;
use crate::boot::{firmware, first_chunk, module, options, self_test, servers, smp};
use crate::memory::{frame, kernel_map};

/// The boot walk. Each step needs what the ones above it return or have made.
#[expect(unsafe_code, reason = "installs the boot CPU's GS base")]
fn kernel_main(boot_info: &'static mut BootInfo) -> ! {
    // First, so that everything after it can say what it finds.
    console::initialize();
    module::keep(boot_info);
    let options = options::options();
    let memory = Memory::read(boot_info);
    // Before frames, because frames belong to nodes; it needs no memory of its own.
    let topology = firmware::read(boot_info);
    frame::initialize(&memory, topology);
    // Before anything large: only now is memory above 4 GiB within reach.
    kernel_map::initialize(&memory, firmware::devices());
    first_chunk::build(topology, options);
    cpu::node::hand_over(topology);
    first_chunk::check_no_write_was_lost();
    // SAFETY: 1. the first chunk was just built. 2. No other CPU runs yet.
    unsafe { cpu::gs::install(CpuId::BOOT) };
    // From here on per-CPU variables work, and a panic tells its CPU.
    sync::start_checking();
    self_test::end_early(options);
    cpu::initialize();
    smp::start_others(memory.start_page);
    first_chunk::report_online(options);
    servers::start();
    self_test::hang(options);
    self_test::misuse_locks(options);
    schedule::run()
}
