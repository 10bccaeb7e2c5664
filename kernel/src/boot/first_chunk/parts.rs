//! How the reserved and the dynamic pages of every unit are dealt: to programs, and to the kernel itself.

use percpu_core::{AllocInfo, PAGE_SIZE};

use super::chunk;
use crate::boot::options::{self, Options};

/// A range of pages within each unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Its first page, counted from the unit's start.
    pub first_page: u64,
    /// How many there are.
    pub pages: u64,
}

/// The pages for static parts of programs.
pub fn reserved_part() -> Part {
    let info = &chunk().info;
    Part {
        first_page: info.static_size() / PAGE_SIZE,
        pages: info.reserved_size() / PAGE_SIZE,
    }
}

/// The pages of the dynamic part that programs may have: the kernel keeps those in front of them.
pub fn user_dynamic_part() -> Part {
    let info = &chunk().info;
    let kept = kernel_part(info, options::options());
    let start = info.static_size() + info.reserved_size() + kept;
    Part {
        first_page: start / PAGE_SIZE,
        pages: (info.dyn_size() - kept) / PAGE_SIZE,
    }
}

/// The pages of the dynamic part that the kernel keeps.
pub fn kernel_dynamic_part() -> Part {
    let info = &chunk().info;
    Part {
        first_page: (info.static_size() + info.reserved_size()) / PAGE_SIZE,
        pages: kernel_part(info, options::options()) / PAGE_SIZE,
    }
}

/// Bytes of the dynamic part that the kernel keeps: all but a page, at most.
pub fn kernel_part(info: &AllocInfo, options: &Options) -> u64 {
    options.percpu_kernel.min(info.dyn_size() - PAGE_SIZE)
}
