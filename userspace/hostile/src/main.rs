//! Tries everything to harm others: instructions that are the kernel's, every interrupt vector, registers that no
//! return should bear, random calls by the hundred thousand, floods of every kind of object, fork bombs, and pages that go
//! while another CPU uses them. Beside it threads on every CPU count and compute; in the end they are right to the
//! last digit, and frames, heap and objects are what they were.
//!
//! `hostile:SEED` for another seed, `hostile:SEED,CALLS` for more or fewer random calls.
#![no_std]
#![no_main]

mod bombs;
#[expect(unsafe_code, reason = "registers of the FPU")]
mod bystander;
mod child;
#[expect(unsafe_code, reason = "threads without a stack, and registers of the FPU")]
mod floods;
mod instructions;
#[expect(unsafe_code, reason = "machine code for other processes")]
mod machine_code;
mod storm;

use userlib::abi::Handle;
use userlib::checks::Checks;
use userlib::notification::Notification;
use userlib::{Refusal, census, entry, ipc, println, process, start};

entry!(main);

/// Random calls, unless the argument says otherwise.
const CALLS: u64 = 1_000_000;

fn main() -> Result<u64, Refusal> {
    let argument = start::argument();
    if let Some(kind) = argument.strip_prefix("launched ") {
        return Ok(floods::flood(kind));
    }
    let (seed, calls) = argument.split_once(',').unwrap_or((argument, ""));
    let seed = seed.parse().unwrap_or(1);
    let calls = calls.parse().unwrap_or(CALLS);
    println!("hostile: seed {seed}, {calls} random calls");
    let mut checks = Checks::new();
    let first = census::now()?;
    // What is made once and kept, such as room in tables, is made before anything is counted.
    widen_table()?;
    bystander::start()?.check(&mut Checks::new())?;
    attack(&mut Checks::new(), seed, 1000)?;
    let before = census::quiet(&first)?;
    checks.equal("nothing-is-left", before.objects, first.objects);
    let bystanders = bystander::start()?;
    attack(&mut checks, seed, calls)?;
    bystanders.check(&mut checks)?;
    let after = census::settled(&before)?;
    checks.that(
        "frames-heap-and-objects-are-back",
        census::is_back(&before, &after),
        format_args!("{after:?}, and before {before:?}"),
    );
    Ok(checks.code())
}

/// Lets this program's table grow to what it will need at most: it never shrinks.
fn widen_table() -> Result<(), Refusal> {
    let mut made = [Handle::NONE; 200];
    for handle in &mut made {
        *handle = Notification::create()?.0;
    }
    made.into_iter().try_for_each(ipc::drop_capability)
}

fn attack(checks: &mut Checks, seed: u64, calls: u64) -> Result<(), Refusal> {
    let processes = process::machine_stats(start::info().handover.machine)?.objects[0];
    instructions::try_all(checks)?;
    storm::rage(checks, seed, calls)?;
    floods::try_all(checks)?;
    bombs::try_all(checks, processes)
}
