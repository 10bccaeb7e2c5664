//! The ledger: memory that outlives the percpu server.
//!
//! Its first page is the roster, in which init tells a server that follows another one which windows there are.
//! The rest is the server's own, and nobody else reads it.

use crate::Handle;

/// Pages of the ledger, the roster's among them.
pub const PAGES: u64 = 1 + 2 + 256 + 5;

/// Words of it.
pub const WORDS: usize = PAGES as usize * 512;

/// Most windows that init knows.
pub const MOST_WINDOWS: usize = 63;

/// Words of the roster: how many windows, then a badge and a handle for each.
pub const ROSTER_WORDS: usize = 1 + 2 * MOST_WINDOWS;

/// A window, and whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// The client's badge.
    pub badge: u64,
    /// The window, by a handle of whoever reads this.
    pub window: Handle,
}

/// Writes the roster. Windows beyond [`MOST_WINDOWS`] are left out.
pub fn write_roster(words: &mut [u64; ROSTER_WORDS], windows: impl Iterator<Item = Window>) {
    words.fill(0);
    let (count, pairs) = words.split_at_mut(1);
    for (pair, window) in pairs.chunks_exact_mut(2).zip(windows) {
        pair.copy_from_slice(&[window.badge, window.window.0]);
        count[0] += 1;
    }
}

/// Reads the roster.
pub fn roster(words: &[u64; ROSTER_WORDS]) -> impl Iterator<Item = Window> + '_ {
    let count = usize::try_from(words[0])
        .unwrap_or(MOST_WINDOWS)
        .min(MOST_WINDOWS);
    words[1..].chunks_exact(2).take(count).map(|pair| Window {
        badge: pair[0],
        window: Handle(pair[1]),
    })
}
