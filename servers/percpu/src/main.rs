//! The percpu server: hands out per-CPU memory to programs. One thread on each CPU serves one endpoint.
//!
//! What it decides is in `percpu-service`; here are its threads, its heap and its kernel calls.
//!
//! Not served yet: the pages of a client that has died stay with it until the machine ends, and a server that
//! is restarted would not know what its predecessor gave out. Both come with supervision by init.
#![no_std]
#![no_main]

extern crate alloc;

#[expect(unsafe_code, reason = "lends a static array to the allocator")]
mod heap;
mod mapper;

use alloc::vec::Vec;

use percpu_service::{FirstChunk, Service};
use userlib::ipc::Endpoint;
use userlib::sync::Mutex;
use userlib::thread::{self, Place};
use userlib::{Refusal, entry, machine, start};

use mapper::KernelMapper;

entry!(main);

/// The state. Requests are short and seldom, so threads of different CPUs share one lock.
static SERVICE: Mutex<Option<Service<KernelMapper>>> = Mutex::new(None);

fn main() -> Result<u64, Refusal> {
    let info = start::info();
    let chunk = FirstChunk {
        reserved: info.handover.reserved,
        reserved_pages: info.handover.reserved_pages,
        dynamic: info.handover.dynamic,
        dynamic_pages: info.handover.dynamic_pages,
        possible_cpus: info.handover.possible_cpus,
        stride: info.handover.stride,
    };
    let service = Service::new(chunk, KernelMapper).expect("the heap holds the first chunk's page maps");
    *SERVICE.lock() = Some(service);
    let endpoint = Endpoint(info.percpu);
    let threads = machine::online().map(|cpu| thread::spawn(Place::Cpu(cpu), move || serve(endpoint)));
    let mut code = 0;
    for thread in threads.collect::<Vec<_>>() {
        code |= thread?.join()?;
    }
    Ok(code)
}

/// Receives and answers, for ever; ends with the kernel's refusal as its code.
fn serve(endpoint: Endpoint) -> u64 {
    let mut received = endpoint.receive();
    loop {
        let answer = match (&received, &mut *SERVICE.lock()) {
            (Ok(received), Some(service)) => service.answer(received),
            (Err(refusal), _) => return refusal.status as u64,
            (_, None) => unreachable!("the service is made before its threads"),
        };
        received = endpoint.reply_receive(&answer);
    }
}
