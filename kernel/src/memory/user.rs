//! Copies from the memory of programs, page by page through the physical map.
//!
//! The kernel never follows a user address: it looks it up. So a copy cannot fault, and a page that is
//! missing is an answer, not an exception.

use abi::Status;
use percpu_core::PAGE_SIZE;

use super::address_space::{Access, AddressSpace, USER_END};

/// Fills `to` with a program's bytes. If not all of it is mapped, some of `to` may have changed.
pub fn copy_in(space: &AddressSpace, address: u64, to: &mut [u8]) -> Result<(), Status> {
    check(address, to.len())?;
    let mut done = 0;
    while done < to.len() {
        let (from, length, _) = piece(space, address + done as u64, to.len() - done)?;
        // SAFETY: the frame is mapped into the program, so it is there; `length` bytes of it follow `from`,
        // and none of them is the kernel's own memory. The program may write it meanwhile: it harms itself.
        unsafe { from.copy_to_nonoverlapping(to[done..].as_mut_ptr(), length) };
        done += length;
    }
    Ok(())
}

/// Writes bytes to a program's memory. If not all of it is mapped for writing, some may have been written.
pub fn copy_out(space: &AddressSpace, address: u64, from: &[u8]) -> Result<(), Status> {
    check(address, from.len())?;
    let mut done = 0;
    while done < from.len() {
        let (to, length, access) = piece(space, address + done as u64, from.len() - done)?;
        if access != Access::Write {
            return Err(Status::BadAddress);
        }
        // SAFETY: as in `copy_in`, the other way round. The kernel holds no reference to frames of programs.
        unsafe { to.copy_from_nonoverlapping(from[done..].as_ptr(), length) };
        done += length;
    }
    Ok(())
}

/// The part of a range that lies in its first page.
fn piece(space: &AddressSpace, address: u64, bytes: usize) -> Result<(*mut u8, usize, Access), Status> {
    let (frame, access) = space.translate(address).ok_or(Status::BadAddress)?;
    let offset = (address % PAGE_SIZE) as usize;
    let length = bytes.min(PAGE_SIZE as usize - offset);
    Ok((frame.pointer().wrapping_add(offset), length, access))
}

fn check(address: u64, bytes: usize) -> Result<(), Status> {
    match address.checked_add(bytes as u64) {
        Some(end) if end <= USER_END => Ok(()),
        _ => Err(Status::BadAddress),
    }
}
