//! Slab objects and stacks, driven from CPU to CPU: no object is ever in two hands, and all come back.

mod sequence;

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::checks::Checks;
use userlib::random::Random;
use userlib::slab::SlabBox;
use userlib::sync::{Mutex, Once};
use userlib::{Allocator, PerCpuSlab, crowd};

const ROUNDS: u64 = 30_000;
const BOARD: usize = 48;
/// More than a stack holds, so that objects go to the depot and come back.
const HEAP: usize = 150;

static ALLOCATOR: Once<Allocator> = Once::new();
static SLAB: Once<PerCpuSlab<'static, Counted>> = Once::new();
static MAILBOXES: [Mutex<Option<SlabBox<'static, Counted>>>; BOARD] = [const { Mutex::new(None) }; BOARD];
static LIVE: AtomicU64 = AtomicU64::new(0);

/// Knows whether it is dropped as often as it is made; aligned, so that this is checked too.
#[repr(align(64))]
struct Counted {
    owner: u64,
    mark: u64,
}

impl Counted {
    fn new(owner: u64, mark: u64) -> Counted {
        LIVE.fetch_add(1, Ordering::Relaxed);
        Counted { owner, mark }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        LIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

pub fn check(checks: &mut Checks) {
    let allocator = ALLOCATOR.try_call_once(Allocator::new);
    let slab = allocator.and_then(|allocator| SLAB.try_call_once(|| PerCpuSlab::new(allocator)));
    if checks.success("slab", slab).is_none() {
        return;
    }
    sequence::check(checks);
    checks.equal("slab-crowd", crowd::run(work), Ok(0));
    for mailbox in &MAILBOXES {
        drop(mailbox.lock().take());
    }
    checks.equal("slab-intact", SLAB.get().map(PerCpuSlab::verify), Some(Ok(())));
    checks.equal("slab-all-dropped", LIVE.load(Ordering::Relaxed), 0);
}

fn work(thread: usize) -> u64 {
    let Some(slab) = SLAB.get() else { return 1 };
    let mut random = Random::new(thread as u64);
    let mut wrong = 0;
    for round in 0..ROUNDS {
        if round % 64 == 0 {
            crowd::drive();
        }
        let Ok(mut object) = slab.allocate(Counted::new(thread as u64, round)) else {
            return wrong + 1;
        };
        let address = core::hint::black_box((&raw const *object).addr());
        wrong += u64::from(!address.is_multiple_of(64));
        object.mark += 1;
        // Nobody else has it: what was written is still there after a while.
        core::hint::black_box(&mut object);
        wrong += u64::from((object.owner, object.mark) != (thread as u64, round + 1));
        let mailbox = &MAILBOXES[random.below(BOARD as u64) as usize];
        let found = mailbox.lock().replace(object);
        drop(found);
        if round % 4_096 == 0 {
            wrong += heap(slab, thread as u64);
        }
    }
    wrong
}

/// Many at once.
fn heap(slab: &'static PerCpuSlab<'static, Counted>, thread: u64) -> u64 {
    let mut objects = [const { None }; HEAP];
    for (mark, place) in (0..).zip(&mut objects) {
        *place = slab.allocate(Counted::new(thread, mark)).ok();
    }
    let whole = (0..).zip(&objects).filter(|(mark, object)| {
        object
            .as_ref()
            .is_some_and(|object| (object.owner, object.mark) == (thread, *mark))
    });
    (HEAP - whole.count()) as u64
}
