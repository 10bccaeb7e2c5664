//! Calls with any number and any words.

use userlib::abi::{Call, Registers, Status};
use userlib::checks::Checks;
use userlib::syscall;

/// Makes a call that must be refused. The words have to be such that, were the call granted, no memory of
/// this program would change.
fn refused_call(number: u64, words: &[u64]) -> (u64, [u64; 2]) {
    // SAFETY: 1. and 2. the callers below see to it that even a granted call takes nothing away; a granted
    // call is a failed check.
    let (status, results) = unsafe { syscall::raw(number, &Registers::of(words)) };
    (status, [results.0[0], results.0[1]])
}

/// Checks that a call is refused with this status.
pub fn refused(checks: &mut Checks, name: &str, call: Call, words: &[u64], expected: Status) {
    refused_in_ways(checks, name, call, words, &[expected]);
}

/// Checks that a call is refused with one of these statuses.
pub fn refused_in_ways(checks: &mut Checks, name: &str, call: Call, words: &[u64], expected: &[Status]) {
    let (got, _) = refused_call(call as u64, words);
    let is_it = expected.iter().any(|status| *status as u64 == got);
    let got = Status::from_word(got).ok_or(got);
    checks.that(name, is_it, format_args!("{call:?}: {got:?}, not {expected:?}"));
}

/// Checks that a call is granted, which may concern other processes only.
pub fn granted(checks: &mut Checks, name: &str, call: Call, words: &[u64]) {
    let got = syscall::ask(call, &Registers::of(words)).map(drop);
    checks.equal(name, got, Ok(()));
}

/// Checks that there is no call with this number.
pub fn unknown(checks: &mut Checks, name: &str, number: u64) {
    let (got, _) = refused_call(number, &[0; 9]);
    checks.equal(name, got, Status::UnknownCall as u64);
}

/// Checks that a call is refused with this status and these numbers.
pub fn refused_with(checks: &mut Checks, name: &str, call: (Call, &[u64]), expected: (Status, [u64; 2])) {
    let (status, numbers) = refused_call(call.0 as u64, call.1);
    checks.equal(name, (status, numbers), (expected.0 as u64, expected.1));
}

/// Makes a call that must be refused, see [`refused_call`]; its status, unless that is no number of one.
pub fn status(number: u64, words: &[u64; 9]) -> Option<Status> {
    Status::from_word(refused_call(number, words).0)
}
