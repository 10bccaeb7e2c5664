//! The windows of living programs: what a percpu server that follows another is told.

use abi::Handle;
use abi::percpu::ledger::{MOST_WINDOWS, Window};
use userlib::ipc;
use userlib::notification::Notification;
use userlib::sync::Mutex;
use userlib::thread;

use crate::failure::Failure;

/// The bit of the percpu server among the ends that init is told; the windows' are below it.
pub const SERVER_BIT: u64 = 1 << MOST_WINDOWS;

static WINDOWS: Mutex<[Option<Window>; MOST_WINDOWS]> = Mutex::new([None; MOST_WINDOWS]);

/// Adds a window, until its process has ended.
pub fn add(deaths: Notification, badge: u64, window: Handle) -> Result<(), Failure> {
    let slot = {
        let mut windows = WINDOWS.lock();
        let slot = windows.iter().position(Option::is_none);
        let slot = slot.ok_or(Failure::TooManyPrograms(MOST_WINDOWS))?;
        windows[slot] = Some(Window { badge, window });
        slot
    };
    let told = deaths.on_death(window, 1 << slot);
    told.map_err(Failure::doing("tell the end of a program"))
}

/// Forgets the windows of processes that have ended.
pub fn remove(bits: u64) {
    for slot in (0..MOST_WINDOWS).filter(|slot| bits >> slot & 1 == 1) {
        let removed = WINDOWS.lock()[slot].take();
        if let Some(Window { window, .. }) = removed {
            // Only this list has the handle, so it is valid.
            let _ = ipc::drop_capability(window);
        }
    }
}

/// Waits until a program's window is forgotten: its memory is back then.
pub fn wait_until_gone(badge: u64) {
    let is_there = || {
        WINDOWS
            .lock()
            .iter()
            .flatten()
            .any(|window| window.badge == badge)
    };
    while is_there() {
        thread::yield_now();
    }
}

/// All windows now.
pub fn all() -> [Option<Window>; MOST_WINDOWS] {
    *WINDOWS.lock()
}
