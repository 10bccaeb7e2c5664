//! How a probe reports: one line for each promise, and an exit code that is 0 only if all held.

use core::fmt::{self, Debug};

use crate::println;

/// The checks of one program.
#[derive(Debug, Default)]
pub struct Checks {
    failed: u64,
}

impl Checks {
    /// No checks yet.
    #[must_use]
    pub const fn new() -> Checks {
        Checks { failed: 0 }
    }

    /// Checks that something holds; `why` is printed when it does not.
    pub fn that(&mut self, name: &str, holds: bool, why: fmt::Arguments<'_>) {
        if holds {
            println!("check {name} ok");
        } else {
            println!("check {name} failed: {why}");
            self.failed += 1;
        }
    }

    /// Checks that a value is the expected one.
    pub fn equal<T: PartialEq + Debug>(&mut self, name: &str, got: T, expected: T) {
        self.that(name, got == expected, format_args!("{got:?}, not {expected:?}"));
    }

    /// Checks that something succeeded; gives its value back if so.
    pub fn success<T, E: Debug>(&mut self, name: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => {
                self.that(name, true, format_args!(""));
                Some(value)
            }
            Err(error) => {
                self.that(name, false, format_args!("{error:?}"));
                None
            }
        }
    }

    /// The exit code: how many checks failed.
    #[must_use]
    pub const fn code(&self) -> u64 {
        self.failed
    }
}
