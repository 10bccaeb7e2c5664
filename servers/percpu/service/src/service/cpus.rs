//! CPUs that go and come on init's request. The kernel call is made without the service, as it takes a while; a word of the
//! ledger says which request is under way, so that it can be sent again when the server ends at any point.

use abi::percpu::{MAX_REQUEST_NUMBER, PercpuError};
use abi::{MAX_CPUS, Status};

use super::Service;
use crate::ledger::{Counter, Words};
use crate::mapper::Mapper;

/// A CPU that is to go or to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Change {
    /// The number of init's request.
    pub number: u64,
    /// Which CPU.
    pub cpu: u64,
    /// Whether it is to come.
    pub is_on: bool,
}

/// A change as the ledger knows it, in one word: it is written whole or not at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Record {
    change: Change,
    /// The CPU was not yet as it is to be when the request came, so it is no refusal if it is so later.
    has_to_change: bool,
    is_done: bool,
}

const CPU_BITS: u32 = 16;
const _: () = assert!(MAX_CPUS < 1 << CPU_BITS && MAX_REQUEST_NUMBER < 1 << 40);

impl Record {
    const fn encode(self) -> u64 {
        let Change { number, cpu, is_on } = self.change;
        let bits = is_on as u64 | (self.has_to_change as u64) << 1 | (self.is_done as u64) << 2;
        number << 24 | bits << CPU_BITS | cpu
    }

    const fn decode(word: u64) -> Record {
        let bits = word >> CPU_BITS;
        let change = Change {
            number: word >> 24,
            cpu: word & ((1 << CPU_BITS) - 1),
            is_on: bits & 1 == 1,
        };
        Record {
            change,
            has_to_change: bits >> 1 & 1 == 1,
            is_done: bits >> 2 & 1 == 1,
        }
    }
}

impl<M: Mapper, W: Words> Service<M, W> {
    /// Before the kernel is asked: whether it has to be. `is_online` is what the CPU is now.
    ///
    /// # Errors
    /// [`PercpuError::NotPermitted`], [`PercpuError::StaleRequest`], [`PercpuError::Malformed`] for another request with the
    /// number of the last one, [`PercpuError::CpuRefused`] for a CPU that cannot be.
    pub fn begin_change(&mut self, badge: u64, change: Change, is_online: bool) -> Result<bool, PercpuError> {
        self.check_is_init(badge)?;
        if change.cpu >= MAX_CPUS as u64 {
            return Err(PercpuError::CpuRefused(Status::BadArgument as u64));
        }
        let last = Record::decode(self.ledger.cpu_change());
        if change == last.change {
            if last.is_done {
                self.ledger.count(Counter::AnsweredAgain);
            }
            return Ok(!last.is_done);
        }
        if change.number == last.change.number {
            return Err(PercpuError::Malformed(0));
        }
        if change.number < last.change.number {
            return Err(PercpuError::StaleRequest(last.change.number));
        }
        let record = Record {
            change,
            has_to_change: is_online != change.is_on,
            is_done: false,
        };
        self.ledger.set_cpu_change(record.encode());
        Ok(true)
    }

    /// After the kernel was asked: what its answer comes to. That the CPU is so already is what was wanted, if it was not so when
    /// the request came first: then the server has ended behind the kernel's call, or somebody else has done the same meanwhile.
    ///
    /// # Errors
    /// [`PercpuError::CpuRefused`], [`PercpuError::Kernel`].
    pub fn end_change(&mut self, done: Result<(), Status>) -> Result<(), PercpuError> {
        use Status::{AlreadyOnline, BadArgument, BootCpu, NotOnline, NotPresent};
        let record = Record::decode(self.ledger.cpu_change());
        let is_so = match record.change.is_on {
            true => AlreadyOnline,
            false => NotOnline,
        };
        match done {
            Err(status) if status == is_so && record.has_to_change => {
                self.ledger.count(Counter::AnsweredAgain)
            }
            Err(status @ (BadArgument | BootCpu | NotOnline | AlreadyOnline | NotPresent)) => {
                return Err(PercpuError::CpuRefused(status as u64));
            }
            Err(status) => return Err(PercpuError::Kernel(status as u64)),
            Ok(()) => {}
        }
        let is_done = true;
        self.ledger.set_cpu_change(Record { is_done, ..record }.encode());
        Ok(())
    }
}
