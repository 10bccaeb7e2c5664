//! Whether a program ended as it had to, in the words of the report.

use core::fmt;

use abi::syscall::End;

use crate::Expect;

/// Vector of a page fault, the one with an address (SDM volume 3, table 6-1).
const PAGE_FAULT: u64 = 14;

/// How a program ended, beside how it had to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// How it had to.
    pub expect: Expect,
    /// How it did.
    pub end: End,
}

impl Verdict {
    /// Whether both agree.
    #[must_use]
    pub const fn is_good(&self) -> bool {
        matches!(
            (self.expect, self.end),
            (Expect::Exit, End::Exited(0)) | (Expect::Fault, End::Faulted { .. })
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.expect, self.end) {
            (Expect::Exit, End::Exited(0)) => write!(f, "ok"),
            (Expect::Exit, End::Exited(code)) => write!(f, "failed: exit code {code}"),
            (Expect::Exit, End::Faulted { instruction, .. }) => {
                write!(
                    f,
                    "failed: {} by the instruction at {instruction:#x}",
                    Cause(self.end)
                )
            }
            (Expect::Exit, End::Killed) => write!(f, "failed: killed"),
            (Expect::Fault, End::Faulted { .. }) => write!(f, "ended by {} as expected", Cause(self.end)),
            (Expect::Fault, End::Exited(code)) => write!(f, "failed: exit code {code} instead of a fault"),
            (Expect::Fault, End::Killed) => write!(f, "failed: killed instead of a fault"),
        }
    }
}

/// A fault by its name in the manual, with the address where there is one.
struct Cause(End);

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let End::Faulted { vector, address, .. } = self.0 else {
            return Ok(());
        };
        match vector {
            PAGE_FAULT => write!(f, "page fault at {address:#x}"),
            0 => write!(f, "divide error"),
            1 => write!(f, "debug exception"),
            3 => write!(f, "breakpoint"),
            4 => write!(f, "overflow"),
            5 => write!(f, "bound range exceeded"),
            6 => write!(f, "invalid opcode"),
            7 => write!(f, "device not available"),
            11 => write!(f, "segment not present"),
            12 => write!(f, "stack-segment fault"),
            13 => write!(f, "general protection fault"),
            16 => write!(f, "x87 floating-point error"),
            17 => write!(f, "alignment check"),
            19 => write!(f, "SIMD floating-point exception"),
            other => write!(f, "exception {other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(vector: u64) -> End {
        End::Faulted {
            vector,
            address: 0x10,
            instruction: 0x40_0000,
        }
    }

    #[test]
    fn every_end_is_judged_and_told() {
        use Expect::{Exit, Fault};
        let table = [
            (Exit, End::Exited(0), true, "ok"),
            (Exit, End::Exited(3), false, "failed: exit code 3"),
            (
                Exit,
                fault(14),
                false,
                "failed: page fault at 0x10 by the instruction at 0x400000",
            ),
            (Exit, End::Killed, false, "failed: killed"),
            (Fault, fault(14), true, "ended by page fault at 0x10 as expected"),
            (
                Fault,
                fault(13),
                true,
                "ended by general protection fault as expected",
            ),
            (Fault, fault(30), true, "ended by exception 30 as expected"),
            (
                Fault,
                End::Exited(0),
                false,
                "failed: exit code 0 instead of a fault",
            ),
            (Fault, End::Killed, false, "failed: killed instead of a fault"),
        ];
        for (expect, end, is_good, text) in table {
            let verdict = Verdict { expect, end };
            assert_eq!((verdict.is_good(), verdict.to_string().as_str()), (is_good, text));
        }
    }
}
