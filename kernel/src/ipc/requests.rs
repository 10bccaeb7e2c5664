//! What one CPU asks of another about receivers: only a CPU itself touches those who wait on it.
//!
//! A request is queued and an interrupt sent; nobody waits for it to be served. A CPU takes requests as long as it runs
//! threads; afterwards they come back to who sent them.

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use percpu_core::CpuId;

use super::ended;
use crate::boot::firmware;
use crate::cpu::apic;
use crate::memory::heap;
use crate::object::{Endpoint, Parked, Receivers, endpoint, endpoints};
use crate::sync::{Lock, rank};
use crate::{ipc, per_cpu, schedule};

/// Requests that there is always room for.
const USUAL: usize = 4;

/// One request.
pub enum Request {
    /// A caller waits at this endpoint.
    Serve(Arc<Endpoint>),
    /// The endpoint of these receivers is gone.
    Close(Arc<Receivers>),
    /// A receiver of a CPU that goes is to wait here.
    Receive(Arc<Endpoint>, Parked),
    /// Receivers that wait here have ended.
    LetGo,
    /// Another CPU has come: receivers that wait here may belong there.
    SendHome,
    /// This CPU has to go.
    Leave,
}

struct Requests {
    queue: VecDeque<Request>,
    is_open: bool,
}

per_cpu! {
    static REQUESTS: Lock<Requests, { rank::REQUESTS }> =
        Lock::new(Requests { queue: VecDeque::new(), is_open: false });
}

/// Requests may come to this CPU from now on.
pub fn open() {
    REQUESTS.local().lock().is_open = true;
}

/// No request comes to this CPU any more; not if one has come.
pub fn close() -> bool {
    let mut requests = REQUESTS.local().lock();
    requests.is_open = !requests.queue.is_empty();
    !requests.is_open
}

/// Makes room for the usual ones, on every CPU, before programs run.
pub fn make_room() {
    let cpus = firmware::topology().cpus();
    cpus.for_each(|cpu| REQUESTS.on(cpu).lock().queue.reserve_exact(USUAL));
}

/// Asks another CPU.
///
/// # Errors
/// The request, when that CPU does not run threads.
pub fn send(cpu: CpuId, request: Request) -> Result<(), Request> {
    {
        let _payer = heap::charge_nobody();
        let mut requests = REQUESTS.on(cpu).lock();
        if !requests.is_open {
            return Err(request);
        }
        requests.queue.push_back(request);
    }
    apic::send_ipi(cpu, apic::WAKE_VECTOR as u8);
    Ok(())
}

/// Whether this CPU is asked for anything.
pub fn is_empty() -> bool {
    REQUESTS.local().lock().queue.is_empty()
}

/// Serves the requests to this CPU.
pub fn serve() {
    loop {
        let request = take();
        match request {
            None => return,
            Some(Request::Serve(endpoint)) => ipc::serve(&endpoint),
            Some(Request::Close(receivers)) => endpoint::close_here(&receivers),
            Some(Request::Receive(endpoint, receiver)) => ipc::receive_here(&endpoint, receiver),
            Some(Request::LetGo) => ended::let_go_here(),
            Some(Request::SendHome) => endpoints::send_strays_home(),
            Some(Request::Leave) => schedule::order_to_leave(),
        }
    }
}

/// The next request; a list that is empty keeps no more room than it has at first.
fn take() -> Option<Request> {
    let mut requests = REQUESTS.local().lock();
    let request = requests.queue.pop_front();
    if requests.queue.is_empty() && requests.queue.capacity() > USUAL {
        let _payer = heap::charge_nobody();
        requests.queue = VecDeque::with_capacity(USUAL);
    }
    request
}
