//! CPUs that go and come, one at a time.
//!
//! Whoever asks waits in the kernel until the other CPU is parked or online, and serves what other CPUs want of this one
//! meanwhile. A CPU that goes does the work itself (`schedule/leave.rs`); one that comes begins as it did at boot
//! (`boot/smp.rs`). Units, and everything that lies in them, stay.

use alloc::sync::{Arc, Weak};

use abi::Status;
use arrayvec::ArrayVec;
use percpu_core::CpuId;

use crate::boot::{firmware, smp};
use crate::cpu::apic;
use crate::ipc::requests::{self, Request};
use crate::object::{Notification, window};
use crate::refusal::{Refusal, require};
use crate::sync::{Lock, rank};
use crate::{log, mailbox, schedule};

/// Whether a CPU is going or coming. Whoever holds the lock knows that none begins to.
static IS_CHANGING: Lock<bool, { rank::CHANGE }> = Lock::new(false);

/// Who is told.
struct Notice {
    notification: Weak<Notification>,
    gone: u64,
    come: u64,
}

/// Most who are told.
const MOST_NOTICES: usize = 64;

static NOTICES: Lock<ArrayVec<Notice, MOST_NOTICES>, { rank::CPU_NOTICES }> =
    Lock::new(ArrayVec::new_const());

/// Whether a CPU could be taken off now.
pub fn may_go(cpu: CpuId) -> Result<(), Refusal> {
    require(cpu != CpuId::BOOT, Status::BootCpu)?;
    let is_changing = IS_CHANGING.lock();
    require(!*is_changing, Status::CpusChanging)?;
    require(smp::is_online(cpu), Status::NotOnline)
}

/// Takes another CPU off.
pub fn take_off(cpu: CpuId) -> Result<(), Refusal> {
    require(cpu != CpuId::BOOT, Status::BootCpu)?;
    begin(|| {
        require(smp::is_online(cpu), Status::NotOnline)?;
        smp::begin_to_leave(cpu);
        Ok(())
    })?;
    // Programs see it before anything moves: see `userlib::visit`.
    window::tell_cpus();
    let ordered = requests::send(cpu, Request::Leave);
    assert!(ordered.is_ok(), "a CPU that runs takes requests");
    while !smp::is_parked(cpu) {
        serve_meanwhile();
    }
    log!("cpu {cpu} offline");
    end();
    signal(|notice| notice.gone);
    Ok(())
}

/// Brings a CPU back.
pub fn bring_back(cpu: CpuId) -> Result<(), Refusal> {
    begin(|| {
        require(!smp::is_running(cpu), Status::AlreadyOnline)?;
        require(smp::can_start(cpu), Status::NotPresent)?;
        smp::begin_to_start(cpu);
        Ok(())
    })?;
    let is_online = smp::start_again(cpu, serve_meanwhile);
    apic::arm_timer();
    if is_online {
        window::tell_cpus();
        schedule::release();
        let others = firmware::topology().cpus().filter(|other| *other != cpu);
        for other in others.filter(|other| smp::is_running(*other)) {
            // Changes come one at a time, so it takes requests.
            let _ = requests::send(other, Request::SendHome);
        }
    }
    end();
    require(is_online, Status::NotPresent)?;
    signal(|notice| notice.come);
    Ok(())
}

/// Does something while a CPU is off, and cannot begin to come.
pub fn while_off<T>(cpu: CpuId, act: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let _none_begins = IS_CHANGING.lock();
    require(smp::is_off(cpu), Status::AlreadyOnline)?;
    act()
}

/// Signals bits from now on when a CPU has gone, and others when one has come.
pub fn notice(notification: &Arc<Notification>, [gone, come]: [u64; 2]) -> Result<(), Refusal> {
    let notice = Notice {
        notification: Arc::downgrade(notification),
        gone,
        come,
    };
    let added = NOTICES.lock().try_push(notice);
    added.map_err(|_| Refusal {
        status: Status::TableFull,
        words: [MOST_NOTICES as u64, 0],
    })
}

/// One who was told has gone: its memory, too, goes now.
pub fn forget_the_gone() {
    let mut notices = NOTICES.lock();
    notices.retain(|notice| notice.notification.strong_count() > 0);
}

/// Begins a change, if none is under way and it may be.
fn begin(may_be: impl FnOnce() -> Result<(), Refusal>) -> Result<(), Refusal> {
    let mut is_changing = IS_CHANGING.lock();
    require(!*is_changing, Status::CpusChanging)?;
    may_be()?;
    *is_changing = true;
    Ok(())
}

fn end() {
    *IS_CHANGING.lock() = false;
}

/// No lock is held while anybody is woken.
fn signal(bits_of: fn(&Notice) -> u64) {
    let told: ArrayVec<_, MOST_NOTICES> = {
        let notices = NOTICES.lock();
        let living = |notice: &Notice| Some((notice.notification.upgrade()?, bits_of(notice)));
        notices.iter().filter_map(living).collect()
    };
    let told = told.into_iter().filter(|(_, bits)| *bits != 0);
    told.for_each(|(notification, bits)| notification.signal(bits));
}

/// Others may wait for this CPU, too, and the one that is waited for for them.
fn serve_meanwhile() {
    mailbox::drain();
    requests::serve();
    schedule::release_ended();
    core::hint::spin_loop();
}
