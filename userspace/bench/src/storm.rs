//! Calls on every CPU at once, for as long as somebody may want to disturb them from outside. Nothing is measured: what
//! counts is that no answer is wrong and no cell is missed.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::abi::{MAX_CPUS, Message};
use userlib::checks::Checks;
use userlib::ipc::Endpoint;
use userlib::thread::{self, Place, Thread};
use userlib::{Refusal, machine, percpu, println};

use crate::peer::Crew;

/// Calls of each CPU.
const CALLS: u64 = 30_000;

percpu! {
    /// Calls that were made here.
    static MADE: PerCpuCell<u64> = 0;
}

/// Answers that were right.
static RIGHT: AtomicU64 = AtomicU64::new(0);

/// Calls, and tells what came of it.
/// Not inlined, for its room on the stack is needed only here.
#[inline(never)]
pub fn run(checks: &mut Checks) -> Result<(), Refusal> {
    let endpoint = Crew::start(machine::online())?.endpoint;
    println!("storm begins");
    let mut clients = [const { None }; MAX_CPUS];
    for (cpu, client) in machine::online().zip(&mut clients) {
        *client = Some(thread::spawn(Place::Cpu(cpu), move || {
            call_all(endpoint, cpu as u64)
        })?);
    }
    for client in clients.into_iter().flatten() {
        Thread::join(client)?;
    }
    let all = machine::online_cpus() as u64 * CALLS;
    let right = RIGHT.load(Ordering::Relaxed);
    println!("storm answers {right} of {all}");
    println!("storm cells {} of {all}", MADE.sum());
    checks.equal("storm-answers", right, all);
    let at_home = MADE.iter().zip(machine::online()).all(|(made, _)| made == CALLS);
    checks.that(
        "storm-cells",
        at_home,
        format_args!("not each CPU has its own calls"),
    );
    Ok(())
}

fn call_all(endpoint: Endpoint, cpu: u64) -> u64 {
    let mut right = 0;
    for call in 0..CALLS {
        let message = Message::new(cpu, [call, 1, 2, 3, 4, 5]);
        let answer = endpoint.call(&message);
        MADE.increment();
        right += u64::from(answer == Ok(message));
    }
    RIGHT.fetch_add(right, Ordering::Relaxed);
    0
}
