//! The percpu server: hands out per-CPU memory to programs. One thread on each CPU serves one endpoint.
//!
//! What it decides is in `percpu-service`; here are its threads, its heap and its kernel calls. One thread does
//! the chores, when there are some: see `chores`. A message that is no request is refused without the service, which is
//! locked, so it keeps nobody waiting. The end of a client arrives where messages do, as a bit of a notification. When this server ends, init starts another one, which
//! finds out from the kernel and the ledger who has what.
#![no_std]
#![no_main]

extern crate alloc;

mod chores;
mod cpus;
#[expect(unsafe_code, reason = "lends a static array to the allocator")]
mod heap;
mod kept;
mod mapper;
mod shared;

use core::sync::atomic::Ordering;

use abi::Handle;
use abi::percpu::ledger::{ROSTER_WORDS, roster};
use abi::percpu::{PercpuError, Request};
use abi::syscall::HIGHEST_PRIORITY;
use abi::{Message, Received};
use percpu_service::{Change, FirstChunk, Service, count_malformed};
use userlib::ipc::{self, Endpoint};
use userlib::memory::{Mapping, Memory};
use userlib::notification::{self, Notification};
use userlib::sync::{Mutex, Once};
use userlib::thread;
use userlib::{Refusal, entry, process, start};

use mapper::{KernelMapper, Ledger};

entry!(main);

type PercpuService = Service<KernelMapper, Ledger>;

/// The state. Requests are short and seldom, so threads of different CPUs share one lock.
static SERVICE: Mutex<Option<PercpuService>> = Mutex::new(None);
/// The ledger, also for those who have not locked the state: they only add to counters.
static LEDGER: Once<Ledger> = Once::new();

fn main() -> Result<u64, Refusal> {
    let endpoint = Endpoint(start::info().percpu);
    let deaths = Notification::create()?;
    let mapper = || KernelMapper::new(deaths, start::info().handover.pool);
    let ledger = LEDGER.try_call_once(map_ledger)?;
    let bell = chores::make_bell()?;
    deaths.bind(endpoint)?;
    *SERVICE.lock() = Some(make_service(mapper(), *ledger));
    let mapper = mapper();
    chores::start(bell, mapper)?;
    match cpus::keep_threads(endpoint)? {}
}

fn map_ledger() -> Result<Ledger, Refusal> {
    static MAPPING: Once<Mapping> = Once::new();
    let memory = Memory::received(start::info().handover.ledger)?;
    let mapping = MAPPING.try_call_once(|| Mapping::new(memory.expect("the ledger is ordinary memory")))?;
    let words = mapping.words().try_into();
    Ok(Ledger(words.expect("the ledger has all its pages")))
}

/// The service, with the clients that a server before this one had.
fn make_service(mapper: KernelMapper, ledger: Ledger) -> PercpuService {
    let handover = start::info().handover;
    let chunk = FirstChunk {
        reserved: handover.reserved,
        reserved_pages: handover.reserved_pages,
        dynamic: handover.dynamic,
        dynamic_pages: handover.dynamic_pages,
        possible_cpus: handover.possible_cpus,
        stride: handover.stride,
    };
    let mut words = [0; ROSTER_WORDS];
    for (to, word) in words.iter_mut().zip(ledger.0) {
        *to = word.load(Ordering::Acquire);
    }
    let service = Service::new(chunk, mapper, ledger);
    let mut service = service.expect("the heap holds the first chunk's page maps");
    let recovered = service.recover(roster(&words));
    recovered.expect("what a server before this one held has room in this one");
    service
}

/// Receives and answers, for ever; ends the server with the kernel's refusal as its code.
fn serve(endpoint: Endpoint) -> u64 {
    // At a client's priority the holder of the lock might wait for other clients, and all of them for it.
    let urgent = thread::set_priority_floor(HIGHEST_PRIORITY);
    assert!(urgent.is_ok(), "init lets this server have its priority");
    let mut received = endpoint.receive();
    loop {
        let message = match received {
            Ok(message) => message,
            Err(refusal) => process::exit(refusal.status as u64),
        };
        received = match notification::bits(&message) {
            Some(slots) => {
                chores::ring_if(with_service(|service| {
                    service.bury(slots);
                    service.is_balance_due()
                }));
                kept::let_go_of_ended();
                endpoint.receive()
            }
            None => endpoint.reply_receive(&answer(&message)),
        };
    }
}

fn answer(Received { badge, message }: &Received) -> Message {
    let (badge, capability) = (*badge, message.capability);
    let numbered = match Request::decode(message) {
        Ok(numbered) => numbered,
        Err(refusal) => return refuse(refusal, capability),
    };
    match numbered.request {
        Request::Batch { entries, is_kept } => shared::batch(badge, entries, is_kept, capability),
        Request::Map => shared::map(badge, capability),
        Request::Trace { from } => shared::trace(badge, from, capability),
        Request::CpuOffline { cpu } => cpus::change(badge, change(numbered.number, cpu, false)),
        Request::CpuOnline { cpu } => cpus::change(badge, change(numbered.number, cpu, true)),
        _ => {
            let mut is_due = false;
            let answer = chores::outlast(|service| {
                let answer = service.answer_request(badge, &numbered, capability)?;
                is_due = numbered.request.is_change() && service.is_balance_due();
                Some(answer)
            });
            chores::ring_if(is_due);
            answer
        }
    }
}

fn change(number: u64, cpu: u64, is_on: bool) -> Change {
    Change { number, cpu, is_on }
}

/// Before the lock is taken: at its client's priority the holder might wait for other clients, and all of them for it.
fn be_urgent() {
    let raised = thread::set_priority(Handle::NONE, HIGHEST_PRIORITY);
    assert!(raised.is_ok(), "init lets this server have its priority");
}

/// Refuses what is no request.
fn refuse(refusal: PercpuError, capability: Handle) -> Message {
    if !capability.is_none() {
        // It came with the message, so it is valid.
        let _ = ipc::drop_capability(capability);
    }
    if let Some(ledger) = LEDGER.get() {
        let mut words = *ledger;
        count_malformed(&mut words);
    }
    refusal.encode()
}

fn with_service<T>(act: impl FnOnce(&mut PercpuService) -> T) -> T {
    match &mut *SERVICE.lock() {
        Some(service) => act(service),
        None => unreachable!("the service is made before its threads"),
    }
}
