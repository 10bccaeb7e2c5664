//! Calls on notifications.

use alloc::sync::Arc;

use abi::{Registers, Rights, Status};

use super::one;
use crate::object::{Capability, Notification, Object, Process, Running};
use crate::refusal::{Answer, DONE, require};
use crate::schedule;

/// `NotificationCreate`: `[]`.
pub fn create(caller: &Process) -> Answer {
    let notification = Object::Notification(Arc::new(Notification::new()));
    one(caller.insert(Capability::all(notification))?)
}

/// `NotificationSignal`: `[notification: SEND, bits]`.
pub fn signal(caller: &Process, words: &[u64; 9]) -> Answer {
    let notification = caller.look_up(words[0], Rights::SEND, Object::as_notification)?;
    require(words[1] != 0, Status::BadArgument)?;
    notification.signal(words[1]);
    DONE
}

/// `NotificationWait`: `[notification: RECEIVE]`.
pub fn wait(caller: Running, words: &[u64; 9]) {
    let found = caller
        .process()
        .look_up(words[0], Rights::RECEIVE, Object::as_notification);
    let waiter = match found {
        Err(refusal) => return schedule::finish(caller, Err(refusal)),
        // A CPU that idles must not keep what was waited for.
        Ok(notification) => notification.wait(caller.park()),
    };
    match waiter {
        Some(waiter) => schedule::switch_to(waiter),
        None => schedule::dispatch(),
    }
}

/// `NotificationCollect`: `[notification: RECEIVE]`.
pub fn collect(caller: &Process, words: &[u64; 9]) -> Answer {
    let notification = caller.look_up(words[0], Rights::RECEIVE, Object::as_notification)?;
    Ok(Registers::of(&[notification.collect()?]))
}

/// `NotificationBind`: `[notification: RECEIVE, endpoint: RECEIVE]`.
pub fn bind(caller: &Process, words: &[u64; 9]) -> Answer {
    let notification = caller.look_up(words[0], Rights::RECEIVE, Object::as_notification)?;
    let endpoint = caller.look_up(words[1], Rights::RECEIVE, Object::as_endpoint)?;
    notification.bind(&endpoint)?;
    DONE
}

/// `DeathNotice`: `[process or window: READ, notification: SEND, bits]`.
pub fn death_notice(caller: &Process, words: &[u64; 9]) -> Answer {
    let process = caller.look_up(words[0], Rights::READ, mortal)?;
    let notification = caller.look_up(words[1], Rights::SEND, Object::as_notification)?;
    require(words[2] != 0, Status::BadArgument)?;
    process.notice_end(&notification, words[2])?;
    DONE
}

fn mortal(object: &Object) -> Option<&Arc<Process>> {
    match object {
        Object::Process(process) | Object::Window(process) => Some(process),
        _ => None,
    }
}
