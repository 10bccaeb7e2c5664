//! What regions cost: at the percpu server, one round trip for each, and of it in the kernel.
//!
//! Rows are `bench NAME-CPUS-cpus MEDIAN min MIN max MAX disturbed D rounds N`, in instructions under `--icount`. A
//! client mostly finds clean pages; the rows `window-map-dirty` are what it is to clear them first.

use userlib::abi::percpu::map::head;
use userlib::abi::syscall::{DEFAULT_PRIORITY, Placement};
use userlib::abi::{Call, Handle, PAGE_SIZE, Registers};
use userlib::memory::Memory;
use userlib::percpu::{self, Error, Populate, Region};
use userlib::process::{self, Child};
use userlib::syscall::ask;
use userlib::{Refusal, machine, println, thread};

use crate::clock;

/// Measured rounds of each row.
const ROUNDS: usize = 33;
/// Pages of the regions that are made.
const SIZES: [u64; 2] = [1, 8];
/// Frames of a process that has nothing but a window: page tables, for each CPU some.
const WINDOW_FRAMES: u64 = 64;

/// Looks at the server's pages, after which many are made dirty once more.
const TURNS: u64 = 50;

type Costs = [u32; ROUNDS];

/// What an operation gives, and what it costs.
#[inline(always)]
fn timed<T, E>(cost: &mut u32, operation: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let (result, cost_of_it) = clock::around(operation)?;
    *cost = cost_of_it;
    Ok(result)
}

fn print(name: &str, pages: u64, costs: &mut Costs) {
    costs.sort_unstable();
    let [min, median, max] = [0, ROUNDS / 2, ROUNDS - 1].map(|at| costs[at]);
    let disturbed = costs.iter().filter(|cost| **cost != median).count();
    let cpus = machine::possible_cpus();
    println!(
        "bench {name}-{pages}-{cpus}-cpus {median} min {min} max {max} disturbed {disturbed} rounds {ROUNDS}"
    );
}

/// Measures and prints.
///
/// # Errors
/// See [`Error`].
pub fn report() -> Result<(), Error> {
    for pages in SIZES {
        for (name, populate) in [
            (["region-none-create", "region-none-destroy"], Populate::None),
            (["region-touch-create", "region-touch-destroy"], Populate::OnTouch),
            (["region-create", "region-destroy"], Populate::All),
        ] {
            let (mut made, mut given) = ([0; ROUNDS], [0; ROUNDS]);
            for (made, given) in made.iter_mut().zip(&mut given) {
                until_clean()?;
                let region = timed(made, || Region::create(pages * PAGE_SIZE, populate, "bench"))?;
                timed(given, || region.destroy())?;
            }
            print(name[0], pages, &mut made);
            print(name[1], pages, &mut given);
        }
    }
    window(*SIZES.iter().max().unwrap_or(&1))?;
    Ok(())
}

/// Waits until all that the server has ready is clean, and that is enough for any region here. It clears pages when
/// nobody wants anything, and many are dirty.
fn until_clean() -> Result<(), Error> {
    let most = SIZES.iter().sum();
    for turn in 0.. {
        let map = percpu::map(1)?;
        let free = map.head(head::DYNAMIC_PAGES) - map.head(head::DYNAMIC_USED);
        let clean = map.head(head::DYNAMIC_CLEAN);
        if clean == free && clean >= most {
            break;
        }
        if turn % TURNS == 0 {
            Region::create(most * PAGE_SIZE, Populate::All, "dirty")?.destroy()?;
        }
        // It does that at the lowest priority.
        thread::set_priority(Handle::NONE, 0)?;
        for _ in 0..100 {
            core::hint::spin_loop();
            thread::yield_now();
        }
        thread::set_priority(Handle::NONE, DEFAULT_PRIORITY)?;
    }
    Ok(())
}

/// The kernel's part: pages mapped in a window, clean and dirty, and taken away.
fn window(pages: u64) -> Result<(), Refusal> {
    let frames = WINDOW_FRAMES + 4 * machine::possible_cpus() as u64;
    let child = Child::create(frames, "window")?;
    let memory = Memory::create(process::own(), pages, Placement::PerCpu)?;
    let [window, memory] = [child.window(), memory.handle()].map(|Handle(word)| word);
    let call = |call, words: &[u64]| ask(call, &Registers::of(words)).map(drop);
    let map = || call(Call::WindowMap, &[window, memory, 1, 0, pages, 0, 0]);
    let unmap = || call(Call::WindowUnmap, &[window, 1, pages, 0]);
    map()?;
    unmap()?;
    let (mut dirty, mut clean, mut taken) = ([0; ROUNDS], [0; ROUNDS], [0; ROUNDS]);
    for ((dirty, clean), taken) in dirty.iter_mut().zip(&mut clean).zip(&mut taken) {
        timed(dirty, map)?;
        timed(taken, unmap)?;
        call(Call::MemoryClean, &[memory, 0, pages])?;
        timed(clean, map)?;
        unmap()?;
    }
    print("window-map-dirty", pages, &mut dirty);
    print("window-map-clean", pages, &mut clean);
    print("window-unmap", pages, &mut taken);
    child.end()
}
