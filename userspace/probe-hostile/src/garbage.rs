//! What hostile clients send.

use core::sync::atomic::Ordering;

use userlib::abi::percpu::{PercpuError, Request, batch};
use userlib::abi::{Handle, Message, PAGE_SIZE};
use userlib::ipc::Endpoint;
use userlib::memory::{Mapping, Memory};
use userlib::percpu::{self, Error};
use userlib::random::Random;
use userlib::{println, process};

/// Words at the edges of what words can be.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    PAGE_SIZE - 1,
    PAGE_SIZE,
    PAGE_SIZE + 1,
    (1 << 31) - 1,
    1 << 32,
    (1 << 40) - 1,
    1 << 40,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// How many messages were no requests; a kernel's refusal ends it with a number that cannot be right.
pub fn send([kind, seed, count]: [u64; 3]) -> u64 {
    let sent = match kind {
        0 => random(&mut Random::new(seed), count),
        1 => edges(),
        5 => bytes(&mut Random::new(seed), count),
        _ => batches(&mut Random::new(seed), count),
    };
    sent.unwrap_or_else(|error| {
        println!("probe-hostile: {error}");
        u64::MAX
    })
}

/// Whether the server called it nonsense.
fn is_nonsense(message: &Message) -> Result<bool, Error> {
    match percpu::send(message) {
        Ok(_) => Ok(false),
        Err(Error::Refused(refusal)) => Ok(is_counted(refusal)),
        Err(error) => Err(error),
    }
}

fn is_counted(refusal: PercpuError) -> bool {
    matches!(
        refusal,
        PercpuError::Malformed(_) | PercpuError::UnknownRequest(_)
    )
}

fn word(random: &mut Random) -> u64 {
    match random.below(4) {
        0 => random.number(),
        1 => EDGES[random.below(EDGES.len() as u64) as usize],
        2 => random.below(70),
        _ => 0,
    }
}

fn message(random: &mut Random) -> Message {
    let label = match random.below(8) {
        0 => word(random),
        _ => random.below(24),
    };
    let mut words = [0; 6];
    words.iter_mut().for_each(|to| *to = word(random));
    Message::new(label, words)
}

/// Random messages, some with a capability. How many were no requests.
pub fn random(random: &mut Random, count: u64) -> Result<u64, Error> {
    let memory = Memory::own(1)?;
    let things = [Endpoint::create()?.0, process::own(), memory.handle()];
    let mut nonsense = 0;
    for _ in 0..count {
        let message = message(random);
        let thing = match random.below(6) {
            which @ 0..3 => things[which as usize],
            _ => Handle::NONE,
        };
        nonsense += u64::from(is_nonsense(&message.with_capability(thing))?);
    }
    Ok(nonsense)
}

/// Random bytes, half of them behind the label of a request: no request at all, as they leave no word empty.
fn bytes(random: &mut Random, count: u64) -> Result<u64, Error> {
    let mut nonsense = 0;
    for _ in 0..count {
        nonsense += u64::from(is_nonsense(&bytes_of(random))?);
    }
    Ok(nonsense)
}

fn bytes_of(random: &mut Random) -> Message {
    let label = match random.below(2) {
        0 => random.number(),
        _ => random.below(24),
    };
    Message::new(label, core::array::from_fn(|_| random.number()))
}

/// Every label, with each edge in each word, alone and in all words, with and without a number.
fn edges() -> Result<u64, Error> {
    let mut nonsense = 0;
    for label in 0..24 {
        for edge in EDGES {
            for number in [0, 1] {
                for at in 0..6 {
                    let mut words = [0; 6];
                    words[at] = edge;
                    words[5] |= number;
                    nonsense += u64::from(is_nonsense(&Message::new(label, words))?);
                }
                let mut words = [edge; 6];
                words[5] = number;
                nonsense += u64::from(is_nonsense(&Message::new(label, words))?);
            }
        }
    }
    Ok(nonsense)
}

/// Memory that says anything, also that it was answered already.
fn batches(random: &mut Random, count: u64) -> Result<u64, Error> {
    let memory = Memory::own(1)?;
    let handle = memory.handle();
    let mapping = Mapping::new(memory)?;
    let mut nonsense = 0;
    for _ in 0..count {
        for slot in mapping.words().chunks_exact(batch::ENTRY_WORDS) {
            let entry = batch::entry(&message(random));
            for (to, word) in slot.iter().zip(entry) {
                to.store(word, Ordering::Relaxed);
            }
            slot[0].store(random.below(3), Ordering::Relaxed);
        }
        let to_do = |slot: &[core::sync::atomic::AtomicU64]| slot[0].load(Ordering::Relaxed) == batch::TO_DO;
        let asked: u64 = mapping
            .words()
            .chunks_exact(batch::ENTRY_WORDS)
            .map(to_do)
            .enumerate()
            .fold(0, |bits, (at, is)| bits | u64::from(is) << at);
        let entries = random.below(40);
        let is_kept = random.below(2) == 0;
        let request = Request::Batch { entries, is_kept }
            .encode()
            .with_capability(handle);
        match percpu::send(&request) {
            Ok(_) => nonsense += counted(&mapping, asked, entries),
            Err(Error::Refused(refusal)) => nonsense += u64::from(is_counted(refusal)),
            Err(error) => return Err(error),
        }
    }
    Ok(nonsense)
}

/// Those of the entries that were asked and called nonsense.
fn counted(mapping: &Mapping, asked: u64, entries: u64) -> u64 {
    let slots = mapping.words().chunks_exact(batch::ENTRY_WORDS).enumerate();
    let asked = slots.filter(|(at, _)| (*at as u64) < entries && asked >> at & 1 == 1);
    let is_bad = |slot: &[core::sync::atomic::AtomicU64]| {
        let label = slot[batch::ANSWER_WORD].load(Ordering::Acquire);
        let answer = Message::new(label, [1; 6]);
        PercpuError::from_answer(&answer).is_err_and(is_counted)
    };
    asked.filter(|(_, slot)| is_bad(slot)).count() as u64
}
