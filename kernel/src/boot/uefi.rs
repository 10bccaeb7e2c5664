//! The UEFI door: from the `bootloader` crate's loader into `kernel_main`.
//!
//! The loader reads its wishes from a section of this ELF, puts the image into whatever frames are free,
//! maps it where it is linked and all physical memory where the kernel's own map will have it, and calls
//! with the memory map and the RSDP. Its stack and its page table do not outlive the kernel's first page
//! table, so the door goes over to the stack in the image at once. A command line has to come in the module.

use core::arch::asm;

use bootloader_api::config::Mapping;
use bootloader_api::{BootInfo, BootloaderConfig};

use crate::memory::PHYSICAL_OFFSET;

const CONFIG: BootloaderConfig = {
    let mut config = BootloaderConfig::new_default();
    config.mappings.physical_memory = Some(Mapping::FixedAddress(PHYSICAL_OFFSET));
    config
};
const IA32_GS_BASE: u32 = 0xc000_0101;
bootloader_api::entry_point!(enter, config = &CONFIG);

fn enter(info: &'static mut BootInfo) -> ! {
    // SAFETY: 1. the stack in the image is used by one door only, and this is the one. 2. Interrupts are off
    // before the stack changes: firmware's handlers are not mapped any more. 3. CR4 and CR0 get what every
    // other CPU starts with, instead of what firmware liked: what long mode and paging need, and write
    // protection. 4. The GS base is 0 until the first chunk is there, as through the other door.
    unsafe {
        asm!(
            "cli",
            "cld",
            "mov eax, 0x20",
            "mov cr4, rax",
            "mov eax, 0x80010011",
            "mov cr0, rax",
            "mov ecx, {gs_base}",
            "xor eax, eax",
            "xor edx, edx",
            "wrmsr",
            "lea rsp, [rip + boot_stack_top]",
            "xor ebp, ebp",
            "call {main}",
            "ud2",
            main = sym main,
            gs_base = const IA32_GS_BASE,
            in("rdi") info,
            options(noreturn)
        )
    }
}

extern "C" fn main(info: &'static mut BootInfo) -> ! {
    crate::kernel_main(info)
}
