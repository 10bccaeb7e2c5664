//! What the command line asks for, option by option.

use super::*;
use clap::CommandFactory;

#[test]
fn the_command_line_is_consistent() {
    Options::command().debug_assert();
}

#[test]
fn everything_after_the_dashes_is_qemus() {
    let line = ["run-qemu", "--icount", "counter:3", "counter", "--", "-d", "int"];
    let options = Options::try_parse_from(line).unwrap();
    assert_eq!(options.load.programs, ["counter:3", "counter"]);
    assert_eq!(options.machine().unwrap().extra, ["-d", "int"]);
}

#[test]
fn an_image_has_its_own_options() {
    let line = [
        "run-qemu",
        "image",
        "--out",
        "f",
        "--append",
        "debug",
        "counter:3",
    ];
    let Some(Action::Image(image)) = Options::try_parse_from(line).unwrap().action else {
        panic!("an action");
    };
    assert_eq!(
        (image.out.to_str(), image.load.append.as_str()),
        (Some("f"), "debug")
    );
    assert_eq!(image.load.programs, ["counter:3"]);
    assert!(
        Options::try_parse_from(["run-qemu", "counter"])
            .unwrap()
            .action
            .is_none()
    );
    for line in [
        &["run-qemu", "image"][..],
        &["run-qemu", "--icount", "image", "--out", "f"],
    ] {
        assert!(Options::try_parse_from(line).is_err(), "{line:?}");
    }
}

#[test]
fn facts_are_asked_for_on_the_kernels_command_line() {
    let line = ["run-qemu", "--append", "debug", "--facts", "facts.json"];
    let options = Options::try_parse_from(line).unwrap();
    assert_eq!(options.machine().unwrap().append, "debug facts");
}

#[test]
fn nothing_said_is_the_default_machine() {
    let options = Options::try_parse_from(["run-qemu"]).unwrap();
    assert_eq!(options.machine().unwrap(), Machine::default());
    assert_eq!(options.load.programs, ["counter"]);
    assert_eq!(options.watch().time_limit, Some(Duration::from_secs(120)));
}
