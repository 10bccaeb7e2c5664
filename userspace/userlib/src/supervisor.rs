//! init, for programs that may start others and end the percpu server.

use abi::percpu::PercpuError;
use abi::supervisor::Request;
use abi::syscall::Moment;
use abi::{Handle, Message, Status};

use crate::ipc::Endpoint;
use crate::{Refusal, start};

/// Asks init; a refusal of init's own counts as `BadArgument`.
fn ask(request: Request) -> Result<Message, Refusal> {
    let answer = Endpoint(start::info().supervisor).call(&request.encode())?;
    match answer.label {
        0 => Ok(answer),
        _ => Err(Refusal::new(Status::BadArgument)),
    }
}

/// One more process of this program, whose argument is `launched A B C`.
///
/// # Errors
/// The kernel's refusal, or init's.
pub fn launch(numbers: [u64; 3]) -> Result<Handle, Refusal> {
    ask(Request::Launch(numbers)).map(|answer| answer.capability)
}

/// Lets the percpu server end at its n-th kernel call from now.
///
/// # Errors
/// The kernel's refusal, or init's.
pub fn arm_server(calls: u64, moment: Moment) -> Result<(), Refusal> {
    ask(Request::ArmServer([calls, moment as u64])).map(drop)
}

/// The same for the percpu server that comes next, from its first call on.
///
/// # Errors
/// The kernel's refusal, or init's.
pub fn arm_next_server(calls: u64, moment: Moment) -> Result<(), Refusal> {
    ask(Request::ArmNextServer([calls, moment as u64])).map(drop)
}

/// Ends the percpu server.
///
/// # Errors
/// The kernel's refusal, or init's.
pub fn end_server() -> Result<(), Refusal> {
    ask(Request::EndServer).map(drop)
}

/// Frames that init's account and that of the pools have used, how many of init's have kernel objects, and the bytes of these.
///
/// # Errors
/// The kernel's refusal, or init's.
pub fn frames() -> Result<[u64; 4], Refusal> {
    let [own, pools, objects, bytes, ..] = ask(Request::Frames)?.words;
    Ok([own, pools, objects, bytes])
}

/// The machine, to take CPUs off and on and to be told of that: see [`crate::hotplug`].
///
/// # Errors
/// The kernel's refusal, or init's.
pub fn machine() -> Result<Handle, Refusal> {
    ask(Request::Machine).map(|answer| answer.capability)
}

/// Takes a CPU off or on by way of the percpu server. `Ok` of its refusal, if it refuses.
///
/// # Errors
/// The kernel's refusal, or init's.
pub fn set_cpu(cpu: u64, is_on: bool) -> Result<Result<(), PercpuError>, Refusal> {
    let answer = ask(Request::SetCpu([cpu, u64::from(is_on)]))?;
    let [label, word, ..] = answer.words;
    let answer = Message::new(label, [word, 0, 0, 0, 0, 0]);
    Ok(PercpuError::from_answer(&answer).map(drop))
}

/// How often the percpu server was started again.
///
/// # Errors
/// The kernel's refusal, or init's.
pub fn restarts() -> Result<u64, Refusal> {
    ask(Request::Restarts).map(|answer| answer.words[0])
}

/// Another quota for this program, in pages of each unit.
///
/// # Errors
/// The kernel's refusal, or init's.
pub fn set_quota(pages: u64) -> Result<(), Refusal> {
    ask(Request::SetQuota(pages)).map(drop)
}

/// Lets the percpu server give everything back that it keeps ready. How many pages of each unit.
///
/// # Errors
/// The kernel's refusal, or init's.
pub fn drain() -> Result<u64, Refusal> {
    ask(Request::Drain).map(|answer| answer.words[0])
}
