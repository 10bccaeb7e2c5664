//! Calls on capabilities.

use alloc::sync::Arc;

use abi::message::MOST_GIFTS;
use abi::{Handle, Registers, Rights, Status};

use super::one;
use crate::mailbox;
use crate::object::capability::Copying;
use crate::object::{Object, Process, Running};
use crate::refusal::{Answer, DONE, require};

/// Capabilities that one call takes back.
const MOST_AT_ONCE: usize = 64;

/// `CapabilityGrant`: `[process: MANAGE, capability: GRANT, rights, badge]`.
pub fn grant(caller: &Arc<Process>, words: &[u64; 9]) -> Answer {
    let [to, capability, rights, badge, ..] = *words;
    let to = caller.look_up(to, Rights::MANAGE, Object::as_process)?;
    let capability = Handle(capability);
    let copy = {
        let mut table = caller.table();
        let rights_there = table.find(capability)?.rights;
        require(rights_there.contains(Rights::GRANT), Status::MissingRight)?;
        let rights = Rights::from_word(rights).ok_or(Status::BadArgument)?;
        table.derive(capability, Copying { rights, badge }, caller)?
    };
    one(to.insert(copy)?)
}

/// `CapabilityRevoke`: `[capability]`.
pub fn revoke(caller: &Process, words: &[u64; 9]) -> Answer {
    let root = caller.table().close(Handle(words[0]))?;
    let Some(root) = root else {
        return Ok(Registers::of(&[0, 1]));
    };
    let mut taken = 0;
    for _ in 0..MOST_AT_ONCE {
        let Some(place) = root.take_leaf() else {
            root.open();
            return Ok(Registers::of(&[taken, 1]));
        };
        let Some((process, handle)) = place else {
            continue;
        };
        if let Some(process) = process.upgrade() {
            let removed = process.table().remove(handle);
            taken += u64::from(removed.is_ok());
            // The table is not locked any more.
            core::mem::drop(removed);
        }
        mailbox::drain();
    }
    Ok(Registers::of(&[taken, 0]))
}

/// `CapabilityAccept`: `[how many]`.
pub fn accept(caller: &mut Running, words: &[u64; 9]) -> Answer {
    require(words[0] <= MOST_GIFTS as u64, Status::BadArgument)?;
    caller.context().accepts = words[0] as usize;
    DONE
}

/// `CapabilityReceived`: `[]`.
pub fn received(caller: &mut Running) -> Answer {
    let mut words = [0; 1 + MOST_GIFTS];
    let handles = &caller.context().received;
    words[0] = handles.len() as u64;
    words[1..]
        .iter_mut()
        .zip(handles)
        .for_each(|(word, handle)| *word = handle.0);
    Ok(Registers::of(&words))
}

/// `CapabilityDrop`: `[capability]`.
pub fn drop(caller: &Process, words: &[u64; 9]) -> Answer {
    let removed = caller.table().remove(Handle(words[0]));
    // The last capability may take the object with it; the table is not locked any more.
    removed.map(core::mem::drop).and(DONE)
}
