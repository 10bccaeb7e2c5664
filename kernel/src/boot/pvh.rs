//! The PVH door: from QEMU's `-kernel` into `kernel_main`, with the same `BootInfo` as from UEFI.
//!
//! The loader enters in 32-bit protected mode without paging, `ebx` pointing to the start_info structure
//! (Xen's x86/HVM direct boot ABI). The page tables here map the first 4 GiB three times (at 0, at the physical-memory
//! offset, and at the kernel's base). The code enters long mode on them, and then tells in
//! bootloader_api's words what start_info says. Its memory map does not exclude the kernel, the module nor
//! start_info itself: that happens in [`crate::boot::info`].

use core::arch::global_asm;
use core::mem::MaybeUninit;

use bootloader_api::BootInfo;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind, MemoryRegions, Optional};
use pvh::start_info::MemmapType;
use pvh::start_info::reader::StartInfoReader;

use crate::boot::options;
use crate::memory::PHYSICAL_OFFSET;
use crate::memory::kernel_map;

const MAX_REGIONS: usize = 64;
/// Link address minus load address, as QEMU loads the image.
const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;

unsafe extern "C" {
    /// The physical address of the 32-bit entry; the linker script computes it.
    fn pvh_start_physical() -> !;
}

pvh::xen_elfnote_phys32_entry!(pvh_start_physical);

global_asm!(
    r#"
    .section .boot.text, "ax"
    .code32
    .global pvh_start
pvh_start:
    cli
    cld
    mov esp, offset boot_stack_top - 0xffffffff80000000
    mov edi, ebx
    mov ebx, offset boot_pml4 - 0xffffffff80000000
    mov cr3, ebx
    /* PAE; long mode and no-execute as far as this CPU has them; paging and write protection. */
    mov eax, 0x20
    mov cr4, eax
    mov ecx, 0xc0000080
    rdmsr
    or eax, 0x100
    wrmsr
    mov eax, 0x80010011
    mov cr0, eax
    mov eax, offset boot_gdtr - 0xffffffff80000000
    lgdt [eax]
    push 8
    mov eax, offset pvh_start64 - 0xffffffff80000000
    push eax
    retf

    .code64
pvh_start64:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    movabs rax, offset pvh_high
    jmp rax
pvh_high:
    movabs rsp, offset boot_stack_top
    xor ebp, ebp
    mov edi, edi
    call {main}
    ud2

    .balign 8
boot_gdt:
    .quad 0
    .quad 0x00af9a000000ffff
    .quad 0x00cf92000000ffff
boot_gdtr:
    .short 23
    .long boot_gdt - 0xffffffff80000000
    .long 0

    .section .data.boot, "aw"
    .balign 4096
boot_pml4: /* at 0, at the physical-memory offset, and for the kernel */
    .quad boot_pdpt - 0xffffffff80000000 + 3
    .fill 255, 8, 0
    .quad boot_pdpt - 0xffffffff80000000 + 3
    .fill 254, 8, 0
    .quad boot_kernel_pdpt - 0xffffffff80000000 + 3
boot_pdpt: /* 4 GiB */
    .set boot_table, boot_pd - 0xffffffff80000000 + 3
    .quad boot_table, boot_table + 0x1000, boot_table + 0x2000, boot_table + 0x3000
    .fill 508, 8, 0
boot_kernel_pdpt:
    .fill 510, 8, 0
    .quad boot_table, 0
boot_pd: /* in pages of 2 MiB, present and writable */
    .set boot_page, 0x83
    .rept 2048
    .quad boot_page
    .set boot_page, boot_page + 0x200000
    .endr

    .section .bss.boot, "aw", @nobits
    .balign 16
boot_stack: .skip 131072
    .global boot_stack_top
boot_stack_top:
"#,
    main = sym pvh_main,
);

static mut REGIONS: [MemoryRegion; MAX_REGIONS] = [MemoryRegion::empty(); MAX_REGIONS];
static mut BOOT_INFO: MaybeUninit<BootInfo> = MaybeUninit::uninit();

/// Translates start_info. Runs once, on the boot CPU, on the page tables made above.
extern "C" fn pvh_main(start_info: u32) -> ! {
    // SAFETY: the loader passed this address in ebx, and the first 4 GiB are mapped one to one.
    let reader = unsafe { StartInfoReader::from_paddr_identity(start_info) };
    let reader = reader.expect("entered by a PVH loader");
    if let Some(text) = reader.cmdline() {
        options::keep(text.to_bytes());
    }
    let regions = &raw mut REGIONS;
    // SAFETY: this function runs once, and nothing else names the static.
    let regions = unsafe { &mut *regions };
    let mut count = 0;
    for (slot, entry) in regions.iter_mut().zip(reader.memmap()) {
        slot.start = entry.addr;
        slot.end = entry.addr.saturating_add(entry.size);
        slot.kind = match entry.ty() {
            MemmapType::Ram => MemoryRegionKind::Usable,
            _ => MemoryRegionKind::UnknownBios(entry.ty),
        };
        count += 1;
    }
    let mut info = BootInfo::new(MemoryRegions::from(&mut regions[..count]));
    info.physical_memory_offset = Optional::Some(PHYSICAL_OFFSET);
    info.rsdp_addr = match reader.raw().rsdp_paddr {
        0 => Optional::None,
        address => Optional::Some(address),
    };
    if let Some(module) = reader.modlist().next() {
        let module = module.as_slice();
        info.ramdisk_addr = Optional::Some(PHYSICAL_OFFSET + module.as_ptr() as u64);
        info.ramdisk_len = module.len() as u64;
    }
    let image = kernel_map::image();
    info.kernel_addr = image.start - KERNEL_BASE;
    info.kernel_len = image.end - image.start;
    let kept = &raw mut BOOT_INFO;
    // SAFETY: as for REGIONS.
    let info = unsafe { (*kept).write(info) };
    crate::kernel_main(info)
}
