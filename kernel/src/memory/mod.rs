//! Physical memory by node, the kernel's own page table and heap, and the address spaces of programs.

#[expect(unsafe_code, reason = "follows page tables through the physical map")]
pub mod address_space;
#[expect(unsafe_code, reason = "clears frames through the physical map")]
pub mod frame;
#[expect(unsafe_code, reason = "gives frames to the heap")]
pub mod heap;
#[expect(unsafe_code, reason = "replaces the page table that the kernel runs on")]
pub mod kernel_map;
#[expect(
    unsafe_code,
    reason = "reads and writes page-table entries through the physical map"
)]
pub mod table;
#[expect(unsafe_code, reason = "copies between the kernel and frames of programs")]
pub mod user;

/// Where all physical memory is mapped, from address 0 on. Also the start of the kernel's half.
pub const PHYSICAL_OFFSET: u64 = 0xffff_8000_0000_0000;

/// Before the kernel has its own page table, the physical map reaches at least here: as far as the PVH door maps, and
/// no farther than the other one does.
pub const MAPPED_AT_BOOT: u64 = 4 << 30;

/// The address of physical memory in the physical map. Whether anything is there, the caller knows.
pub fn physical_pointer(physical: u64) -> *mut u8 {
    PHYSICAL_OFFSET.wrapping_add(physical) as *mut u8
}
