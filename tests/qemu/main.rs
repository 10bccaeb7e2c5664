//! Boots real machines and checks what the system promises, one trial for each promise.
//!
//! Trials that need the same machine share one boot, named in `lab.rs`. Nothing is built before the first
//! trial runs, so `--list` is quick. A missing tool is a failure, not a reason to skip.

mod bench;
mod boots;
mod builders;
mod code;
mod counter;
mod device;
mod endings;
mod firmware;
mod first_chunk;
mod isolation;
mod lab;
mod launcher;
mod locks;
mod machines;
mod moments;
mod nmi;
mod offline;
mod options;
mod outside;
mod placement;
mod probes;
mod protection;
mod service;
mod setup_checks;
mod template;
mod topology;
mod uefi;
mod up;
mod userlib;
mod witness;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let trials = [
        code::trials(),
        endings::trials(),
        locks::trials(),
        launcher::trials(),
        boots::trials(),
        first_chunk::trials(),
        builders::trials(),
        options::trials(),
        template::trials(),
        up::trials(),
        uefi::trials(),
        setup_checks::trials(),
        topology::trials(),
        firmware::trials(),
        counter::trials(),
        bench::trials(),
        outside::trials(),
        moments::trials(),
        placement::trials(),
        nmi::trials(),
        protection::trials(),
        isolation::trials(),
        probes::trials(),
        device::trials(),
        userlib::trials(),
        service::trials(),
        offline::trials(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit();
}
