//! What others have chosen, or have a number for, as it can be printed.

use core::fmt::{self, Write};

use userlib::abi::percpu::{OBSERVER, name_of_words};

/// A name of two words; of what cannot be printed, and might change the terminal, only that it is there.
pub struct Text(pub [u64; 2]);

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = name_of_words(self.0);
        let text = core::str::from_utf8(&name).unwrap_or("?").trim_end_matches('\0');
        let width = f.width().unwrap_or(0).saturating_sub(text.chars().count());
        for letter in text.chars() {
            f.write_char(if letter.is_control() { '?' } else { letter })?;
        }
        (0..width).try_for_each(|_| f.write_char(' '))
    }
}

/// A client's number: its badge without what that permits.
pub struct Client(pub u64);

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&(self.0 & !OBSERVER), f)
    }
}
