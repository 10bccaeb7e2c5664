//! Notifications: bits that are set without waiting, and waited for.

use abi::syscall::NOTIFICATION_BADGE;
use abi::{Call, Handle, Received, Registers};

use crate::Refusal;
use crate::ipc::Endpoint;
use crate::syscall::ask;

/// A notification by its handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Notification(pub Handle);

impl Notification {
    /// A new one without bits, with all rights.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn create() -> Result<Notification, Refusal> {
        let results = ask(Call::NotificationCreate, &Registers::default())?;
        Ok(Notification(Handle(results.0[0])))
    }

    /// Sets bits. Whoever waits for them goes on.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn signal(self, bits: u64) -> Result<(), Refusal> {
        ask(Call::NotificationSignal, &Registers::of(&[self.0.0, bits])).map(drop)
    }

    /// Waits until bits are set, and takes them all.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn wait(self) -> Result<u64, Refusal> {
        Ok(ask(Call::NotificationWait, &Registers::of(&[self.0.0]))?.0[0])
    }

    /// Takes all bits that are set.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn collect(self) -> Result<u64, Refusal> {
        Ok(ask(Call::NotificationCollect, &Registers::of(&[self.0.0]))?.0[0])
    }

    /// Lets receivers at the endpoint have the bits: see [`bits`].
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn bind(self, endpoint: Endpoint) -> Result<(), Refusal> {
        ask(Call::NotificationBind, &Registers::of(&[self.0.0, endpoint.0.0])).map(drop)
    }

    /// Gets bits when a process, named by itself or by its window, has ended and its memory is back.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn on_death(self, process: Handle, bits: u64) -> Result<(), Refusal> {
        ask(Call::DeathNotice, &Registers::of(&[process.0, self.0.0, bits])).map(drop)
    }
}

/// The bits of a notification that arrived where messages do; `None` for a message.
#[must_use]
pub const fn bits(received: &Received) -> Option<u64> {
    match received.badge {
        NOTIFICATION_BADGE => Some(received.message.label),
        _ => None,
    }
}
