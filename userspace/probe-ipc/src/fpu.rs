//! FPU registers belong to their thread: across preemption, migration, and messages by either way.

use core::arch::asm;
use core::arch::x86_64::__cpuid;

use userlib::Refusal;
use userlib::abi::syscall::CpuMask;
use userlib::checks::Checks;
use userlib::ipc::{self, Endpoint};
use userlib::machine;
use userlib::thread::{self, Place, Thread};

use crate::helpers::{self, answer, message};

/// Rounds of a thread.
const ROUNDS: u64 = 24;
/// Instructions that take longer than a slice, mostly.
const LONG: u64 = 400_000;
/// What a new thread finds.
const CONTROL_WORD: u16 = 0x37f;
const MXCSR: u32 = 0x1f80;

/// Sixteen registers of 32 bytes; without AVX only the lower halves count.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C, align(32))]
struct Registers([[u64; 4]; 16]);

/// Checks everything in this file.
pub fn check(checks: &mut Checks) -> Result<(), Refusal> {
    let has_avx = __cpuid(1).ecx & (1 << 27 | 1 << 28) == 1 << 27 | 1 << 28;
    let clean = thread::spawn(Place::Cpu(0), move || u64::from(!is_clean(has_avx)))?;
    checks.equal("fpu-clean-at-start", clean.join(), Ok(0));
    let endpoint = Endpoint::create()?;
    // Leaves its own values behind wherever it runs.
    let server = helpers::start(endpoint, Place::Cpu(0), move |received| {
        load(&pattern(received.message.words[0] ^ u64::MAX, has_avx), has_avx);
    })?;
    let mut wrong = 0;
    for cpu in machine::online().take(4) {
        let places = [Place::Cpu(cpu), Place::Cpu(cpu), Place::Anywhere];
        let mut seed = cpu as u64 * 100;
        let threads = places.map(|place| {
            seed += 10;
            thread::spawn(place, move || rounds(endpoint, seed, has_avx))
        });
        for thread in threads {
            wrong += thread.and_then(Thread::join)?;
        }
    }
    checks.equal("fpu-registers-are-kept", wrong, 0);
    let clean = thread::spawn(Place::Cpu(0), move || u64::from(!is_clean(has_avx)))?;
    checks.equal("fpu-clean-after-others", clean.join(), Ok(0));
    helpers::stop(endpoint, server)?;
    ipc::drop_capability(endpoint.0)
}

/// How often other values were found than had been loaded.
fn rounds(endpoint: Endpoint, seed: u64, has_avx: bool) -> u64 {
    let mut wrong = 0;
    for round in 0..ROUNDS {
        let expected = pattern(seed + round, has_avx);
        load(&expected, has_avx);
        match round % 4 {
            0 => (0..LONG).for_each(|step| {
                core::hint::black_box(step);
            }),
            1 => wrong += u64::from(endpoint.call(&message(1, seed)) != Ok(answer(1, seed))),
            2 => thread::yield_now(),
            _ => move_about(),
        }
        wrong += u64::from(stored(has_avx) != expected);
    }
    wrong
}

/// To another CPU and back, whatever the thread was bound to.
fn move_about() {
    let cpus = machine::online_cpus();
    let there = CpuMask::only((machine::this_cpu_hint() + 1) % cpus);
    // A refusal would leave it where it is.
    let _ = thread::bind_self(&there).and_then(|()| thread::bind_self(&CpuMask::ALL));
}

fn pattern(seed: u64, has_avx: bool) -> Registers {
    let word = |register: usize, word: usize| match word < 2 || has_avx {
        true => seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (register * 4 + word) as u64,
        false => 0,
    };
    Registers(core::array::from_fn(|register| {
        core::array::from_fn(|at| word(register, at))
    }))
}

/// Nothing in any register, and the control words of a new thread.
fn is_clean(has_avx: bool) -> bool {
    let (mut control, mut mxcsr) = (0_u16, 0_u32);
    // SAFETY: writes the two variables.
    unsafe {
        asm!("fnstcw [{}]", "stmxcsr [{}]", in(reg) &raw mut control, in(reg) &raw mut mxcsr, options(nostack));
    }
    stored(has_avx) == Registers([[0; 4]; 16]) && (control, mxcsr) == (CONTROL_WORD, MXCSR)
}

/// One instruction for each register.
macro_rules! each_register {
    ($before:literal, $after:literal, $address:expr) => {
        // SAFETY: moves between the registers, which compiled code does not use, and the 512 bytes at the address.
        unsafe {
            asm!(
                ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
                concat!($before, "\\n", $after),
                ".endr",
                in("rdi") $address,
                options(nostack),
            )
        }
    };
}

fn load(from: &Registers, has_avx: bool) {
    let from = &raw const *from;
    match has_avx {
        true => each_register!("vmovdqu ymm", ", [rdi + 32 * \\n]", from),
        false => each_register!("movdqu xmm", ", [rdi + 32 * \\n]", from),
    }
}

fn stored(has_avx: bool) -> Registers {
    let mut to = Registers([[0; 4]; 16]);
    let address = &raw mut to;
    match has_avx {
        true => each_register!("vmovdqu [rdi + 32 * \\n], ymm", "", address),
        false => each_register!("movdqu [rdi + 32 * \\n], xmm", "", address),
    }
    to
}
