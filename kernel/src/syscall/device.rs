//! Calls of drivers: interrupts and I/O ports.

use alloc::sync::Arc;

use abi::{Registers, Rights, Status};

use super::one;
use crate::cpu::ports;
use crate::object::interrupt::{Interrupt, Ports};
use crate::object::{Capability, Object, Process};
use crate::refusal::{Answer, DONE, require};

/// `InterruptCreate`: `[machine: MANAGE, interrupt]`.
pub fn interrupt_create(caller: &Process, words: &[u64; 9]) -> Answer {
    caller.look_up(words[0], Rights::MANAGE, Object::as_machine)?;
    let interrupt = Object::Interrupt(Arc::new(Interrupt::claim(words[1])?));
    one(caller.insert(Capability::all(interrupt))?)
}

/// `InterruptBind`: `[interrupt: MANAGE, notification: SEND, bits]`.
pub fn interrupt_bind(caller: &Process, words: &[u64; 9]) -> Answer {
    let interrupt = caller.look_up(words[0], Rights::MANAGE, Object::as_interrupt)?;
    let notification = caller.look_up(words[1], Rights::SEND, Object::as_notification)?;
    require(words[2] != 0, Status::BadArgument)?;
    interrupt.bind(notification, words[2])?;
    DONE
}

/// `InterruptAcknowledge`: `[interrupt: MANAGE]`.
pub fn interrupt_acknowledge(caller: &Process, words: &[u64; 9]) -> Answer {
    caller
        .look_up(words[0], Rights::MANAGE, Object::as_interrupt)?
        .acknowledge();
    DONE
}

/// `PortsCreate`: `[machine: MANAGE, first, count]`.
pub fn ports_create(caller: &Process, words: &[u64; 9]) -> Answer {
    caller.look_up(words[0], Rights::MANAGE, Object::as_machine)?;
    let ports = Object::Ports(Ports::new(words[1], words[2])?);
    one(caller.insert(Capability::all(ports))?)
}

/// `PortRead`: `[ports: READ, port, width]`.
pub fn port_read(caller: &Process, words: &[u64; 9]) -> Answer {
    let ports = caller.look_up(words[0], Rights::READ, Object::as_ports)?;
    let value = ports::read(ports.port(words[1], words[2])?, words[2]);
    Ok(Registers::of(&[value.into()]))
}

/// `PortWrite`: `[ports: WRITE, port, width, value]`.
pub fn port_write(caller: &Process, words: &[u64; 9]) -> Answer {
    let ports = caller.look_up(words[0], Rights::WRITE, Object::as_ports)?;
    let port = ports.port(words[1], words[2])?;
    let value = u32::try_from(words[3]).ok();
    let fits = value.filter(|value| words[2] == 4 || *value < 1 << (8 * words[2]));
    ports::write(port, words[2], fits.ok_or(Status::BadArgument)?);
    DONE
}
