//! Interrupts of devices, told to drivers in user space as bits of a notification.
//!
//! An interrupt is claimed once, and belongs to whoever holds capabilities to it. It arrives on the CPU on which it was
//! bound; nobody waits, and what came before the driver looked is one.

use alloc::sync::Arc;

use abi::Status;
use percpu_core::{CpuId, Line};

use super::Notification;
use crate::boot::firmware;
use crate::cpu;
use crate::cpu::apic::lines;
use crate::refusal::{Refusal, require};
use crate::sync::{Lock, rank};

/// A claimed interrupt.
pub struct Interrupt {
    line: Line,
}

/// What the kernel knows of a line.
struct State {
    is_claimed: bool,
    told: Option<(Arc<Notification>, u64)>,
    /// Where it arrives.
    cpu: CpuId,
}

static STATES: [Lock<State, { rank::INTERRUPT }>; lines::LINES] =
    [const { Lock::new(State::FREE) }; lines::LINES];

impl State {
    const FREE: State = State {
        is_claimed: false,
        told: None,
        cpu: CpuId::BOOT,
    };
}

impl Interrupt {
    /// Claims an interrupt; see [`abi::Call::InterruptCreate`] for its number.
    ///
    /// # Errors
    /// `BadArgument` without such a line, `InUse` when somebody has it.
    pub fn claim(interrupt: u64) -> Result<Interrupt, Refusal> {
        let interrupt = u32::try_from(interrupt).map_err(|_| Status::BadArgument)?;
        let line = firmware::line_of(interrupt).ok_or(Status::BadArgument)?;
        require(lines::has(line.number), Status::BadArgument)?;
        let mut state = STATES[line.number as usize].lock();
        require(!state.is_claimed, Status::InUse)?;
        state.is_claimed = true;
        Ok(Interrupt { line })
    }

    /// From now on it arrives on this CPU, and sets these bits.
    ///
    /// # Errors
    /// `BadArgument` on a CPU to which no I/O APIC can send.
    pub fn bind(&self, notification: Arc<Notification>, bits: u64) -> Result<(), Refusal> {
        let cpu = cpu::this_cpu();
        // Dropped when the lock is free: it may be the last holder.
        let before = {
            let mut state = self.state().lock();
            require(lines::route(self.line, cpu), Status::BadArgument)?;
            state.cpu = cpu;
            state.told.replace((notification, bits))
        };
        drop(before);
        Ok(())
    }

    /// The driver has silenced the device: the line may arrive again.
    pub fn acknowledge(&self) {
        if self.state().lock().told.is_some() {
            lines::unmask(self.line.number);
        }
    }

    fn state(&self) -> &'static Lock<State, { rank::INTERRUPT }> {
        &STATES[self.line.number as usize]
    }
}

/// Nobody can handle it any more.
impl Drop for Interrupt {
    fn drop(&mut self) {
        lines::mask(self.line.number);
        let told = core::mem::replace(&mut *self.state().lock(), State::FREE).told;
        drop(told);
    }
}

/// This CPU goes: what arrives here arrives on the boot CPU from now on, which never goes.
pub fn move_away() {
    for (number, state) in (0..).zip(&STATES) {
        let mut state = state.lock();
        if state.told.is_some() && state.cpu == cpu::this_cpu() && lines::redirect(number, CpuId::BOOT) {
            state.cpu = CpuId::BOOT;
        }
    }
}

/// A line has arrived on this CPU.
pub fn arrive(line: u32) {
    let told = STATES[line as usize].lock().told.clone();
    if let Some((notification, bits)) = told {
        notification.signal(bits);
    }
}

/// A contiguous range of I/O ports.
#[derive(Clone, Copy)]
pub struct Ports {
    first: u16,
    count: u32,
}

impl Ports {
    /// `count` ports from `first` on.
    ///
    /// # Errors
    /// `BadArgument` for none, or for some that no processor has.
    pub fn new(first: u64, count: u64) -> Result<Ports, Refusal> {
        let is_some = count > 0 && count <= 1 << 16 && first < 1 << 16 && first + count <= 1 << 16;
        require(is_some, Status::BadArgument)?;
        Ok(Ports {
            first: first as u16,
            count: count as u32,
        })
    }

    /// The first of `width` ports, if all are in the range and the width is one that a processor has.
    ///
    /// # Errors
    /// `BadArgument`.
    pub fn port(&self, port: u64, width: u64) -> Result<u16, Refusal> {
        require(matches!(width, 1 | 2 | 4), Status::BadArgument)?;
        let offset = port.checked_sub(self.first.into()).ok_or(Status::BadArgument)?;
        let end = offset.checked_add(width).ok_or(Status::BadArgument)?;
        require(end <= self.count.into(), Status::BadArgument)?;
        Ok(port as u16)
    }
}
