//! The client of the percpu server: regions of per-CPU memory.
//!
//! A region is the same range of offsets in every unit of this program's window. The server hands out whole
//! pages; what lies where in a region is the program's business.

mod batch;
mod map;
mod trace;

use core::fmt;

use abi::message::MESSAGE_WORDS;
use abi::percpu::{Grant, Name, PROTOCOL_VERSION, RegionId, Request};
use abi::syscall::CpuMask;
use abi::{Message, PAGE_SIZE, Status};

pub use abi::percpu::{Geometry, PercpuError, Populate, Stats};
pub use batch::{Answers, Batch};
pub use map::{Map, map};
pub use trace::{Events, Tracer};

use crate::cell::{Offset, PerCpuCell, PerCpuPair, Place, Value};
use crate::ipc::Endpoint;
use crate::sync::Mutex;
use crate::{Refusal, machine, start};

/// Why a request failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The server refused.
    Refused(PercpuError),
    /// The kernel did not deliver the request or its answer.
    Kernel(Refusal),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Refused(PercpuError::Kernel(status)) => match Status::from_word(*status) {
                Some(status) => write!(f, "the percpu server was refused by the kernel: {status:?}"),
                None => write!(f, "the percpu server was refused by the kernel: status {status}"),
            },
            Error::Refused(refusal) => write!(f, "the percpu server refused: {refusal}"),
            Error::Kernel(refusal) => write!(f, "the kernel refused a call to the percpu server: {refusal}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        Error::Kernel(refusal)
    }
}

impl From<PercpuError> for Error {
    fn from(refusal: PercpuError) -> Error {
        Error::Refused(refusal)
    }
}

/// Sends any message to the server, sensible or not, and reads its answer.
///
/// # Errors
/// See [`Error`].
pub fn send(message: &Message) -> Result<[u64; MESSAGE_WORDS], Error> {
    let answer = call_again(Endpoint(start::info().percpu), message)?;
    Ok(PercpuError::from_answer(&answer)?)
}

/// Sends a message to a percpu server, and again to the next one when that has ended before it answered. A request
/// with a number is done once, however often it is sent.
///
/// # Errors
/// The kernel's refusal.
pub fn call_again(server: Endpoint, message: &Message) -> Result<Message, Refusal> {
    loop {
        match server.call(message) {
            Err(refusal) if refusal.status == Status::ReplyLost => {}
            other => return other,
        }
    }
}

/// The number of the last request that changed something. Locked as long as such a request is under way: the
/// server remembers one for each program.
static LAST_NUMBER: Mutex<u64> = Mutex::new(0);

/// Makes a request.
///
/// # Errors
/// See [`Error`].
pub fn request(request: &Request) -> Result<[u64; MESSAGE_WORDS], Error> {
    match request.is_change() {
        true => with_next_number(|number| send(&request.numbered(number))),
        false => send(&request.encode()),
    }
}

/// Gives `act` the number for a request; nobody else makes one that changes something meanwhile.
pub fn with_next_number<T>(act: impl FnOnce(u64) -> T) -> T {
    let mut number = LAST_NUMBER.lock();
    *number += 1;
    act(*number)
}

/// Shakes hands: the window's shape, and what this program may have.
///
/// # Errors
/// See [`Error`].
pub fn hello() -> Result<Geometry, Error> {
    let words = request(&Request::Hello {
        version: PROTOCOL_VERSION,
    })?;
    Ok(Geometry::decode(&words))
}

/// The server's counters.
///
/// # Errors
/// See [`Error`].
pub fn stats() -> Result<Stats, Error> {
    Ok(Stats::decode(&request(&Request::Stats)?))
}

/// A range of offsets in every unit. Dropped without [`Region::destroy`], it stays.
#[derive(PartialEq, Eq, Debug)]
pub struct Region {
    id: RegionId,
    offset: u64,
    bytes: u64,
}

impl Region {
    /// A region of the first chunk's reserved pages: populated, and each unit's on its CPU's node.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn reserve(bytes: u64, align: u64) -> Result<Region, Error> {
        Region::reserve_named(bytes, align, "")
    }

    /// The same with a name for people; more than 16 bytes are cut off.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn reserve_named(bytes: u64, align: u64, name: &str) -> Result<Region, Error> {
        let name = padded(name);
        Region::granted(&Request::Reserve { bytes, align, name })
    }

    /// A region of dynamic pages. `name` is for people; more than 16 bytes are cut off.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn create(unit_bytes: u64, populate: Populate, name: &str) -> Result<Region, Error> {
        let name = padded(name);
        Region::granted(&Request::Create {
            unit_bytes,
            populate,
            name,
        })
    }

    fn granted(ask: &Request) -> Result<Region, Error> {
        Ok(Region::from_grant(&Grant::decode(&request(ask)?)))
    }

    fn from_grant(grant: &Grant) -> Region {
        Region {
            id: grant.region,
            offset: grant.offset,
            bytes: grant.bytes,
        }
    }

    /// Gets frames for pages of it, on all CPUs; pages that have some keep them and their contents.
    ///
    /// # Errors
    /// See [`Error`]. All of the pages, or none.
    pub fn populate(&self, page: u64, count: u64) -> Result<(), Error> {
        let region = self.id;
        request(&Request::Populate { region, page, count }).map(drop)
    }

    /// Gives the frames of pages of it back, on all CPUs. Cells there must not be used until they are populated again:
    /// that ends the program with a page fault.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn depopulate(&self, page: u64, count: u64) -> Result<(), Error> {
        let region = self.id;
        request(&Request::Depopulate { region, page, count }).map(drop)
    }

    /// The CPUs whose copies of a page of it have a frame. With [`Populate::OnTouch`], reading another one's copy
    /// gives it a frame: see [`Region::sum_touched`].
    ///
    /// # Errors
    /// See [`Error`].
    pub fn populated(&self, page: u64) -> Result<CpuMask, Error> {
        let region = self.id;
        let [a, b, c, d, ..] = request(&Request::Populated { region, page })?;
        Ok(CpuMask([a, b, c, d]))
    }

    /// The sum of a cell's copies on those CPUs that have touched its page; the others' are 0, and stay without a
    /// frame. `None` outside of the region, or when `at` is not aligned.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn sum_touched(&self, at: u64) -> Result<Option<u64>, Error> {
        let Some(cell) = self.cell::<u64>(at) else {
            return Ok(None);
        };
        let touched = self.populated(at / PAGE_SIZE)?;
        let cpus = (0..machine::possible_cpus()).filter(|cpu| touched.contains(*cpu));
        Ok(Some(
            cpus.filter_map(|cpu| cell.on(cpu)).fold(0, u64::wrapping_add),
        ))
    }

    /// Gives it back. Cells in it borrow it, so none is left.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn destroy(self) -> Result<(), Error> {
        request(&Request::Destroy { region: self.id }).map(drop)
    }

    /// A cell at a byte offset within the region. `None` outside of it, or when `at` is not aligned. Several
    /// cells at one place are several names for one value.
    ///
    /// Using it on a page that was not populated ends the program with a page fault.
    #[must_use]
    pub fn cell<'r, T: Value>(&'r self, at: u64) -> Option<PerCpuCell<T, Offset<'r>>>
    where
        Offset<'r>: Place<T::Word>,
    {
        let end = at.checked_add(size_of::<T>() as u64)?;
        let offset = usize::try_from(self.offset + at).ok()?;
        (end <= self.bytes)
            .then(|| PerCpuCell::in_region(offset))
            .flatten()
    }

    /// A pair of words at a byte offset within the region. `None` outside of it, or when `at` is no multiple
    /// of 16. Otherwise as [`Region::cell`].
    #[must_use]
    pub fn pair(&self, at: u64) -> Option<PerCpuPair<Offset<'_>>> {
        let end = at.checked_add(16)?;
        let offset = usize::try_from(self.offset + at).ok()?;
        (end <= self.bytes)
            .then(|| PerCpuPair::in_region(offset))
            .flatten()
    }

    /// Its name at the server.
    #[must_use]
    pub const fn id(&self) -> RegionId {
        self.id
    }

    /// Where it begins in every unit.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Its size in each unit.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its size in each unit, in pages.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        self.bytes / PAGE_SIZE
    }
}

/// Up to 16 bytes of a text, cut at a character's border.
fn padded(text: &str) -> Name {
    let mut name = [0; 16];
    let length = text.floor_char_boundary(name.len());
    name[..length].copy_from_slice(&text.as_bytes()[..length]);
    name
}
