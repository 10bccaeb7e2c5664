//! Threads of this program, each with a stack of its own and an unmapped page below it.

use core::arch::naked_asm;
use core::mem::{ManuallyDrop, align_of, size_of};
use core::ptr::with_exposed_provenance_mut;

use abi::syscall::{ANY_CPU, CpuMask, DEFAULT_PRIORITY, End};
use abi::{Call, Handle, Registers};

use crate::memory::Mapping;
use crate::syscall::{ask, command};
use crate::{Refusal, ipc, process, start};

/// Pages of a thread's stack.
const STACK_PAGES: u64 = 4;

/// Where a thread may run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// On this CPU only.
    Cpu(usize),
    /// Wherever the kernel likes, and it may change its mind at any time.
    Anywhere,
}

impl Place {
    /// For [`Call::ThreadCreate`].
    pub(crate) const fn word(self) -> u64 {
        match self {
            Place::Cpu(cpu) => cpu as u64,
            Place::Anywhere => ANY_CPU,
        }
    }
}

/// A running thread. Dropped, it runs on, and its stack stays.
#[derive(Debug)]
#[must_use = "whoever wants the thread's end and its stack back has to join it"]
pub struct Thread {
    handle: Handle,
    stack: ManuallyDrop<Mapping>,
}

/// What a new thread finds at the top of its stack.
#[repr(C)]
struct Beginning<F> {
    /// Always `begin::<F>`; [`enter`] finds it at offset 0.
    begin: unsafe extern "C" fn(*mut Beginning<F>) -> !,
    body: ManuallyDrop<F>,
}

/// Starts a thread that runs `body` and ends with the code that it returns.
///
/// # Errors
/// The kernel's refusal.
///
/// # Panics
/// When what `body` has captured is larger than half of a stack.
pub fn spawn<F>(place: Place, body: F) -> Result<Thread, Refusal>
where
    F: FnOnce() -> u64 + Send + 'static,
{
    const { assert!(align_of::<Beginning<F>>() <= 64) };
    let stack = Mapping::own(STACK_PAGES)?;
    let size = size_of::<Beginning<F>>();
    assert!(
        size <= stack.bytes() / 2,
        "a thread's body is too large for its stack"
    );
    let address = (stack.address() + stack.bytes() - size) & !63;
    let beginning = with_exposed_provenance_mut::<Beginning<F>>(address);
    let body = ManuallyDrop::new(body);
    let begin = begin::<F>;
    // SAFETY: the mapping is new and ours, `address` is in it with room for `size`, aligned to 64.
    unsafe { beginning.write(Beginning { begin, body }) };
    match create(place, address) {
        Ok(handle) => Ok(Thread {
            handle,
            stack: ManuallyDrop::new(stack),
        }),
        Err(refusal) => {
            // SAFETY: written above, and no thread was started that could have read it.
            unsafe { ManuallyDrop::drop(&mut (*beginning).body) };
            Err(refusal)
        }
    }
}

fn create(place: Place, beginning: usize) -> Result<Handle, Refusal> {
    let entry = enter as *const () as u64;
    let [own, beginning] = [start::info().process.0, beginning as u64];
    let registers = Registers::of(&[own, entry, beginning, beginning, place.word()]);
    // SAFETY: 1. changes no mapping. 2. `enter` is a thread entry; the stack below `beginning` is new.
    let results = unsafe { command(Call::ThreadCreate, &registers)? };
    Ok(Handle(results.0[0]))
}

/// The first instruction of every spawned thread: `rdi` and `rsp` are the address of its [`Beginning`].
#[unsafe(naked)]
unsafe extern "C" fn enter() -> ! {
    naked_asm!("xor ebp, ebp", "call [rdi]", "ud2")
}

/// # Safety
/// `beginning` was written by [`spawn`] for this type, and nobody else reads it.
unsafe extern "C" fn begin<F: FnOnce() -> u64>(beginning: *mut Beginning<F>) -> ! {
    // SAFETY: the caller's obligation; the body is taken this once.
    let body = unsafe { ManuallyDrop::take(&mut (*beginning).body) };
    exit(body())
}

impl Thread {
    /// Waits for its end and takes its stack back.
    ///
    /// # Errors
    /// The kernel's refusal; the stack stays then.
    ///
    /// # Panics
    /// When it was ended other than by itself: that would have ended this process, too.
    pub fn join(self) -> Result<u64, Refusal> {
        let end = process::wait(self.handle)?;
        ipc::drop_capability(self.handle)?;
        drop(ManuallyDrop::into_inner(self.stack));
        match end {
            End::Exited(code) => Ok(code),
            other => panic!("a thread ended by {other:?} and its process lives"),
        }
    }

    /// Binds it to a set of CPUs. It does not run as long as all of them are off.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn bind(&self, cpus: &CpuMask) -> Result<(), Refusal> {
        bind(self.handle, cpus, Bond::Firm)
    }

    /// Binds it to a set of CPUs; as long as none of them is online, it may run anywhere.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn bind_loosely(&self, cpus: &CpuMask) -> Result<(), Refusal> {
        bind(self.handle, cpus, Bond::Loose)
    }

    /// Gives it another priority.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn set_priority(&self, priority: u64) -> Result<(), Refusal> {
        set_priority(self.handle, priority)
    }

    /// Its handle, for a thread that nobody will join: its stack stays.
    #[must_use]
    pub fn into_handle(self) -> Handle {
        self.handle
    }

    pub(crate) const fn handle(&self) -> Handle {
        self.handle
    }
}

/// What becomes of a thread when the last CPU that it is bound to goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bond {
    /// It waits for one to come back.
    Firm = 0,
    /// It may run anywhere as long as all of them are off.
    Loose = 1,
}

/// Binds the calling thread to a set of CPUs; it is on one of them when this returns. It does not run as long as all of
/// them are off.
///
/// # Errors
/// The kernel's refusal: `NotOnline` when none of them is online.
pub fn bind_self(cpus: &CpuMask) -> Result<(), Refusal> {
    bind(Handle::NONE, cpus, Bond::Firm)
}

/// Binds the calling thread to a set of CPUs; as long as none of them is online, it may run anywhere. That may be so
/// already when this returns: [`crate::machine::generation`] tells.
///
/// # Errors
/// The kernel's refusal: `NotOnline` when none of them is online.
pub fn bind_self_loosely(cpus: &CpuMask) -> Result<(), Refusal> {
    bind(Handle::NONE, cpus, Bond::Loose)
}

pub(crate) fn bind(thread: Handle, cpus: &CpuMask, bond: Bond) -> Result<(), Refusal> {
    let [a, b, c, d] = cpus.0;
    let registers = Registers::of(&[thread.0, a, b, c, d, bond as u64]);
    ask(Call::ThreadAffinity, &registers).map(drop)
}

/// Lets everybody of this CPU run for a moment, those of the lowest priority, too: for whoever waits for what the percpu
/// server does when nobody wants anything. Has the default priority then.
pub fn give_way() {
    // Neither is refused: both are below every limit that a program was given.
    let _ = set_priority(Handle::NONE, 0);
    yield_now();
    let _ = set_priority(Handle::NONE, DEFAULT_PRIORITY);
}

/// Gives a thread, or with [`Handle::NONE`] the calling one, another priority. The caller runs at it at once; while it
/// serves somebody, until it answers.
///
/// # Errors
/// The kernel's refusal.
pub fn set_priority(thread: Handle, priority: u64) -> Result<(), Refusal> {
    ask(Call::ThreadPriority, &Registers::of(&[thread.0, priority])).map(drop)
}

/// Gives the calling thread a priority that holds also while it serves somebody less urgent. Servers with locks need it: at a
/// client's priority the holder might wait for other clients, and all of them for it.
///
/// # Errors
/// The kernel's refusal.
pub fn set_priority_floor(priority: u64) -> Result<(), Refusal> {
    ask(Call::ThreadPriority, &Registers::of(&[0, priority, 1])).map(drop)
}

/// Lets another thread of this CPU run for a moment, a slice at most, also one that is less urgent: all priorities take
/// turns. For who waits for somebody, and does not know for whom.
pub fn lend() {
    // The kernel has no reason to refuse, and going on at once is a lawful way to lend.
    let _ = ask(Call::ThreadLend, &Registers::default());
}

/// Lets the next thread of this CPU run that is as urgent.
pub fn yield_now() {
    // The kernel has no reason to refuse, and going on at once is a lawful way to yield.
    let _ = ask(Call::ThreadYield, &Registers::default());
}

/// Ends the calling thread; the last one ends the process.
pub fn exit(code: u64) -> ! {
    // There is nothing to do about a refusal but to ask again.
    loop {
        let _ = ask(Call::ThreadExit, &Registers::of(&[code]));
    }
}
