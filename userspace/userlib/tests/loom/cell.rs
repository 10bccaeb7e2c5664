//! Cells over modelled CPUs: each operation is one instruction, as in userlib.

use std::marker::PhantomData;
use std::sync::atomic::Ordering::Relaxed;

use abi::Status;

use crate::Refusal;
use crate::cpus::{self, CPUS};

/// A place of words of this width.
pub trait Place<W> {
    /// In every unit, in bytes.
    fn bytes(&self) -> usize;
}

/// An offset by value.
#[derive(Clone, Copy, Debug)]
pub struct Offset<'r>(usize, PhantomData<&'r ()>);

impl<W> Place<W> for Offset<'_> {
    fn bytes(&self) -> usize {
        self.0
    }
}

/// What a cell holds.
pub trait Value: Copy + PartialEq {
    /// What lies in the unit.
    type Word;
    fn to_word(self) -> u64;
    fn from_word(word: u64) -> Self;
}

impl Value for u64 {
    type Word = u64;
    fn to_word(self) -> u64 {
        self
    }
    fn from_word(word: u64) -> u64 {
        word
    }
}

impl Value for i32 {
    type Word = u32;
    fn to_word(self) -> u64 {
        self.cast_unsigned().into()
    }
    fn from_word(word: u64) -> i32 {
        (word as u32).cast_signed()
    }
}

/// One value for each CPU.
#[derive(Clone, Copy, Debug)]
pub struct PerCpuCell<T: Value, P: Place<T::Word> = Offset<'static>> {
    place: P,
    value: PhantomData<fn(T) -> T>,
}

impl<T: Value> PerCpuCell<T> {
    pub const fn new(bytes: usize) -> Self {
        PerCpuCell {
            place: Offset(bytes, PhantomData),
            value: PhantomData,
        }
    }
}

impl<T: Value, P: Place<T::Word>> PerCpuCell<T, P> {
    fn at(&self) -> usize {
        self.place.bytes() / 8
    }

    /// An instruction that reads and writes: it writes in any case.
    fn change(&self, change: impl FnOnce(T) -> T) -> T {
        cpus::instruction(|unit| {
            let word = &unit[self.at()];
            let found = T::from_word(cpus::latest(word));
            word.store(change(found).to_word(), Relaxed);
            found
        })
    }

    pub fn get(&self) -> T {
        cpus::instruction(|unit| T::from_word(cpus::latest(&unit[self.at()])))
    }

    pub fn compare_exchange(&self, current: T, new: T) -> Result<T, T> {
        match self.change(|found| if found == current { new } else { found }) {
            found if found == current => Ok(found),
            found => Err(found),
        }
    }

    pub fn exchange_parked(&self, cpu: usize, current: T, new: T) -> Result<Result<T, T>, Refusal> {
        let found = cpus::exchange_parked(cpu, self.at(), current.to_word(), new.to_word());
        let found = found.ok_or(Refusal::new(Status::AlreadyOnline))?;
        let found = T::from_word(found);
        Ok(if found == current { Ok(found) } else { Err(found) })
    }

    pub fn on(&self, cpu: usize) -> Option<T> {
        (cpu < CPUS).then(|| T::from_word(cpus::word(cpu, self.at()).load(Relaxed)))
    }

    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        (0..CPUS).filter_map(|cpu| self.on(cpu))
    }
}

impl<P: Place<u64>> PerCpuCell<u64, P> {
    pub fn or(&self, value: u64) {
        self.change(|found| found | value);
    }

    pub fn add(&self, value: u64) {
        self.change(|found| found.wrapping_add(value));
    }
}

/// Two words for each CPU that change together.
#[derive(Clone, Copy, Debug)]
pub struct PerCpuPair<P = Offset<'static>>(P);

impl<'r> PerCpuPair<Offset<'r>> {
    pub fn in_region(bytes: usize) -> Option<Self> {
        Some(PerCpuPair(Offset(bytes, PhantomData)))
    }

    pub fn offset(&self) -> usize {
        self.0.0
    }

    fn at(&self) -> usize {
        self.offset() / 8
    }

    pub fn first(&self) -> u64 {
        cpus::instruction(|unit| cpus::latest(&unit[self.at()]))
    }

    pub fn second(&self) -> u64 {
        cpus::instruction(|unit| cpus::latest(&unit[self.at() + 1]))
    }

    pub fn compare_exchange(&self, current: [u64; 2], new: [u64; 2]) -> Result<(), [u64; 2]> {
        cpus::instruction(|unit| {
            let words = &unit[self.at()..];
            let found = [0, 1].map(|index: usize| cpus::latest(&words[index]));
            let is_changed = found == current;
            let put = if is_changed { new } else { found };
            words
                .iter()
                .zip(put)
                .for_each(|(word, put)| word.store(put, Relaxed));
            is_changed.then_some(()).ok_or(found)
        })
    }

    pub fn on(&self, cpu: usize) -> Option<[u64; 2]> {
        (cpu < CPUS).then(|| [0, 1].map(|index| cpus::word(cpu, self.at() + index).load(Relaxed)))
    }
}

pub mod units {
    use super::{CPUS, Relaxed, cpus};

    /// # Safety
    /// As userlib's: nobody uses these words now.
    pub unsafe fn write(offset: usize, value: impl Fn(usize) -> u64) {
        (0..CPUS).for_each(|cpu| cpus::word(cpu, offset / 8).store(value(cpu), Relaxed));
    }
}
