//! For drivers: the interrupt and the I/O ports of a device, which init gives to the programs of its table.
//!
//! Whoever drives a device that reads or writes memory by itself can reach all memory with it: there is no IOMMU here.

use abi::{Call, Handle, Registers};

use crate::Refusal;
use crate::notification::Notification;
use crate::start;
use crate::syscall::ask;

/// An interrupt of a device, by its handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupt(pub Handle);

impl Interrupt {
    /// The one that this program was given; a handle that names nothing if it was given none.
    #[must_use]
    pub fn given() -> Interrupt {
        Interrupt(start::info().interrupt)
    }

    /// Claims one, by the right of whoever holds the machine: an ISA interrupt below 16, else a line of the I/O APICs.
    ///
    /// # Errors
    /// `InUse` when somebody has it, `BadArgument` when there is none.
    pub fn claim(machine: Handle, interrupt: u64) -> Result<Interrupt, Refusal> {
        let results = ask(Call::InterruptCreate, &Registers::of(&[machine.0, interrupt]))?;
        Ok(Interrupt(Handle(results.0[0])))
    }

    /// From now on it arrives on this thread's CPU and sets these bits.
    ///
    /// # Errors
    /// The kernel's refusal; `BadArgument` without bits.
    pub fn bind(self, notification: Notification, bits: u64) -> Result<(), Refusal> {
        let words = [self.0.0, notification.0.0, bits];
        ask(Call::InterruptBind, &Registers::of(&words)).map(drop)
    }

    /// The device is silent, the interrupt may come again. One by edge, such as ISA's, needs none of this.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn acknowledge(self) -> Result<(), Refusal> {
        ask(Call::InterruptAcknowledge, &Registers::of(&[self.0.0])).map(drop)
    }
}

/// A range of I/O ports, by its handle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ports(pub Handle);

impl Ports {
    /// Those that this program was given; a handle that names nothing if it was given none.
    #[must_use]
    pub fn given() -> Ports {
        Ports(start::info().ports)
    }

    /// `count` ports from `first` on, by the right of whoever holds the machine.
    ///
    /// # Errors
    /// `BadArgument` for none, or beyond the last.
    pub fn create(machine: Handle, first: u64, count: u64) -> Result<Ports, Refusal> {
        let results = ask(Call::PortsCreate, &Registers::of(&[machine.0, first, count]))?;
        Ok(Ports(Handle(results.0[0])))
    }

    /// Reads `width` bytes: 1, 2 or 4.
    ///
    /// # Errors
    /// `BadArgument` for another width, or ports that are not among these.
    pub fn read(self, port: u16, width: u64) -> Result<u32, Refusal> {
        let results = ask(Call::PortRead, &Registers::of(&[self.0.0, port.into(), width]))?;
        Ok(results.0[0] as u32)
    }

    /// Writes `width` bytes: 1, 2 or 4.
    ///
    /// # Errors
    /// `BadArgument` as for [`Ports::read`], or for a value that is too large.
    pub fn write(self, port: u16, width: u64, value: u32) -> Result<(), Refusal> {
        let words = [self.0.0, port.into(), width, value.into()];
        ask(Call::PortWrite, &Registers::of(&words)).map(drop)
    }
}

/// The timer of every PC (8254): interrupt 0, four ports from 0x40 on. Its first channel interrupts at a rate.
pub mod pit {
    use super::Ports;
    use crate::Refusal;

    /// The first of its ports.
    pub const FIRST_PORT: u16 = 0x40;
    /// Ticks in a second.
    pub const HERTZ: u32 = 1_193_182;

    const COMMAND: u16 = 0x43;
    /// Channel 0, both bytes, a pulse every so many ticks.
    const RATE: u32 = 0x34;
    /// The same, one pulse; it waits for its ticks, which are never written.
    const SILENT: u32 = 0x30;

    /// An interrupt every `ticks`.
    ///
    /// # Errors
    /// The kernel's refusal, for other ports.
    pub fn start(ports: Ports, ticks: u16) -> Result<(), Refusal> {
        ports.write(COMMAND, 1, RATE)?;
        for byte in ticks.to_le_bytes() {
            ports.write(FIRST_PORT, 1, byte.into())?;
        }
        Ok(())
    }

    /// No interrupts any more.
    ///
    /// # Errors
    /// The kernel's refusal, for other ports.
    pub fn stop(ports: Ports) -> Result<(), Refusal> {
        ports.write(COMMAND, 1, SILENT)
    }

    /// What the channel counts down from its ticks.
    ///
    /// # Errors
    /// The kernel's refusal, for other ports.
    pub fn count(ports: Ports) -> Result<u16, Refusal> {
        // Holds the count of channel 0, for both bytes.
        ports.write(COMMAND, 1, 0)?;
        let low = ports.read(FIRST_PORT, 1)? as u16;
        Ok(low | (ports.read(FIRST_PORT, 1)? as u16) << 8)
    }
}
