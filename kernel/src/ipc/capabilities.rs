//! Capabilities that go with a message: up to four, each copied or moved, with fewer rights or a badge. All arrive, or none
//! leaves.
//!
//! The sender's word says which: no handle, a handle, or the place of a list ([`abi::message::gift`]). They stay in the
//! sender's table until the message is received; only then both tables are changed, together.

use alloc::sync::Arc;

use abi::message::{MOST_GIFTS, gift};
use abi::{Handle, Rights, Status};
use arrayvec::ArrayVec;

use crate::memory::heap;
use crate::object::capability::{Copying, Table};
use crate::object::{Capability, Process};
use crate::refusal::{Refusal, require};

/// What goes with a message.
pub type Gifts = ArrayVec<Gift, MOST_GIFTS>;
/// The receiver's handles of it.
pub type Handles = ArrayVec<Handle, MOST_GIFTS>;

/// A capability that goes with a message.
#[derive(Clone, Copy, Debug)]
pub struct Gift {
    handle: Handle,
    how: Copying,
    is_moved: bool,
}

/// Reads what the sender wants to go with its message, and whether it may.
pub fn read(sender: &Process, word: u64) -> Result<Gifts, Refusal> {
    let mut gifts = Gifts::new();
    if word & gift::LIST == 0 {
        if word != 0 {
            gifts.push(Gift {
                handle: Handle(word),
                how: Copying::exactly(),
                is_moved: false,
            });
        }
    } else {
        let (address, count) = gift::place(word).ok_or(Status::BadArgument)?;
        let mut bytes = [0; MOST_GIFTS * gift::BYTES];
        let bytes = &mut bytes[..count * gift::BYTES];
        sender.living_space()?.copy_in(address, bytes)?;
        for entry in bytes.chunks_exact(gift::BYTES) {
            gifts.push(decode(entry)?);
        }
    }
    check(&gifts, &sender.table())?;
    Ok(gifts)
}

fn decode(entry: &[u8]) -> Result<Gift, Refusal> {
    let word = |at: usize| {
        let bytes = entry[at * 8..at * 8 + 8].iter().rev();
        bytes.fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let [handle, rights, badge] = [word(0), word(1), word(2)];
    let known = Rights::from_word(rights & !gift::MOVED).ok_or(Status::BadArgument)?;
    Ok(Gift {
        handle: Handle(handle),
        how: Copying { rights: known, badge },
        is_moved: rights & gift::MOVED != 0,
    })
}

/// Whether the sender has all of them, may give them, and gives none away twice.
fn check(gifts: &Gifts, table: &Table) -> Result<(), Refusal> {
    for (at, gift) in gifts.iter().enumerate() {
        let capability = table.find(gift.handle)?;
        require(capability.rights.contains(Rights::GRANT), Status::MissingRight)?;
        gift.how.check(capability)?;
        let is_same = |other: &Gift| other.handle == gift.handle && (other.is_moved || gift.is_moved);
        require(!gifts[..at].iter().any(is_same), Status::BadArgument)?;
    }
    Ok(())
}

/// Lets all of them arrive at the receiver, which takes so many at most. First slots are kept for them there, then they
/// leave, which is the last that can be refused.
pub fn hand_over(
    from: &Arc<Process>,
    to: &Arc<Process>,
    gifts: &Gifts,
    most: usize,
) -> Result<Handles, Refusal> {
    if gifts.is_empty() {
        return Ok(Handles::new());
    }
    require(gifts.len() <= most, Status::TooManyCapabilities)?;
    let slots = keep_slots(to, gifts.len())?;
    let leaving = leave(from, to, gifts);
    let mut table = to.table();
    if to.has_ended() {
        drop(table);
        // What was moved was about to arrive, and ends with the receiver.
        return leaving.and(Err(Status::ProcessEnded.into()));
    }
    match leaving {
        Ok(leaving) => Ok(slots
            .into_iter()
            .zip(leaving)
            .map(|(slot, capability)| table.fill(slot, capability, to))
            .collect()),
        Err(refusal) => {
            table.give_back(&slots);
            Err(refusal)
        }
    }
}

fn keep_slots(to: &Arc<Process>, count: usize) -> Result<Slots, Refusal> {
    let _payer = heap::charge_to(&to.account);
    let mut table = to.table();
    require(!to.has_ended(), Status::ProcessEnded)?;
    // How much the receiver has is not the sender's affair.
    table.make_room(count).map_err(|_| Table::full())?;
    Ok((0..count).map(|_| table.keep()).collect())
}

/// The copies, and what is moved: either all, or the sender still has everything.
fn leave(from: &Arc<Process>, to: &Arc<Process>, gifts: &Gifts) -> Result<Leaving, Refusal> {
    let mut table = from.table();
    check(gifts, &table)?;
    let mut copies = Copies::new();
    {
        let _payer = heap::charge_to(&to.account);
        for gift in gifts {
            copies.push(match gift.is_moved {
                true => None,
                false => Some(table.derive(gift.handle, gift.how, from)?),
            });
        }
    }
    let leaving = copies.into_iter().zip(gifts).map(|(copy, gift)| match copy {
        Some(copy) => Ok(copy),
        None => Ok(table.remove(gift.handle)?.reduced(gift.how)),
    });
    leaving.collect()
}

type Slots = ArrayVec<u16, MOST_GIFTS>;
type Leaving = ArrayVec<Capability, MOST_GIFTS>;
/// Of each gift the copy; none of those that are moved.
type Copies = ArrayVec<Option<Capability>, MOST_GIFTS>;
