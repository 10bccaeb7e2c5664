//! Calls on processes.

use alloc::sync::Arc;

use abi::syscall::{DEFAULT_PRIORITY, End, Moment};
use abi::{Call, Registers, Rights, Status};

use super::answer;
use crate::object::process::Name;
use crate::object::{Account, Capability, Object, Place, Process, Running};
use crate::refusal::{Answer, DONE, require};
use crate::{ipc, schedule};

/// `ProcessCreate`: `[frames, name, name]`.
pub fn create(caller: &Arc<Process>, words: &[u64; 9]) -> Answer {
    let [frames, low, high, ..] = *words;
    require(frames > 0, Status::BadArgument)?;
    let name = (u128::from(high) << 64 | u128::from(low)).to_le_bytes();
    let account = Account::below(&caller.account, frames)?;
    let priority = DEFAULT_PRIORITY.min(caller.priorities.limit());
    let process = Process::new(Name(name), account, priority, Arc::downgrade(caller))?;
    caller.below.add(&process)?;
    let handle = caller.insert(Capability::all(Object::Process(process.clone())))?;
    match caller.insert(Capability::all(Object::Window(process))) {
        Ok(window) => Ok(Registers::of(&[handle.0, window.0])),
        Err(refusal) => {
            let removed = caller.table().remove(handle);
            drop(removed);
            Err(refusal)
        }
    }
}

/// `ProcessPriority`: `[process: MANAGE, limit, priority]`.
pub fn priority(caller: &Process, words: &[u64; 9]) -> Answer {
    let [process, limit, start, ..] = *words;
    let process = caller.look_up(process, Rights::MANAGE, Object::as_process)?;
    caller.priorities.check(limit)?;
    require(start <= limit, Status::BadArgument)?;
    process.priorities.set(limit, start);
    DONE
}

/// `ProcessStats`: `[process: READ]`.
pub fn stats(caller: &Process, words: &[u64; 9]) -> Answer {
    let process = caller.look_up(words[0], Rights::READ, Object::as_process)?;
    Ok(Registers::of(&process.stats()))
}

/// `ProcessEnd`: `[process: MANAGE]`.
pub fn end(caller: &Process, words: &[u64; 9]) -> Answer {
    let process = caller.look_up(words[0], Rights::MANAGE, Object::as_process)?;
    process.end(End::Killed);
    DONE
}

/// `ProcessExit`: `[code]`.
pub fn exit(caller: Running, words: &[u64; 9]) {
    caller.process().end(End::Exited(words[0]));
    schedule::leave(caller);
}

/// `DebugEndAt`: `[process: MANAGE, calls, moment]`.
pub fn debug_end_at(caller: &Process, words: &[u64; 9]) -> Answer {
    let process = caller.look_up(words[0], Rights::MANAGE, Object::as_process)?;
    require(words[1] <= lockfree::MOST_CALLS, Status::BadArgument)?;
    let moment = Moment::from_word(words[2]).ok_or(Status::BadArgument)?;
    process.arrange_end(words[1], moment);
    DONE
}

/// The call at which the caller's process was to end.
pub fn strike(mut caller: Running, moment: Moment) {
    let process = caller.process().clone();
    let frame = &caller.context().frame;
    let (number, words) = (frame.rax, frame.registers().0);
    let call = Call::from_word(number).filter(|_| moment == Moment::After);
    match call {
        // What this holds while the CPU idles is gone as soon as anything happens here.
        Some(Call::Call) => {
            ipc::call(caller, &words);
            process.end(End::Killed);
            schedule::leave_if_dead();
        }
        Some(Call::ReplyReceive) => {
            process.end(End::Killed);
            ipc::reply(caller, &words);
        }
        None
        | Some(
            Call::Receive
            | Call::Wait
            | Call::NotificationWait
            | Call::ThreadYield
            | Call::ThreadLend
            | Call::ThreadExit
            | Call::ProcessExit
            | Call::CpuOffline,
        ) => {
            process.end(End::Killed);
            schedule::leave(caller);
        }
        Some(call) => {
            let answer = answer(call, &process, &words);
            process.end(End::Killed);
            schedule::finish(caller, answer);
        }
    }
}

/// `Wait`: `[process or thread: READ]`.
pub fn wait(caller: Running, words: &[u64; 9]) {
    let found = caller
        .process()
        .look_up(words[0], Rights::READ, process_or_thread);
    let ending = match found {
        Ok(object) => object,
        Err(refusal) => return schedule::finish(caller, Err(refusal)),
    };
    let waiter = caller.park();
    let waiter = match &ending {
        Object::Process(process) => {
            let place = Place::Process(Arc::downgrade(process));
            process.ending.wait(waiter, place)
        }
        Object::Thread(thread) => {
            let place = Place::Thread(Arc::downgrade(thread));
            thread.ending.wait(waiter, place)
        }
        _ => Some(waiter),
    };
    // A CPU that idles must not keep what it waited for.
    drop(ending);
    match waiter {
        Some(waiter) => schedule::switch_to(waiter),
        None => schedule::dispatch(),
    }
}

/// For calls on either.
pub fn process_or_thread(object: &Object) -> Option<&Object> {
    matches!(object, Object::Process(_) | Object::Thread(_)).then_some(object)
}
