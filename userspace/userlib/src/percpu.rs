//! The client of the percpu server: regions of per-CPU memory.
//!
//! A region is the same range of offsets in every unit of this program's window. The server hands out whole
//! pages; what lies where in a region is the program's business.

use core::fmt;

use abi::message::MESSAGE_WORDS;
use abi::percpu::{Grant, PROTOCOL_VERSION, RegionId, Request};
use abi::{Message, PAGE_SIZE, Status};

pub use abi::percpu::{Geometry, PercpuError, Populate, Stats};

use crate::cell::{Offset, PerCpuCell, PerCpuPair, Place, Value};
use crate::ipc::Endpoint;
use crate::{Refusal, start};

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
            Error::Refused(refusal) => write!(f, "the percpu server refused: {refusal:?}"),
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
    let answer = Endpoint(start::info().percpu).call(message)?;
    Ok(PercpuError::from_answer(&answer)?)
}

/// Makes a request.
///
/// # Errors
/// See [`Error`].
pub fn request(request: &Request) -> Result<[u64; MESSAGE_WORDS], Error> {
    send(&request.encode())
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
        Region::granted(&Request::Reserve { bytes, align })
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
        let grant = Grant::decode(&request(ask)?);
        Ok(Region {
            id: grant.region,
            offset: grant.offset,
            bytes: grant.bytes,
        })
    }

    /// Gets frames for pages of it, on all CPUs; pages that have some keep them and their contents.
    ///
    /// # Errors
    /// See [`Error`]. All of the pages, or none.
    pub fn populate(&self, page: u64, count: u64) -> Result<(), Error> {
        let region = self.id;
        request(&Request::Populate { region, page, count }).map(drop)
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
fn padded(text: &str) -> [u8; 16] {
    let mut name = [0; 16];
    let length = text.floor_char_boundary(name.len());
    name[..length].copy_from_slice(&text.as_bytes()[..length]);
    name
}
