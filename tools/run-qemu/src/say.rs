//! The launcher's own words, told apart from the guest's by their prefix.

use std::io::Write;

/// Tell the user what is being done.
pub fn say(text: impl std::fmt::Display) {
    println!("run-qemu: {text}");
}

/// Flush what was said and echoed, so that words on the other stream come after it.
pub fn flush() {
    // A closed standard output is no reason to change the verdict.
    let _ = std::io::stdout().flush();
}
