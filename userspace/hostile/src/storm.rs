//! Random calls: every number, with words that are handles, addresses, edges, or anything.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::syscall::{Placement, access};
use userlib::abi::window::WINDOW_BASE;
use userlib::abi::{Handle, PAGE_SIZE, Rights};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::memory::{Mapping, Memory};
use userlib::notification::Notification;
use userlib::process::{CODE_ADDRESS, Child};
use userlib::random::Random;
use userlib::thread::Place;
use userlib::{Refusal, println, start, thread};

use crate::child::{self, DATA_ADDRESS};
use crate::machine_code::{self, WORDS, WORDS_OFFSET};

/// Processes at once, and threads of each.
const AT_ONCE: usize = 3;
const THREADS: u64 = 3;
/// Calls of one process: then another one has its turn.
const MOST_CALLS: u64 = 20_000;
/// How often a process is looked at whose count stands still: all its threads wait then, or it has ended.
const PATIENCE: u64 = 200;

/// A process that calls at random.
struct Storm {
    child: Child,
    victim: Child,
    data: Mapping,
    seen: u64,
    patience: u64,
}

/// Makes so many random calls, in one process after the other.
pub fn rage(checks: &mut Checks, seed: u64, calls: u64) -> Result<(), Refusal> {
    let mut random = Random::new(seed);
    let mut storms = [const { None }; AT_ONCE];
    let (mut made, mut processes) = (0, 0_u64);
    while made < calls {
        for storm in &mut storms {
            if storm.is_none() {
                *storm = Some(Storm::start(&mut random)?);
                processes += 1;
            }
            if storm.as_mut().is_some_and(Storm::is_over) {
                made += storm.take().map_or(Ok(0), Storm::end)?;
            }
        }
        thread::yield_now();
    }
    for storm in storms.into_iter().flatten() {
        made += storm.end()?;
    }
    println!("hostile: {made} random calls by {processes} processes");
    checks.that("random-calls-were-made", made >= calls, format_args!("{made}"));
    Ok(())
}

impl Storm {
    fn start(random: &mut Random) -> Result<Storm, Refusal> {
        let (child, victim) = (child::make()?, child::make()?);
        child.map_code(machine_code::storm())?;
        let data = Memory::create(child.process(), 1, Placement::Anywhere)?;
        child.map(&data, DATA_ADDRESS, access::WRITE)?;
        let data = Mapping::new(data)?;
        for (word, value) in data.words()[WORDS_OFFSET / 8..]
            .iter()
            .zip(words(&child, &victim, random)?)
        {
            word.store(value, Ordering::Relaxed);
        }
        for _ in 0..THREADS {
            let argument = random.number() | 1;
            // It may have ended itself by now.
            let _ = child.start_at(Place::Anywhere, [CODE_ADDRESS, 0, argument]);
        }
        Ok(Storm {
            child,
            victim,
            data,
            seen: 0,
            patience: PATIENCE,
        })
    }

    fn count(&self) -> u64 {
        let count: &AtomicU64 = &self.data.words()[0];
        // It may write there what it likes.
        count.load(Ordering::Relaxed).min(MOST_CALLS)
    }

    fn is_over(&mut self) -> bool {
        let count = self.count();
        match count == self.seen {
            true => self.patience -= 1,
            false => self.patience = PATIENCE,
        }
        self.seen = count;
        count == MOST_CALLS || self.patience == 0
    }

    fn end(self) -> Result<u64, Refusal> {
        let count = self.count();
        self.child.let_go()?;
        // It may hold itself by now.
        self.victim.let_go()?;
        drop(self.data.unmap());
        Ok(count)
    }
}

/// What a storm chooses its words from: handles first, of everything that there is.
fn words(child: &Child, victim: &Child, random: &mut Random) -> Result<[u64; WORDS], Refusal> {
    const KERNEL: u64 = 0xffff_ffff_8020_0000;
    let handles = handles(child, victim, random.below(2) == 0)?;
    let others = [
        0,
        1,
        2,
        3,
        PAGE_SIZE - 1,
        PAGE_SIZE,
        63,
        u64::MAX,
        u64::MAX - 1,
        u64::MAX - 2,
        i64::MAX as u64,
        1 << 63,
        KERNEL,
        0xffff_8000_0000_0000,
        0x8000_0000_0000,
        0x7fff_ffff_f000,
        WINDOW_BASE,
        WINDOW_BASE + PAGE_SIZE,
        CODE_ADDRESS,
        DATA_ADDRESS,
        0x70_0000,
        0x70_1000,
    ];
    let [mut words, mut at] = [[0; WORDS], [0; WORDS]];
    at.iter_mut().for_each(|at| *at = random.number());
    for (index, (word, at)) in words.iter_mut().zip(at).enumerate() {
        *word = match index % 2 {
            0 => handles[at as usize % handles.len()].0,
            _ => others[at as usize % others.len()],
        };
    }
    Ok(words)
}

/// Gives a child one capability of each kind, and says its handles there.
fn handles(child: &Child, victim: &Child, may_end_itself: bool) -> Result<[Handle; 9], Refusal> {
    let all = Rights::ALL;
    let own = match may_end_itself {
        true => all,
        false => Rights::READ.or(Rights::GRANT),
    };
    let endpoint = Endpoint::create()?;
    let notification = Notification::create()?;
    let plain = Memory::create(child.process(), 2, Placement::Anywhere)?;
    let per_cpu = Memory::create(child.process(), 1, Placement::PerCpu)?;
    let info = start::info();
    let given = [
        child.grant(child.process(), own, 0)?,
        child.grant(child.window(), all, 0)?,
        child.grant(victim.process(), all, 0)?,
        child.grant(victim.window(), all, 0)?,
        child.grant(endpoint.0, all, 0)?,
        child.grant(notification.0, all, 0)?,
        child.grant(plain.handle(), all, 0)?,
        child.grant(per_cpu.handle(), all, 0)?,
        // To read only: it could say anything in our name else, and tell the machine to stop.
        child.grant(info.handover.machine, Rights::READ, 0)?,
    ];
    for handle in [endpoint.0, notification.0] {
        ipc::drop_capability(handle)?;
    }
    Ok(given)
}
