//! Counting instructions exactly, with what a plain Debian has: this program runs itself again and is
//! watched, by callgrind if that is installed, and otherwise by single-stepping it.
//!
//! Hardware counters would be simpler, but virtual machines seldom have them, and their numbers are never
//! the same twice. Callgrind's are, and it is fast; single-stepping needs nothing at all, but each
//! instruction costs two context switches, so that the traces take minutes. Both count the same stretch:
//! from [`section`] in to [`section`] out, less the same for a workload that does nothing.

use std::{env, hint::black_box, process::Command};

use nix::{
    sys::{
        ptrace,
        signal::{Signal, raise},
        wait::{WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::{Failure, workload::Workload};

/// Tells a counted process that it is to stop for its tracer.
const STEPPED: &str = "PERCPU_BENCH_STEPPED";

/// A way to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    Callgrind,
    SingleStep,
}

impl Counter {
    pub fn named(name: &str) -> Result<Self, Failure> {
        match name {
            "callgrind" => Ok(Self::Callgrind),
            "single-step" => Ok(Self::SingleStep),
            other => Err(format!("no counter {other}: callgrind or single-step").into()),
        }
    }

    /// Callgrind where it is installed.
    pub fn best() -> Result<Self, Failure> {
        let valgrind = Command::new("valgrind").arg("--version").output();
        Ok(match valgrind {
            Ok(output) if output.status.success() => Self::Callgrind,
            _ => {
                println!("no valgrind: instructions are single-stepped, which takes minutes");
                Self::SingleStep
            }
        })
    }

    /// Instructions of one run of a workload, with those of calling it.
    pub fn count(self, workload: &str) -> Result<u64, Failure> {
        match self {
            Self::Callgrind => callgrind(workload),
            Self::SingleStep => single_step(workload),
        }
    }
}

/// What is counted. Its name is what callgrind is told.
#[inline(never)]
fn section(work: &mut dyn FnMut()) {
    work();
    // No tail call: what is counted ends here.
    black_box(());
}

/// Does a workload in a process that is watched.
pub fn be_counted(workload: &mut Workload) -> Result<(), Failure> {
    let is_stepped = env::var_os(STEPPED).is_some();
    if is_stepped {
        ptrace::traceme()?;
        raise(Signal::SIGSTOP)?;
    }
    section(&mut *workload.work);
    if is_stepped {
        raise(Signal::SIGSTOP)?;
    }
    Ok(())
}

fn counted(workload: &str, mut command: Command) -> Command {
    command.args(["--counted", workload]);
    command
}

fn callgrind(workload: &str) -> Result<u64, Failure> {
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*count*section*")
        .arg(env::current_exe()?);
    let output = counted(workload, valgrind).output()?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split("Collected :").nth(1));
    match collected.and_then(|number| number.trim().parse().ok()) {
        Some(number) if output.status.success() => Ok(number),
        _ => Err(format!("callgrind counted nothing for {workload}:\n{text}").into()),
    }
}

fn single_step(workload: &str) -> Result<u64, Failure> {
    let mut command = counted(workload, Command::new(env::current_exe()?));
    let mut child = command.env(STEPPED, "1").spawn()?;
    let pid = Pid::from_raw(child.id().try_into()?);
    let counted = steps_between_stops(pid);
    // Whatever happened, the child does not stay behind.
    child.kill()?;
    child.wait()?;
    counted.map_err(|failure| format!("single-stepping {workload}: {failure}").into())
}

/// Steps from one stop to the next.
fn steps_between_stops(pid: Pid) -> Result<u64, Failure> {
    let stopped = |signal| WaitStatus::Stopped(pid, signal);
    let first = waitpid(pid, None)?;
    if first != stopped(Signal::SIGSTOP) {
        return Err(format!("it should have stopped: {first:?}").into());
    }
    let mut steps = 0;
    loop {
        ptrace::step(pid, None)?;
        match waitpid(pid, None)? {
            status if status == stopped(Signal::SIGTRAP) => steps += 1,
            status if status == stopped(Signal::SIGSTOP) => return Ok(steps),
            other => return Err(format!("after {steps} steps: {other:?}").into()),
        }
    }
}
