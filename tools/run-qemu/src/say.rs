//! The launcher's own words, told apart from the guest's by their prefix.

/// Tell the user what is being done.
pub fn say(text: impl std::fmt::Display) {
    println!("run-qemu: {text}");
}
