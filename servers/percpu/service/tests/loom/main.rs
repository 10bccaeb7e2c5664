//! The thread that does chores never sleeps while there is one: in all orders, as loom finds them.
//!
//! The bell is the service's own file, built once more with loom's atomics.

#![expect(clippy::unwrap_used, reason = "a panic is how a model fails")]

/// In place of the processor's.
mod atomic {
    pub use loom::sync::atomic::{AtomicBool, Ordering};

    macro_rules! constant {
        ($(#[$meta:meta])* pub fn $($rest:tt)+) => { $(#[$meta])* pub fn $($rest)+ };
    }
    pub(crate) use constant;
}

#[path = "../../src/bell.rs"]
mod bell;

use std::process::{Command, Stdio};

use bell::Bell;
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;

/// Set for a process that is to fail.
const BROKEN: &str = "PERCPU_BROKEN_MODEL";

struct Server {
    /// Chores, under the service's lock.
    to_do: Mutex<u64>,
    bell: Bell,
    /// Bits of a notification stay until somebody waits.
    notification: Notify,
}

impl Server {
    fn new() -> Arc<Server> {
        Arc::new(Server {
            to_do: Mutex::new(0),
            bell: Bell::rung(),
            notification: Notify::new(),
        })
    }

    /// As whoever serves: finds something to do, lets go of the service, and rings.
    fn serve(&self) {
        *self.to_do.lock().unwrap() += 1;
        if self.bell.ring() {
            self.notification.notify();
        }
    }

    fn work(&self) -> u64 {
        std::mem::take(&mut *self.to_do.lock().unwrap())
    }

    /// As `chores::run`, until so many are done: loom finds a sleep that nobody ends.
    fn run(&self, chores: u64, looks_again: bool) {
        let mut done = self.work();
        while done < chores {
            self.bell.rest();
            if looks_again && *self.to_do.lock().unwrap() > 0 && self.bell.ring() {
                self.notification.notify();
            }
            self.notification.wait();
            done += self.work();
        }
    }
}

fn race(chores: u64, looks_again: bool) {
    let server = Server::new();
    let running = server.clone();
    let running = thread::spawn(move || running.run(chores, looks_again));
    (0..chores).for_each(|_| server.serve());
    running.join().unwrap();
}

#[test]
fn every_chore_is_done() {
    loom::model(|| race(2, true));
}

/// The test runs again in a process of its own, because loom may abort.
#[test]
fn sleeping_without_a_last_look_would_be_seen() {
    if std::env::var_os(BROKEN).is_some() {
        return loom::model(|| race(1, false));
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "sleeping_without_a_last_look_would_be_seen"]);
    let command = command
        .env(BROKEN, "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    assert!(!command.status().unwrap().success());
}
