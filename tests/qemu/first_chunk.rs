//! The first chunk, checked from outside on machines of every shape: against `percpu-core` on the host,
//! against the machine that the launcher laid out, and against the registers that QEMU shows.

mod places;
mod reports;

use libtest_mimic::{Failed, Trial};

use crate::lab::check;
use crate::machines::{self, Case};
use crate::witness::Witness;

pub use places::gs_bases;

type Check = fn(&Case, &Witness) -> Result<(), Failed>;

const CHECKS: [(&str, Check); 13] = [
    ("is_built_by_whom_it_should", builder),
    ("is_shaped_as_the_host_shapes_it", reports::shape),
    ("reports_the_line_that_linux_reports", reports::line),
    ("tells_which_cpus_have_no_memory", reports::memoryless),
    ("tells_which_units_are_remote", reports::remote),
    ("accounts_for_every_frame", reports::frames),
    ("gives_back_what_the_host_finds_spare", reports::given_back),
    ("tells_which_cpus_are_online", reports::online),
    ("puts_groups_where_their_memory_is", places::placement),
    ("keeps_every_unit_on_its_cpus_node", places::nodes),
    ("keeps_units_apart", places::disjoint),
    ("knows_its_addresses", places::addresses),
    ("is_what_every_gs_base_points_to", |_, seen| gs_bases(seen)),
];

pub fn trials() -> Vec<Trial> {
    let trial = |case: &'static Case, (name, check): (&str, Check)| {
        Trial::test(format!("first_chunk::{}::{name}", case.name), move || {
            check(case, case.witness()?)
        })
    };
    let cases = machines::all().iter();
    cases
        .flat_map(|case| CHECKS.map(|check| trial(case, check)))
        .collect()
}

fn builder(case: &Case, seen: &Witness) -> Result<(), Failed> {
    let builder = &seen.chunk.builder;
    let promise = format!("built by {} ({}), not {builder:?}", case.builder, case.why);
    check(
        builder.name == case.builder && builder.why == case.why,
        promise,
        &seen.transcript,
    )
}
