//! The launcher as a stranger meets it: its words, its refusals and its exit statuses, without any build.

#![expect(clippy::unwrap_used, reason = "a test's helper fails by panicking")]

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_run-qemu"));
    command
        .args(arguments)
        .env_remove("QEMU")
        .env_remove("OVMF")
        .output()
        .unwrap()
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
fn shapes_that_no_machine_has_are_refused_with_the_way_out() {
    refused(&["--nodes", "2:1K+2"], "2:128M+2:0");
    refused(&["--nodes", "2:0+2:0"], "at least one node");
    refused(
        &["--nodes", "2:128M+2:128M", "--memory", "512M"],
        "make them agree",
    );
    refused(&["--nodes", "2:3M+2"], "2 MiB");
    refused(
        &["--nodes", &vec!["1"; 129].join("+"), "--memory", "1G"],
        "at most 64",
    );
    refused(&["--maxcpus", "3"], "already has 4 CPUs");
    refused(&["--maxcpus", "256"], "255");
    refused(&["--maxcpus", "some"], "--maxcpus");
    refused(&["--topology", "2x3"], "2x3x2");
    refused(&["--topology", "2x0x2"], "at least 1");
    refused(&["--topology", "2x3x2", "--cpus", "8"], "room for 12");
    refused(&["--topology", "65x3x1"], "254");
    refused(&["--distances", "10,20"], "2 row(s) of 2");
    refused(&["--distances", "10,20/20"], "2 row(s) of 2");
    refused(&["--distances", "10,20/20,20"], "node 1 is at distance 10");
    refused(&["--distances", "10,9/20,10"], "from 10 to 255");
    refused(&["--distances", "10,near/20,10"], "10,20/30,10");
}

#[test]
fn what_uefi_cannot_do_is_refused() {
    refused(&["--uefi", "--gdb"], "--gdb");
    refused(&["image"], "--out");
    refused(&["image", "--out", "/"], "is a folder");
    refused(&["image", "--out", "/dev/null"], "dd if=IMAGE of=/dev/null");
    refused(
        &["image", "--out", "/no/such/folder/image"],
        "cannot write into /no/such/folder",
    );
    refused(&["image", "--out", "f", "no-such-program"], "counter");
    refused(&["image", "--out", "f", "--icount"], "--icount");
}

#[test]
fn an_ovmf_that_is_not_there_is_missed_with_the_command_that_brings_one() {
    for arguments in [&["--uefi"][..], &["--uefi", "--dry-run"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_run-qemu"));
        let output = command
            .args(arguments)
            .env("OVMF", "/no/such/folder")
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{words}");
        for part in ["/no/such/folder", "--no-remove ovmf"] {
            assert!(words.contains(part), "{part} is missing: {words}");
        }
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!said.contains("building"), "first things first: {said}");
    }
}

#[test]
fn uefi_reaches_qemu() {
    let line = dry_run(&["--uefi", "--append", "panic_test"]);
    for part in [
        "if=pflash,unit=0,readonly=on",
        "OVMF_CODE",
        "OVMF_VARS",
        "usb-storage,drive=disk",
    ] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
    assert!(
        !line.contains("panic_test"),
        "the command line is on the disk: {line}"
    );
}

#[test]
fn every_shape_reaches_qemu() {
    let line = dry_run(&[
        "--nodes",
        "5+5:0+0:64M",
        "--maxcpus",
        "12",
        "--topology",
        "2x3x2",
        "--interleave",
        "--distances",
        "10,20,30/21,10,31/22,32,10",
    ]);
    for part in [
        "-smp 10,maxcpus=12,sockets=2,cores=3,threads=2 -m 512M",
        "-object memory-backend-ram,id=memory0,size=448M",
        "nodeid=0,cpus=0,cpus=2,cpus=4,cpus=6,cpus=8,memdev=memory0",
        "nodeid=1,cpus=1,cpus=3,cpus=5,cpus=7,cpus=9-11 ",
        "-object memory-backend-ram,id=memory2,size=64M -numa node,nodeid=2,memdev=memory2",
        "dist,src=0,dst=2,val=30",
        "dist,src=2,dst=0,val=22",
    ] {
        assert!(line.contains(part), "{part} is missing: {line}");
    }
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
        "2:128M+2:0",
        "--maxcpus",
        "--interleave",
        "2x3x2",
        "10,20/30,10",
        "--icount",
        "triple fault",
        "PROGRAM[:ARG]",
        "default: 4",
    ] {
        assert!(words.contains(part), "{part} is missing: {words}");
    }
}
