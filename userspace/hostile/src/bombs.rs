//! Processes that make processes, and pages that go while another CPU uses them.

use userlib::abi::syscall::{End, Placement, access};
use userlib::abi::{Rights, Status};
use userlib::checks::Checks;
use userlib::memory::{Mapping, Memory};
use userlib::process::{self, CODE_ADDRESS, Child};
use userlib::thread::{self, Place};
use userlib::{Refusal, println, start};

use crate::child::{self, DATA_ADDRESS};
use crate::machine_code;

/// Frames of a bomb.
const FRAMES: u64 = 1000;
/// How often everybody else has a turn, since a bomb has grown, before it is ended.
const TURNS: u64 = 200;
/// How often it is looked whether all others are gone.
const MOST_LOOKS: u64 = 3000;
/// How often a page is taken from those who use it.
const ROUNDS: u64 = 40;

/// Tries everything in this file. Before there were so many processes.
pub fn try_all(checks: &mut Checks, processes: u64) -> Result<(), Refusal> {
    for (name, kind) in [("fork-bomb-tree", 0), ("fork-bomb-chain", 1)] {
        let most = bomb(kind, processes)?;
        println!("hostile: {name} of {most} processes");
        checks.that(name, most > 8, format_args!("only {most} processes"));
    }
    let mut wrong = 0;
    for _ in 0..ROUNDS {
        wrong += u64::from(!unmap_in_use()?);
    }
    println!("hostile: {ROUNDS} pages taken from whoever used them");
    checks.equal("pages-in-use-go", wrong, 0);
    Ok(())
}

/// How many processes there were at most, beside those before.
fn bomb(kind: u64, before: u64) -> Result<u64, Refusal> {
    let machine = start::info().handover.machine;
    let processes = || process::machine_stats(machine).map(|stats| stats.objects[0]);
    // Those of the attack before are not all gone yet.
    for _ in 0..MOST_LOOKS {
        if processes()? <= before {
            break;
        }
        thread::yield_now();
    }
    let child = Child::create(FRAMES, "hostile-bomb")?;
    let code = Memory::create(process::own(), 1, Placement::Anywhere)?;
    let mut page = Mapping::new(code)?;
    let bytes = machine_code::bomb();
    page.as_mut_slice()[..bytes.len()].copy_from_slice(bytes);
    let code = page.unmap().expect("a mapping made of memory has it");
    child.grant(child.process(), Rights::ALL, 0)?;
    child.grant(code.handle(), Rights::ALL, 0)?;
    child.map(&code, CODE_ADDRESS, access::EXECUTE)?;
    child.start_at(Place::Anywhere, [CODE_ADDRESS, 0, kind])?;
    let (mut most, mut still) = (0, 0);
    while still < TURNS {
        thread::yield_now();
        let now = processes()?.saturating_sub(before);
        still = if now > most { 0 } else { still + 1 };
        most = most.max(now);
        // Whoever is beside a bomb can still make things.
        child::make()?.let_go()?;
    }
    child.let_go()?;
    Ok(most)
}

/// Takes a page from a process on some CPU; whether that ended it at this page, and nothing else happened.
fn unmap_in_use() -> Result<bool, Refusal> {
    let child = child::make()?;
    child.map_code(machine_code::touch())?;
    let data = Memory::create(child.process(), 1, Placement::Anywhere)?;
    child.map(&data, DATA_ADDRESS, access::WRITE)?;
    for _ in 0..3 {
        child.start_at(Place::Anywhere, [CODE_ADDRESS, 0, 0])?;
    }
    (0..4).for_each(|_| thread::yield_now());
    child.unmap(DATA_ADDRESS, 1)?;
    // What was there is ours alone now, and nobody writes to it any more.
    let mapping = Mapping::new(data)?;
    let word = || mapping.words()[0].load(core::sync::atomic::Ordering::SeqCst);
    let before = word();
    let end = process::wait(child.process())?;
    let is_still = word() == before;
    drop(mapping.unmap());
    let again = child.unmap(DATA_ADDRESS, 1);
    child.let_go()?;
    let is_it = matches!(
        end,
        End::Faulted {
            vector: 14,
            address: DATA_ADDRESS,
            ..
        }
    );
    let is_refused = again == Err(Refusal::new(Status::ProcessEnded));
    Ok(is_it && is_still && is_refused)
}
