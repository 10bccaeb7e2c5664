//! Calls on capabilities.

use abi::syscall::NOTIFICATION_BADGE;
use abi::{Handle, Rights, Status};

use super::one;
use crate::object::{Capability, Object, Process};
use crate::refusal::{Answer, DONE, Refusal, require};

/// `CapabilityGrant`: `[process: MANAGE, capability: GRANT, rights, badge]`.
pub fn grant(caller: &Process, words: &[u64; 9]) -> Answer {
    let [to, capability, rights, badge, ..] = *words;
    let to = caller.look_up(to, Rights::MANAGE, Object::as_process)?;
    let capability = grantable(caller, capability)?;
    let rights = Rights::from_word(rights).ok_or(Status::BadArgument)?;
    let may_be_badged = capability.object.as_endpoint().is_some() && capability.badge == 0;
    require(badge != NOTIFICATION_BADGE, Status::BadArgument)?;
    require(badge == 0 || may_be_badged, Status::BadArgument)?;
    let badge = if badge == 0 { capability.badge } else { badge };
    let rights = capability.rights.and(rights);
    one(to.insert(Capability {
        rights,
        badge,
        ..capability
    })?)
}

fn grantable(caller: &Process, handle: u64) -> Result<Capability, Refusal> {
    let table = caller.table();
    let capability = table.find(Handle(handle))?;
    require(capability.rights.contains(Rights::GRANT), Status::MissingRight)?;
    Ok(capability.clone())
}

/// `CapabilityDrop`: `[capability]`.
pub fn drop(caller: &Process, words: &[u64; 9]) -> Answer {
    let removed = caller.table().remove(Handle(words[0]));
    // The last capability may take the object with it; the table is not locked any more.
    removed.map(core::mem::drop).and(DONE)
}
