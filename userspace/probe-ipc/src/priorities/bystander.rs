//! A thread of middle priority that counts its turns when it is let: they tell at which priority somebody else was running.

use core::sync::atomic::{AtomicU64, Ordering};

use userlib::Refusal;
use userlib::notification::Notification;
use userlib::thread::Thread;

use super::spawn;

/// Turns of the bystander since it was let.
static TURNS: AtomicU64 = AtomicU64::new(0);
/// Turns that it takes at most.
static MOST: AtomicU64 = AtomicU64::new(0);

/// Who is kept from running by everybody above [`MIDDLE`].
#[derive(Clone, Copy)]
pub struct Bystander {
    gate: Notification,
    done: Notification,
}

impl Bystander {
    const GO: u64 = 1;
    const END: u64 = 2;

    /// One that waits to be let go, and its thread.
    pub fn start(priority: u64) -> Result<(Bystander, Thread), Refusal> {
        let bystander = Bystander {
            gate: Notification::create()?,
            done: Notification::create()?,
        };
        let thread = spawn(priority, move || bystander.run())?;
        Ok((bystander, thread))
    }

    /// Lets it end.
    pub fn end(self) -> Result<(), Refusal> {
        self.gate.signal(Bystander::END)
    }

    /// Its turns since it was let go.
    pub fn turns() -> u64 {
        TURNS.load(Ordering::SeqCst)
    }

    /// Waits until it has had its turns.
    pub fn wait(self) -> Result<(), Refusal> {
        self.done.wait().map(drop)
    }

    fn run(self) -> u64 {
        loop {
            match self.gate.wait() {
                Ok(Self::GO) => {}
                Ok(Self::END) => return 0,
                _ => return 1,
            }
            while Bystander::turns() < MOST.load(Ordering::SeqCst) {
                TURNS.fetch_add(1, Ordering::SeqCst);
            }
            if self.done.signal(1).is_err() {
                return 2;
            }
        }
    }

    /// Lets it count up to so many turns.
    pub fn let_go(self, most: u64) -> Result<(), Refusal> {
        TURNS.store(0, Ordering::SeqCst);
        MOST.store(most, Ordering::SeqCst);
        self.gate.signal(Self::GO)
    }

    /// Its turns while something is done, which it wants to count all the time.
    pub fn turns_while(self, body: impl FnOnce() -> Result<(), Refusal>) -> Result<u64, Refusal> {
        self.let_go(u64::MAX)?;
        body()?;
        let turns = Bystander::turns();
        MOST.store(0, Ordering::SeqCst);
        self.wait()?;
        Ok(turns)
    }
}
