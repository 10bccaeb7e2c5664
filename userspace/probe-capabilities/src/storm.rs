//! Everything at once, on all CPUs: some copy, some call by copies, some give them away, and some take them back. Whatever
//! comes in between, a call is answered or refused by name, and when all is taken back nothing is left.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::{Handle, Message, Rights, Status};
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint, Gift};
use userlib::process;
use userlib::random::Random;
use userlib::thread::{self, Place};
use userlib::{Refusal, machine, println};

/// Most threads.
const MOST: usize = 16;
/// What they do together at least, and what each does at least.
const STEPS: [u64; 2] = [12_000, 3000];
/// Places for handles that all know.
const PLACES: usize = 24;
/// Ends a server.
const END: u64 = 99;

static HANDLES: [AtomicU64; PLACES] = [const { AtomicU64::new(0) }; PLACES];
static ANSWERED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Lets it rage.
pub fn rage(checks: &mut Checks, seed: u64) -> Result<(), Refusal> {
    let root = Endpoint::create()?;
    let mut servers = [const { None }; MOST];
    for (cpu, slot) in machine::online().zip(&mut servers) {
        *slot = Some(thread::spawn(Place::Cpu(cpu), move || serve(root))?);
    }
    let mut threads = [const { None }; MOST];
    for (cpu, slot) in machine::online().zip(&mut threads) {
        let mut random = Random::new(seed * 100 + cpu as u64);
        *slot = Some(thread::spawn(Place::Anywhere, move || work(root, &mut random))?);
    }
    let mut odd = 0;
    for thread in threads.into_iter().flatten() {
        odd += thread.join()?;
    }
    ipc::revoke(root.0)?;
    let alive = HANDLES.iter().filter(|place| {
        let handle = Handle(place.swap(0, Ordering::Relaxed));
        !handle.is_none() && ipc::drop_capability(handle).is_ok()
    });
    checks.equal("storm-leaves-nothing", alive.count(), 0);
    checks.equal("storm-answers-or-refuses", odd, 0);
    for _ in servers.iter().flatten() {
        root.call(&Message::new(END, [0; 6]))?;
    }
    for server in servers.into_iter().flatten() {
        checks.equal("storm-server", server.join(), Ok(0));
    }
    let count = |of: &AtomicU64| of.swap(0, Ordering::Relaxed);
    let (answered, refused, taken) = (count(&ANSWERED), count(&REFUSED), count(&TAKEN));
    println!("probe-capabilities: {answered} calls answered, {refused} refused, {taken} copies taken back");
    let all = answered > 100 && refused > 100 && taken > 100;
    checks.that(
        "storm-did-everything",
        all,
        format_args!("{answered} {refused} {taken}"),
    );
    ipc::drop_capability(root.0)
}

/// Answers with twice the word, and drops what comes.
fn serve(root: Endpoint) -> u64 {
    let mut received = root.receive();
    loop {
        let Ok(got) = received else {
            return 1;
        };
        if got.message.label == END {
            return u64::from(ipc::reply(&Message::default()).is_err());
        }
        if !got.message.capability.is_none() {
            // Somebody may have taken it back already.
            let _ = ipc::drop_capability(got.message.capability);
        }
        let answer = Message::new(0, [2 * got.message.words[0], 0, 0, 0, 0, 0]);
        received = root.reply_receive(&answer);
    }
}

/// How often something came out that cannot.
fn work(root: Endpoint, random: &mut Random) -> u64 {
    let mut odd = 0;
    for _ in 0..steps() {
        let place = &HANDLES[random.below(PLACES as u64) as usize];
        let handle = Handle(place.load(Ordering::Relaxed));
        let done = match random.below(8) {
            0 => make(root.0, place),
            1 => make(handle, &HANDLES[random.below(PLACES as u64) as usize]),
            2 if random.below(8) == 0 => ipc::revoke(handle).map(|taken| {
                TAKEN.fetch_add(taken, Ordering::Relaxed);
            }),
            2 if random.below(64) == 0 => ipc::revoke(root.0).map(|taken| {
                TAKEN.fetch_add(taken, Ordering::Relaxed);
            }),
            3 => ipc::drop_capability(handle),
            4 => call(root, random, &[Gift::copy(handle)]),
            5 => call(root, random, &[Gift::moved(handle)]),
            _ => call(Endpoint(handle), random, &[]),
        };
        odd += u64::from(done.is_err_and(|refusal| !is_lawful(refusal)));
    }
    odd
}

fn make(of: Handle, place: &AtomicU64) -> Result<(), Refusal> {
    let copy = process::grant(process::own(), of, Rights::ALL, 0)?;
    let before = Handle(place.swap(copy.0, Ordering::Relaxed));
    match before.is_none() {
        true => Ok(()),
        false => ipc::drop_capability(before),
    }
}

fn call(endpoint: Endpoint, random: &mut Random, gifts: &[Gift]) -> Result<(), Refusal> {
    let word = random.below(1 << 40);
    let answer = match gifts {
        [] => endpoint.call(&Message::new(1, [word, 0, 0, 0, 0, 0])),
        gifts => endpoint.call_with(&Message::new(1, [word, 0, 0, 0, 0, 0]), gifts),
    };
    if answer.is_err() {
        REFUSED.fetch_add(1, Ordering::Relaxed);
    }
    let answer = answer?;
    ANSWERED.fetch_add(1, Ordering::Relaxed);
    match answer.words[0] == 2 * word {
        true => Ok(()),
        false => Err(Refusal::new(Status::WrongKind)),
    }
}

/// What may come out when others take back, drop and use the same handles.
fn is_lawful(refusal: Refusal) -> bool {
    matches!(
        refusal.status,
        Status::StaleHandle | Status::NoSuchHandle | Status::BeingRevoked | Status::TooDeep
    )
}

/// Fewer threads have more to do, so that everything happens.
fn steps() -> u64 {
    let [together, each] = STEPS;
    each.max(together / machine::online_cpus() as u64)
}
