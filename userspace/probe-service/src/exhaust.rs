//! A node with so little memory that its frames are used up, on a machine that has enough elsewhere.

use userlib::abi::percpu::PercpuError;
use userlib::abi::{PAGE_SIZE, Status};
use userlib::checks::Checks;
use userlib::percpu::{self, Error, Populate, Region};
use userlib::workload::Books;
use userlib::{Refusal, println, supervisor, thread};

/// Pages of each region.
const PAGES: u64 = 256;
/// How often pages are wanted that just came back.
const TURNS: u64 = 40;
/// How often others may run before that.
const WAIT: u64 = 3;
/// Regions that are made at most.
const MOST_REGIONS: usize = 60;

/// `exhaust NODE`: checks what happens when this node has no frames left.
pub fn run(node: u64) -> u64 {
    let mut checks = Checks::new();
    let done = check(&mut checks, node);
    checks.equal("exhausted-and-back", done, Ok(()));
    checks.code()
}

fn create(pages: u64, populate: Populate) -> Result<Region, Error> {
    Region::create(pages * PAGE_SIZE, populate, "exhaust")
}

/// Pages that just came back are wanted at once, for something else: their memory has to go back to the kernel first, while
/// the percpu server clears it because nobody has it.
fn regain(region: &mut Option<Region>) -> Result<(), Error> {
    for populate in [Populate::OnTouch, Populate::All] {
        let before = region.take().ok_or(Refusal::new(Status::BadArgument))?;
        let at = before.pages() / 2;
        if populate == Populate::OnTouch {
            // Until it has begun with some of them.
            before.depopulate(0, at)?;
            (0..WAIT).for_each(|_| thread::give_way());
        }
        before.destroy()?;
        *region = Some(create(PAGES, populate)?);
    }
    Ok(())
}

fn check(checks: &mut Checks, node: u64) -> Result<(), Error> {
    supervisor::set_quota(1 << 20)?;
    let before = (Books::now()?, supervisor::frames()?);
    let none = create(PAGES, Populate::None)?;
    let mut regions = [const { None }; MOST_REGIONS];
    let mut refusal = None;
    for region in &mut regions {
        match create(PAGES, Populate::All) {
            Ok(made) => *region = Some(made),
            Err(error) => {
                refusal = Some(error);
                break;
            }
        }
    }
    let exhausted = Error::Refused(PercpuError::NodeExhausted(node));
    println!("exhaust: {} regions", regions.iter().flatten().count());
    checks.equal("node-exhausted", refusal, Some(exhausted));
    // What is refused is refused whole, on all nodes.
    let full = (Books::now()?, supervisor::frames()?);
    checks.equal(
        "create-again",
        create(PAGES, Populate::All).err(),
        Some(exhausted),
    );
    checks.equal("populate", none.populate(0, PAGES), Err(exhausted));
    checks.equal("touch", create(PAGES, Populate::OnTouch).err(), Some(exhausted));
    let page = none.populated(PAGES / 2)?;
    checks.equal("nothing-populated", page.0, [0; 4]);
    checks.equal("nothing-taken", (Books::now()?, supervisor::frames()?), full);
    let one = regions[0].take().ok_or(Refusal::new(Status::BadArgument))?;
    one.destroy()?;
    checks.equal("populate-after-one", none.populate(0, PAGES), Ok(()));
    checks.equal("full-again", create(PAGES, Populate::All).err(), Some(exhausted));
    let regained = (0..TURNS).try_for_each(|_| regain(&mut regions[1]));
    checks.equal("refused-only-when-it-is-true", regained, Ok(()));
    for region in regions.into_iter().flatten() {
        region.destroy()?;
    }
    none.destroy()?;
    checks.equal("destroyed", create(PAGES, Populate::All)?.destroy(), Ok(()));
    let after = (Books::now()?, supervisor::frames()?);
    checks.equal("all-is-back", after, before);
    checks.equal("server-lives", supervisor::restarts()?, 0);
    percpu::stats().map(drop)
}
