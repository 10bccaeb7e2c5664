//! A window's note: the last request that took effect, and its result.

/// Bits of the result.
const RESULT_BITS: u32 = 24;

/// The request's number, and for a granted region its index plus 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Note {
    /// The request's number; 0 when there was none.
    pub number: u64,
    /// The region's index that was granted.
    pub region: Option<u32>,
}

impl Note {
    /// The note of a window whose client is attached and has not asked for anything: no request has number 0.
    pub const ATTACHED: Note = Note {
        number: 0,
        region: Some((1 << RESULT_BITS) - 2),
    };

    /// As the kernel keeps it.
    pub const fn encode(self) -> u64 {
        let result = match self.region {
            Some(index) => index as u64 + 1,
            None => 0,
        };
        self.number << RESULT_BITS | result
    }

    /// Any word is some note.
    pub const fn decode(word: u64) -> Note {
        let region = match word & ((1 << RESULT_BITS) - 1) {
            0 => None,
            result => Some(result as u32 - 1),
        };
        Note {
            number: word >> RESULT_BITS,
            region,
        }
    }
}

// Numbers and indices fit beside each other.
const _: () = assert!(abi::percpu::MAX_REQUEST_NUMBER >> (64 - RESULT_BITS) == 0);
const _: () = assert!(crate::MOST_CLIENTS * crate::MOST_REGIONS < 1 << RESULT_BITS);
