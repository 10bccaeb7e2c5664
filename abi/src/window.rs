//! Where a program's window lies, and what its header pages say.
//!
//! A window is one range of user address space with one unit per possible CPU:
//! `unit base of CPU c = WINDOW_BASE + c * stride`. Base and stride are the same in every program, so the
//! user GS base is a constant of the CPU. Page 0 of each unit is the header page: the kernel's, read-only,
//! the same frame in every program. From page 1 on comes the program's static part, then its regions.

/// The first unit's address in every program.
pub const WINDOW_BASE: u64 = 0x1000_0000_0000;

/// Bytes from one unit to the next unless the boot command line says otherwise.
pub const DEFAULT_STRIDE: u64 = 64 << 20;

/// The window page at which a program's static part starts; its per-CPU section is linked at this page's
/// offset.
pub const STATIC_FIRST_PAGE: u64 = 1;

/// The type of the program header that holds the static part's template. No loader maps it as memory.
pub const TEMPLATE_SEGMENT_TYPE: u32 = 0x6ca5_ad01;

/// Offsets of the header's words (each 8 bytes) in page 0 of a unit.
pub mod header {
    /// This unit's address: `mov reg, gs:[UNIT_BASE]` tells where the caller was when it read it.
    pub const UNIT_BASE: u64 = 0;
    /// This unit's CPU.
    pub const CPU: u64 = 8;
    /// The node of this unit's CPU.
    pub const NODE: u64 = 16;
    /// Number of possible CPUs: units in the window.
    pub const POSSIBLE_CPUS: u64 = 24;
    /// Number of CPUs online.
    pub const ONLINE_CPUS: u64 = 32;
    /// Grows whenever a CPU goes, before anything of it moves, and when one has come.
    pub const TOPOLOGY_GENERATION: u64 = 40;
    /// Bytes from one unit to the next.
    pub const STRIDE: u64 = 48;
    /// [`crate::ABI_VERSION`].
    pub const VERSION: u64 = 56;
    /// Number of nodes.
    pub const NODES: u64 = 64;
    /// 1 when this unit's CPU is online, else 0: also while it is about to go.
    pub const ONLINE: u64 = 72;
}
