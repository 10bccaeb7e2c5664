//! What a driver is given: the interrupt and the ports of its device.

use abi::start::StartInfo;
use boot_module::Device;
use userlib::device::{Interrupt, Ports};
use userlib::process::Child;
use userlib::{ipc, start};

use abi::Rights;

use crate::failure::Failure;

/// Claims a device for a child, which has it alone until it ends or drops it.
pub fn give(child: &Child, device: Device, info: StartInfo) -> Result<StartInfo, Failure> {
    let machine = start::info().handover.machine;
    let interrupt =
        Interrupt::claim(machine, device.interrupt).map_err(Failure::doing("claim an interrupt"))?;
    let granted = child.grant(interrupt.0, Rights::MANAGE, 0);
    // init's own is of no use: the child's is what is left.
    ipc::drop_capability(interrupt.0).map_err(Failure::doing("drop an interrupt"))?;
    let interrupt = granted.map_err(Failure::doing("grant an interrupt"))?;
    let ports = Ports::create(machine, device.first_port, device.ports);
    let ports = ports.map_err(Failure::doing("make I/O ports"))?;
    let granted = child.grant(ports.0, Rights::READ.or(Rights::WRITE), 0);
    ipc::drop_capability(ports.0).map_err(Failure::doing("drop I/O ports"))?;
    Ok(StartInfo {
        interrupt,
        ports: granted.map_err(Failure::doing("grant I/O ports"))?,
        ..info
    })
}
