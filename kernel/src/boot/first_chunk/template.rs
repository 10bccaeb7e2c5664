//! Where the linker put the template, and how much of each unit is its.

use core::ops::Range;

use percpu_core::PAGE_SIZE;

use crate::boot::options::Options;

unsafe extern "C" {
    static __per_cpu_start: u8;
    static __per_cpu_end: u8;
}

/// Link addresses of the template, at page borders.
pub fn range() -> Range<u64> {
    (&raw const __per_cpu_start) as u64..(&raw const __per_cpu_end) as u64
}

/// Bytes of the static part: the template's, or more if the command line wants more.
pub fn static_size(options: &Options) -> u64 {
    let template = range();
    debug_assert!(options.percpu_static.is_multiple_of(PAGE_SIZE));
    (template.end - template.start).max(options.percpu_static)
}
