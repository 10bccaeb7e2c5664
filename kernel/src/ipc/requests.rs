//! What one CPU asks of another about receivers: only a CPU itself touches those who wait on it.
//!
//! A request is queued and an interrupt sent; nobody waits for it to be served.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use percpu_core::CpuId;

use crate::cpu::apic;
use crate::object::{Endpoint, Receivers, endpoint};
use crate::sync::{Lock, rank};
use crate::{ipc, per_cpu};

/// One request.
pub enum Request {
    /// A caller waits at this endpoint.
    Serve(Arc<Endpoint>),
    /// The endpoint of these receivers is gone.
    Close(Arc<Receivers>),
}

per_cpu! {
    static REQUESTS: Lock<VecDeque<Request>, { rank::REQUESTS }> = Lock::new(VecDeque::new());
}

/// Asks another CPU.
pub fn send(cpu: CpuId, request: Request) {
    REQUESTS.on(cpu).lock().push_back(request);
    apic::send_ipi(cpu, apic::WAKE_VECTOR as u8);
}

/// Whether this CPU is asked for anything.
pub fn is_empty() -> bool {
    REQUESTS.local().lock().is_empty()
}

/// Serves the requests to this CPU.
pub fn serve() {
    loop {
        let request = REQUESTS.local().lock().pop_front();
        match request {
            None => return,
            Some(Request::Serve(endpoint)) => ipc::serve(&endpoint),
            Some(Request::Close(receivers)) => endpoint::close_here(&receivers),
        }
    }
}
