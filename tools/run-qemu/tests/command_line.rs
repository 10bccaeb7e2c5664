//! The launcher as a stranger meets it: its words, its refusals and its exit statuses, without any build.

#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_run-qemu"));
    command.args(arguments).env_remove("QEMU").output().unwrap()
}

fn refused(arguments: &[&str], hint: &str) {
    let output = run(arguments);
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {words}");
    assert!(
        words.contains(hint),
        "{arguments:?} should be told about `{hint}`: {words}"
    );
}

fn dry_run(arguments: &[&str]) -> String {
    let output = run(&[&["--dry-run"], arguments].concat());
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn nonsense_is_refused_with_status_2_and_a_hint() {
    refused(&["--nodes", "3+5", "--cpus", "4"], "adds up to 8");
    refused(&["--nodes", "two"], "2+2");
    refused(&["--cpus", "0"], "at least one CPU");
    refused(&["--cpus", "256"], "255");
    refused(&["--cpus", "many"], "--cpus");
    refused(&["--memory", "3M"], "2 MiB");
    refused(&["--memory", "lots"], "512M");
    refused(&["--time-limit", "0"], "--time-limit");
    refused(&["no-such-program"], "counter");
    refused(&["--core", "gentoo"], "rustup");
    refused(&["--no-such-option"], "--no-such-option");
}

#[test]
fn a_dry_run_prints_one_line_to_paste() {
    let line = dry_run(&[
        "--cpus",
        "8",
        "--nodes",
        "3+5",
        "--append",
        "panic_test 'x'",
        "--icount",
        "--",
        "-d",
        "int",
    ]);
    assert_eq!(line.lines().count(), 1);
    for part in [
        "-smp 8",
        "nodeid=1,cpus=3-7",
        r"-append 'panic_test '\''x'\'''",
        "-icount shift=0,sleep=off",
    ] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
    assert!(line.trim_end().ends_with("-d int"), "{line}");
}

#[test]
fn help_tells_the_exit_statuses() {
    let output = run(&["--help"]);
    let words = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0));
    for part in [
        "--nodes",
        "--icount",
        "triple fault",
        "PROGRAM[:ARG]",
        "default: 4",
    ] {
        assert!(words.contains(part), "{part} is missing: {words}");
    }
}
