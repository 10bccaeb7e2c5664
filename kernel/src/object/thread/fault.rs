//! A thread that has faulted: it waits for a verdict, or goes on to its end.

use super::{Parked, attention};

impl Parked {
    /// Its fault is told to somebody, from whom it gets a verdict.
    pub fn note_fault(&mut self, address: u64) {
        self.context().fault_address = address;
        self.thread()
            .set_attention(attention::FAULTED, attention::FAULTED);
    }

    /// Whether it waits for a verdict on its fault, not for an answer.
    pub fn has_faulted(&self) -> bool {
        self.has_attention(attention::FAULTED)
    }

    /// Whether its fault ends its process.
    pub fn is_doomed(&self) -> bool {
        self.has_attention(attention::DOOMED)
    }

    /// The verdict on its fault.
    pub fn settle_fault(&mut self, goes_on: bool) {
        let value = if goes_on {
            0
        } else {
            attention::FAULTED | attention::DOOMED
        };
        self.thread()
            .set_attention(attention::FAULTED | attention::DOOMED, value);
    }
}
