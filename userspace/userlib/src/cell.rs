//! Per-CPU cells: each operation is one unlocked GS-relative instruction on this CPU's copy.
//!
//! ```ignore
//! percpu! { static HITS: PerCpuCell<u64> = 0; }
//! HITS.add(3);                              // add qword ptr gs:[HITS], 3
//! let cell = region.cell::<u64>(0)?;
//! cell.add(3);                              // add qword ptr gs:[rax], 3
//! ```
//!
//! The thread may be moved to another CPU between any two instructions, so *two operations in a row may
//! touch two copies*, and no guard can prevent it. One operation is enough to be exact: the kernel keeps the
//! GS base on the unit of the CPU that the thread runs on, an instruction is never cut in two by an
//! interrupt, and no other CPU writes to this CPU's copy. That is also why there is no way to write
//! another CPU's copy: it would need locks everywhere. The copies of a CPU that is off are an exception: `exchange_parked`.
//!
//! What it costs: each operation is 1 instruction on the copy. `add`, `sub`, `and`, `or`, `xor` and `set` need
//! their operand in a register, `increment` and `add_const` do not; `compare_exchange` needs two and looks at
//! the outcome. `on` is about 15 instructions, `sum` and `iter` 6 and a line of another CPU's memory for each CPU.
//!
//! One cell type serves both kinds of *place*: a static, whose place is a type of its own with the
//! instruction's address baked in, and an offset into a region, known at run time.

#[expect(unsafe_code, reason = "GS-relative instructions at an offset")]
mod offset;
#[expect(unsafe_code, reason = "the 16-byte instruction")]
mod pair;
#[expect(unsafe_code, reason = "the promises of a place")]
mod place;
#[expect(unsafe_code, reason = "what the linker lays out, and the values made of it")]
mod statics;
#[expect(unsafe_code, reason = "reads and writes the copies of other CPUs")]
pub(crate) mod units;
#[expect(unsafe_code, reason = "the promises of a value")]
mod value;

use core::marker::PhantomData;

use abi::{Call, Registers};

pub use offset::{Offset, here};
pub use pair::{PairPlace, PerCpuPair, Words};
pub use place::{Located, Place, Seal};
pub use statics::Template;
pub use value::{Bits, Integer, Pointer, SmallEnum, Value, Word};

use crate::Refusal;
use crate::syscall::ask;

/// One value for each CPU.
#[derive(Debug)]
pub struct PerCpuCell<T: Value, P: Place<T::Word> = Offset<'static>> {
    place: P,
    value: PhantomData<fn(T) -> T>,
}

impl<T: Value, P: Place<T::Word> + Copy> Copy for PerCpuCell<T, P> {}

impl<T: Value, P: Place<T::Word> + Copy> Clone for PerCpuCell<T, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Value, P: Place<T::Word>> PerCpuCell<T, P> {
    pub(crate) const fn at(place: P) -> Self {
        let value = PhantomData;
        PerCpuCell { place, value }
    }

    /// This CPU's value.
    #[inline(always)]
    pub fn get(&self) -> T {
        T::from_word(self.place.load(Seal::NEW))
    }

    /// Sets this CPU's value.
    #[inline(always)]
    pub fn set(&self, value: T) {
        self.place.store(Seal::NEW, value.to_word());
    }

    /// Sets this CPU's value to `new` if it is `current`. Not atomic against other CPUs, and none of them can
    /// write here.
    ///
    /// # Errors
    /// The value that was there, when it was not `current`.
    #[inline(always)]
    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T> {
        let found = self
            .place
            .compare_exchange(Seal::NEW, current.to_word(), new.to_word());
        match found == current.to_word() {
            true => Ok(current),
            false => Err(T::from_word(found)),
        }
    }

    /// Sets the value of a CPU that does not run to `new` if it is `current`. The kernel does it, since only it can say
    /// that the CPU stays off meanwhile. `Ok` of the value that was there, when that was another one.
    ///
    /// # Errors
    /// `AlreadyOnline` when the CPU runs, or is about to go or to come; `BadArgument` for one that is not possible;
    /// `NotMapped` where the page has no frame yet.
    pub fn exchange_parked(&self, cpu: usize, current: T, new: T) -> Result<Result<T, T>, Refusal> {
        let [expected, changed] = [current, new].map(|value| value.to_word().to_u64());
        let (offset, bytes) = (self.offset() as u64, size_of::<T::Word>() as u64);
        let words = [cpu as u64, offset, bytes, expected, changed];
        let found = ask(Call::ParkedExchange, &Registers::of(&words))?.0[0];
        Ok(match found == expected {
            true => Ok(current),
            false => Err(T::from_word(T::Word::from_u64(found))),
        })
    }

    /// Where it lies in every unit of the window, in bytes.
    #[inline]
    pub fn offset(&self) -> usize {
        self.place.offset(Seal::NEW)
    }

    /// The value of one CPU, as it was a moment ago. `None` for a CPU that is not possible.
    ///
    /// In a region of which not all pages were populated this may end the program with a page fault.
    pub fn on(&self, cpu: usize) -> Option<T> {
        units::read(cpu, self.offset()).map(T::from_word)
    }

    /// The values of all possible CPUs, in order, each as it was a moment ago.
    ///
    /// In a region of which not all pages were populated this may end the program with a page fault.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        units::words(self.offset(), Seal::NEW).map(T::from_word)
    }
}

impl<T: Bits, P: Place<T::Word>> PerCpuCell<T, P> {
    /// Sets this CPU's value to its bits in common with `value`.
    #[inline(always)]
    pub fn and(&self, value: T) {
        self.place.and(Seal::NEW, value.to_word());
    }

    /// Sets the bits of `value` in this CPU's value.
    #[inline(always)]
    pub fn or(&self, value: T) {
        self.place.or(Seal::NEW, value.to_word());
    }

    /// Turns the bits of `value` in this CPU's value.
    #[inline(always)]
    pub fn xor(&self, value: T) {
        self.place.xor(Seal::NEW, value.to_word());
    }
}

impl<T: Integer, P: Place<T::Word>> PerCpuCell<T, P> {
    /// Adds to this CPU's value, wrapping around.
    #[inline(always)]
    pub fn add(&self, value: T) {
        self.place.add(Seal::NEW, value.to_word());
    }

    /// Adds a number that stands in the instruction, wrapping around: no register for the amount.
    #[inline(always)]
    pub fn add_const<const N: i32>(&self) {
        const {
            let bits = 8 * size_of::<T>() as u32;
            let fits = bits >= 32 || (N >= -(1 << (bits - 1)) && N < 1 << bits);
            assert!(fits, "the number has more bits than the cell");
        }
        self.place.add_const::<N>(Seal::NEW);
    }

    /// Subtracts from this CPU's value, wrapping around.
    #[inline(always)]
    pub fn sub(&self, value: T) {
        self.place.sub(Seal::NEW, value.to_word());
    }

    /// Adds one to this CPU's value: the shortest there is, with no register for the amount.
    #[inline(always)]
    pub fn increment(&self) {
        self.place.increment(Seal::NEW);
    }

    /// Adds to this CPU's value, and gives back what it was.
    #[inline(always)]
    pub fn fetch_add(&self, value: T) -> T {
        T::from_word(self.place.fetch_add(Seal::NEW, value.to_word()))
    }

    /// The sum over all possible CPUs, wrapping around. Exact when no thread is changing the cell; otherwise
    /// each value is as it was at some moment of the call.
    pub fn sum(&self) -> T {
        let words = self.iter().map(Value::to_word);
        T::from_word(words.fold(T::Word::default(), Word::wrapping_add))
    }
}
