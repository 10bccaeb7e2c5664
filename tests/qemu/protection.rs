//! What keeps programs and the kernel apart, checked from outside: the kernel's page table, and the control
//! registers of every CPU.

use libtest_mimic::{Failed, Trial};

use crate::lab::check;
use crate::machines::case;
use crate::witness::Witness;

/// CR0: read-only pages are so for the kernel, too.
const WRITE_PROTECT: u64 = 1 << 16;
/// CR0: a use of the FPU faults, where no thread with FPU state runs. TS.
const NO_FPU: u64 = 1 << 3;
/// CR4, of CPUs that have them: UMIP, FSGSBASE, SMEP, SMAP.
const NEWER: u64 = 1 << 11 | 1 << 16 | 1 << 20 | 1 << 21;
/// EFER: pages can forbid execution.
const NO_EXECUTE: u64 = 1 << 11;

pub fn trials() -> Vec<Trial> {
    let each = |(shape, newer): (&'static str, u64)| {
        let shared = move || case(shape).witness();
        [
            Trial::test(
                format!("protection::{shape}::no_kernel_page_is_writable_and_executable"),
                move || pages(shared()?),
            ),
            Trial::test(format!("protection::{shape}::every_cpu_has_it_on"), move || {
                control(shared()?, newer)
            }),
        ]
    };
    [("4_on_2+2", NEWER), ("qemu64", 0), ("uefi", NEWER)]
        .into_iter()
        .flat_map(each)
        .collect()
}

fn pages(seen: &Witness) -> Result<(), Failed> {
    let run = &seen.transcript;
    let has = |what: fn(&selion_tests::Page) -> bool| seen.kernel_pages.iter().any(what);
    let some = has(|page| page.is_writable) && has(|page| page.is_executable);
    check(some, "the kernel has pages for data and pages for code", run)?;
    for page in &seen.kernel_pages {
        let promise = format!("not both writable and executable, and nothing for programs: {page:x?}");
        let wrong = page.is_user || page.is_writable && page.is_executable;
        check(!wrong, promise, run)?;
    }
    Ok(())
}

fn control(seen: &Witness, newer: u64) -> Result<(), Failed> {
    for (cpu, registers) in seen.registers.iter().enumerate() {
        for (name, got, wanted) in [
            ("CR0", registers.cr0, WRITE_PROTECT | NO_FPU),
            ("CR4", registers.cr4, newer),
            ("EFER", registers.efer, NO_EXECUTE),
        ] {
            let promise = format!("CPU {cpu}: {name} has {wanted:#x} set, not {got:#x}");
            check(got & wanted == wanted, promise, &seen.transcript)?;
        }
    }
    Ok(())
}
