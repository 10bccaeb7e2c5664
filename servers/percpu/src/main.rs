//! The percpu server: hands out per-CPU memory to programs. One thread on each CPU serves one endpoint.
//!
//! What it decides is in `percpu-service`; here are its threads, its heap and its kernel calls. The end of a client
//! arrives where messages do, as a bit of a notification. When this server ends, init starts another one, which
//! finds out from the kernel and the ledger who has what.
#![no_std]
#![no_main]

extern crate alloc;

#[expect(unsafe_code, reason = "lends a static array to the allocator")]
mod heap;
mod mapper;
mod shared;

use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use abi::percpu::ledger::{ROSTER_WORDS, roster};
use percpu_service::{FirstChunk, Service};
use userlib::ipc::Endpoint;
use userlib::memory::{Mapping, Memory};
use userlib::notification::{self, Notification};
use userlib::sync::Mutex;
use userlib::thread::{self, Place};
use userlib::{Refusal, entry, machine, start};

use mapper::{KernelMapper, Ledger};

entry!(main);

type PercpuService = Service<KernelMapper, Ledger>;

/// The state. Requests are short and seldom, so threads of different CPUs share one lock.
static SERVICE: Mutex<Option<PercpuService>> = Mutex::new(None);

fn main() -> Result<u64, Refusal> {
    let endpoint = Endpoint(start::info().percpu);
    *SERVICE.lock() = Some(make_service(endpoint)?);
    let threads = machine::online().map(|cpu| thread::spawn(Place::Cpu(cpu), move || serve(endpoint)));
    let mut code = 0;
    for thread in threads.collect::<Vec<_>>() {
        code |= thread?.join()?;
    }
    Ok(code)
}

/// The service, with the clients that a server before this one had.
fn make_service(endpoint: Endpoint) -> Result<PercpuService, Refusal> {
    let handover = start::info().handover;
    let chunk = FirstChunk {
        reserved: handover.reserved,
        reserved_pages: handover.reserved_pages,
        dynamic: handover.dynamic,
        dynamic_pages: handover.dynamic_pages,
        possible_cpus: handover.possible_cpus,
        stride: handover.stride,
    };
    let memory = Memory::received(handover.ledger)?.expect("the ledger is ordinary memory");
    let mapping = Mapping::new(memory)?;
    let mut words = [0; ROSTER_WORDS];
    for (to, word) in words.iter_mut().zip(mapping.words()) {
        *to = word.load(Ordering::Acquire);
    }
    let deaths = Notification::create()?;
    deaths.bind(endpoint)?;
    let mapper = KernelMapper::new(deaths, handover.pool);
    let service = Service::new(chunk, mapper, Ledger(mapping));
    let mut service = service.expect("the heap holds the first chunk's page maps");
    let recovered = service.recover(roster(&words));
    recovered.expect("what a server before this one held has room in this one");
    Ok(service)
}

/// Receives and answers, for ever; ends with the kernel's refusal as its code.
fn serve(endpoint: Endpoint) -> u64 {
    let mut received = endpoint.receive();
    loop {
        let message = match received {
            Ok(message) => message,
            Err(refusal) => return refusal.status as u64,
        };
        received = match notification::bits(&message) {
            Some(slots) => {
                with_service(|service| service.bury(slots));
                endpoint.receive()
            }
            None => {
                let answer = shared::answer(&message);
                let answer = answer.unwrap_or_else(|| with_service(|service| service.answer(&message)));
                endpoint.reply_receive(&answer)
            }
        };
    }
}

fn with_service<T>(act: impl FnOnce(&mut PercpuService) -> T) -> T {
    match &mut *SERVICE.lock() {
        Some(service) => act(service),
        None => unreachable!("the service is made before its threads"),
    }
}
