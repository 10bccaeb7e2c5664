//! A client: works, looks whether all of it is right, and ends; perhaps in between.

use userlib::abi::syscall::Moment;
use userlib::percpu::{self, Error};
use userlib::workload::Workload;
use userlib::{println, process};

/// Steps of a client.
const STEPS: u64 = 60;

/// `launched SEED CALLS MOMENT`: ends at this kernel call unless it is 0. The exit code counts what was wrong.
pub fn run(argument: &str) -> u64 {
    let mut words = argument.split(' ').skip(1);
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    work(number(), number(), number()).unwrap_or_else(|error| {
        println!("stress: {error}");
        1
    })
}

fn work(seed: u64, calls: u64, moment: u64) -> Result<u64, Error> {
    let moment = Moment::from_word(moment).unwrap_or(Moment::Before);
    process::end_at(process::own(), calls, moment)?;
    let mut work = Workload::new(seed);
    let mut wrong = 0;
    for step in 0..STEPS {
        work.step()?;
        if step % 16 == 15 {
            wrong += work.wrong_words()?;
        }
    }
    wrong += u64::from(!work.is_in(&percpu::map(16)?));
    Ok(wrong)
}
