//! The readings: one for each operation, in instructions between two readings of the time stamp counter.
//!
//! A reading is four instructions (`rdtsc`, `shl`, `or`, `mov`), and the first reading's own four lie between
//! the two; [`empty`] measures them. Outside of both is a mark for the witness (`abi::mark`), which counts the same
//! and a handful more: what it counts of [`empty`].

use core::arch::asm;
use core::sync::atomic::Ordering;

use userlib::MessagePage;
use userlib::abi::{Call, Message, mark};
use userlib::ipc::Endpoint;

/// A number that no call has.
const UNKNOWN: u64 = u64::MAX;
const LABEL: u64 = 7;
/// The word of a message page where this file keeps the endpoint, behind those of messages.
const ENDPOINT: usize = 7;
/// What is sent.
pub const WORDS: [u64; 6] = [11, 12, 13, 14, 15, 16];

/// The mark that begins a window, and a reading.
macro_rules! opening {
    () => {
        ".byte 0x0f, 0x1f, 0x80\n.long {begin}\nrdtsc\nshl rdx, 32\nor rax, rdx"
    };
}

/// A reading, and the mark that ends the window.
macro_rules! closing {
    () => {
        "rdtsc\nshl rdx, 32\nor rax, rdx\n.byte 0x0f, 0x1f, 0x80\n.long {end}"
    };
}

/// Two readings around the instructions in `$between`; `r15` holds the first one, which the kernel preserves.
macro_rules! reading {
    ([$($between:literal),*], $($operands:tt)*) => {
        reading!(mark::BEGIN, [$($between),*], $($operands)*)
    };
    ($begin:expr, [$($between:literal),*], $($operands:tt)*) => {{
        let (start, end): (u64, u64);
        // SAFETY: the calls made here change no memory, and registers only as declared.
        unsafe {
            asm!(
                opening!(),
                "mov r15, rax",
                $($between,)*
                closing!(),
                begin = const $begin,
                end = const mark::END,
                out("r15") start,
                out("rax") end,
                out("rdx") _,
                out("rcx") _,
                out("r11") _,
                $($operands)*
                options(nostack),
            );
        }
        (start, end)
    }};
}

/// Nothing at all.
#[inline(never)]
pub fn empty() -> u64 {
    let (start, end) = reading!([""],);
    end.wrapping_sub(start)
}

/// A reading.
#[inline(always)]
pub fn now() -> u64 {
    reading!([""],).0
}

/// A thousand instructions.
#[inline(never)]
pub fn thousand() -> u64 {
    let (start, end) = reading!([".rept 1000", "nop", ".endr"],);
    end.wrapping_sub(start)
}

macro_rules! bare_call {
    ($name:ident, $what:literal, $number:expr) => {
        #[doc = $what]
        #[inline(never)]
        pub fn $name() -> u64 {
            let (start, end) = reading!(
                ["mov rax, {number}", "syscall"],
                number = const $number as i64,
                out("rdi") _, out("rsi") _, out("r10") _, out("r8") _, out("r9") _,
                out("r12") _, out("r13") _, out("r14") _,
            );
            end.wrapping_sub(start)
        }
    };
}

bare_call!(nothing, "The call that does nothing.", Call::Nothing);
bare_call!(
    unknown_call,
    "A call that is looked for and refused: the way through the kernel's Rust code.",
    UNKNOWN
);

/// Sends a message of a label and six words to an endpoint, as a client's stub does: all are loaded into their registers
/// in front of `syscall`, and counted. `$last` loads the sixth word, which some senders choose; `$r13` says what becomes of
/// its register. Both readings and the answer's label.
macro_rules! call {
    ($begin:expr, [$last:literal], $endpoint:expr, $($r13:tt)*) => {{
        let label: u64;
        let (start, end) = reading!(
            $begin,
            [
                "mov rdi, {endpoint}",
                "mov esi, {label}",
                "mov edx, {word}",
                "mov r10d, {word} + 1",
                "mov r8d, {word} + 2",
                "mov r9d, {word} + 3",
                "mov r12d, {word} + 4",
                $last,
                "xor r14d, r14d",
                "mov eax, {call}",
                "syscall"
            ],
            endpoint = in(reg) $endpoint.0.0,
            label = const LABEL,
            word = const WORDS[0],
            call = const Call::Call as u64,
            out("rdi") _, out("rsi") label, out("r10") _, out("r8") _, out("r9") _,
            out("r12") _, out("r14") _, $($r13)*,
        );
        (start, end, label)
    }};
    ($endpoint:expr, $($r13:tt)*) => {
        call!(mark::BEGIN, ["mov r13d, {word} + 5"], $endpoint, $($r13)*)
    };
}

/// A call and its answer. One that is refused costs the most that can be.
#[inline(never)]
pub fn round_trip(endpoint: Endpoint) -> u64 {
    let (start, end, label) = call!(endpoint, out("r13") _);
    answered(label, end.wrapping_sub(start))
}

/// A call with this word and its answer, in a window of which the witness notes lines of memory: the word that came back,
/// and the cost.
#[inline(never)]
pub fn traced_round_trip(endpoint: Endpoint, word: u64) -> (u64, u64) {
    let answer: u64;
    let (start, end, label) = call!(
        mark::BEGIN_TRACED, ["mov r13, r13"], endpoint, inout("r13") word => answer
    );
    (answer, answered(label, end.wrapping_sub(start)))
}

/// A call to the peer that reads the counter: the way there, and the way back.
#[inline(never)]
pub fn one_way(endpoint: Endpoint) -> [u64; 2] {
    let there: u64;
    let (start, end, label) = call!(endpoint, out("r13") there);
    [there.wrapping_sub(start), end.wrapping_sub(there)].map(|cost| answered(label, cost))
}

/// The answer has the call's label, a refusal has not.
fn answered(label: u64, cost: u64) -> u64 {
    if label == LABEL { cost } else { u64::MAX }
}

/// An instruction that needs FPU state.
pub fn use_fpu() {
    // SAFETY: compiled code does not use the register.
    unsafe { asm!("pxor xmm0, xmm0", options(nomem, nostack)) };
}

/// The words that the echo sends back.
pub fn echoed(endpoint: Endpoint) -> [u64; 6] {
    let answer = endpoint.call(&Message::new(LABEL, WORDS));
    answer.map_or([0; 6], |message| message.words)
}

/// A call of ten words and its answer: storing the last four in the message page, and loading what came back, are in it. Their
/// sum tells whether it was answered.
#[inline(never)]
pub fn round_trip_long(endpoint: Endpoint, page: &MessagePage) -> u64 {
    // No register is left for it.
    page.words()[ENDPOINT].store(endpoint.0.0, Ordering::Relaxed);
    let page = page.words().as_ptr();
    let (label, sum): (u64, u64);
    let (start, end) = reading!(
        [
            "mov rdi, [{page} + 8 * {endpoint}]",
            "mov esi, {label}",
            "mov edx, {word}",
            "mov r10d, {word} + 1",
            "mov r8d, {word} + 2",
            "mov r9d, {word} + 3",
            "mov r12d, {word} + 4",
            "mov r13d, {word} + 5",
            "mov qword ptr [{page}], {word} + 6",
            "mov qword ptr [{page} + 8], {word} + 7",
            "mov qword ptr [{page} + 16], {word} + 8",
            "mov qword ptr [{page} + 24], {word} + 9",
            "mov r14, -1",
            "mov eax, {call}",
            "syscall",
            "mov rdi, [{page}]",
            "add rdi, [{page} + 8]",
            "add rdi, [{page} + 16]",
            "add rdi, [{page} + 24]"
        ],
        endpoint = const ENDPOINT,
        page = in(reg) page,
        label = const LABEL,
        word = const WORDS[0],
        call = const Call::Call as u64,
        out("rdi") sum, out("rsi") label, out("r10") _, out("r8") _, out("r9") _,
        out("r12") _, out("r13") _, out("r14") _,
    );
    match sum == 4 * WORDS[0] + 30 {
        true => answered(label, end.wrapping_sub(start)),
        false => u64::MAX,
    }
}

/// A fault, and going on behind it as its handler says.
#[inline(never)]
pub fn fault() -> u64 {
    let (start, end) = reading!(["ud2"],);
    end.wrapping_sub(start)
}

/// One reading, behind the mark that begins a window.
#[inline(always)]
fn first_reading() -> u64 {
    let now: u64;
    // SAFETY: reads a counter.
    unsafe {
        asm!(
            opening!(),
            begin = const mark::BEGIN,
            out("rax") now,
            out("rdx") _,
            options(nostack),
        );
    }
    now
}

/// One reading, before the mark that ends a window.
#[inline(always)]
fn last_reading() -> u64 {
    let now: u64;
    // SAFETY: reads a counter.
    unsafe {
        asm!(
            closing!(),
            end = const mark::END,
            out("rax") now,
            out("rdx") _,
            options(nostack),
        );
    }
    now
}

/// What a function gives back, and what it costs.
#[inline(always)]
pub fn around<T>(function: impl FnOnce() -> T) -> (T, u64) {
    let start = first_reading();
    let result = core::hint::black_box(function());
    let end = last_reading();
    (result, end.wrapping_sub(start))
}

/// A call and its answer the way that programs make it.
#[inline(never)]
pub fn through_userlib(endpoint: Endpoint) -> u64 {
    let message = Message::new(LABEL, WORDS);
    let (answer, cost) = around(|| endpoint.call(core::hint::black_box(&message)));
    if answer.is_ok() { cost } else { u64::MAX }
}
