//! Stays, with pages of each kind, so that somebody can look at the page tables from outside.

use userlib::abi::PAGE_SIZE;
use userlib::abi::syscall::CpuMask;
use userlib::percpu::{Error, Populate, Region};
use userlib::{machine, println, thread};

/// Pages of each region.
const PAGES: u64 = 4;

/// Says where everything lies, and spins on the last CPU.
pub fn run() -> u64 {
    match regions() {
        Ok(()) => loop {
            core::hint::spin_loop();
        },
        Err(error) => {
            println!("hold: {error}");
            1
        }
    }
}

fn regions() -> Result<(), Error> {
    let some = Region::create(PAGES * PAGE_SIZE, Populate::None, "some")?;
    some.populate(1, 2)?;
    let touched = Region::create(PAGES * PAGE_SIZE, Populate::OnTouch, "touched")?;
    let last = machine::online().last().unwrap_or(0);
    thread::bind_self(&CpuMask::only(last))?;
    if let Some(cell) = touched.cell::<u64>(2 * PAGE_SIZE) {
        cell.increment();
    }
    let refused = some.populate(0, u64::MAX).and(some.populate(0, 1 << 20)).is_err();
    println!(
        "hold some {:#x} touched {:#x} cpu {last} refused {refused}",
        some.offset(),
        touched.offset()
    );
    Ok(())
}
