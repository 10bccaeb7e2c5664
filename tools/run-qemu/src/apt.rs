//! Debian's package manager: install when that is allowed, and never at the cost of another package.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::say::say;
use crate::status::{Failure, Result};

/// Whether this user may install packages, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    /// We are root.
    Root,
    /// A CI machine: `sudo` is worth a try, as long as it asks no questions.
    Sudo,
    /// Only downloading.
    None,
}

/// What `apt-get install` would do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Simulation {
    /// Packages that it would install, in apt's order.
    pub installs: Vec<String>,
    /// Packages that it would remove. We never let it.
    pub removes: Vec<String>,
}

/// Is this a machine with apt at all?
pub fn exists() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

/// May we install here?
pub fn right() -> Right {
    let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let ci = std::env::var("CI").is_ok_and(|value| value == "true");
    match (root, ci) {
        (true, _) => Right::Root,
        (false, true) => Right::Sudo,
        (false, false) => Right::None,
    }
}

/// The command that a person would type for the same effect.
pub fn advice(packages: &[&str]) -> String {
    format!(
        "sudo apt-get install --no-install-recommends --no-remove {}",
        packages.join(" ")
    )
}

/// Ask apt what installing would do, fetching its package lists first if it does not know the package.
pub fn simulate(package: &str) -> Result<Simulation> {
    let ask = || {
        let mut command = Command::new("apt-get");
        command
            .args(["install", "--simulate", "--no-install-recommends", package])
            .env("LC_ALL", "C");
        command
            .output()
            .map_err(|error| Failure::missing(format!("cannot run apt-get: {error}")))
    };
    let mut answer = ask()?;
    if !answer.status.success() && right() != Right::None {
        update()?;
        answer = ask()?;
    }
    if !answer.status.success() {
        let why = String::from_utf8_lossy(&answer.stderr).trim().to_string();
        return Err(Failure::missing(format!(
            "apt knows no way to install {package}: {why}"
        )));
    }
    Ok(parse_simulation(&String::from_utf8_lossy(&answer.stdout)))
}

fn parse_simulation(text: &str) -> Simulation {
    let named = |verb: &str| {
        let lines = text
            .lines()
            .filter_map(|line| line.strip_prefix(verb)?.strip_prefix(' '));
        lines
            .filter_map(|rest| rest.split_whitespace().next())
            .map(str::to_string)
            .collect()
    };
    Simulation {
        installs: named("Inst"),
        removes: named("Remv"),
    }
}

/// Install, or say which command would.
pub fn install(packages: &[&str]) -> Result<()> {
    let by_hand = || format!("install it with\n    {}", advice(packages));
    if right() == Right::None {
        return Err(Failure::missing(format!(
            "{} is missing: {}",
            packages.join(" "),
            by_hand()
        )));
    }
    say(format!("installing {} with apt-get", packages.join(" ")));
    let try_once = || {
        let mut command = privileged();
        command
            .args(["install", "--yes", "--no-install-recommends", "--no-remove"])
            .args(packages);
        run(&mut command)
    };
    if try_once().is_ok() {
        return Ok(());
    }
    update()?;
    try_once().map_err(|error| Failure::missing(format!("{error}; {}", by_hand())))
}

/// Fetch apt's package lists, which may be older than what the archive has.
pub fn update() -> Result<()> {
    say("fetching apt's package lists");
    run(privileged().arg("update"))
}

/// Fetch packages without installing them; needs no rights.
pub fn download(packages: &[String], into: &Path) -> Result<()> {
    let mut command = Command::new("apt-get");
    if right() == Right::Root {
        // apt's own download user cannot write to our folder.
        command.args(["-o", "APT::Sandbox::User=root"]);
    }
    run(command
        .args(["--quiet", "download"])
        .args(packages)
        .current_dir(into))
}

fn privileged() -> Command {
    let mut command = match right() {
        Right::Sudo => {
            let mut command = Command::new("sudo");
            command.args(["-n", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
            command
        }
        Right::Root | Right::None => Command::new("apt-get"),
    };
    command
        .args([
            "-o",
            "DPkg::Lock::Timeout=300",
            "-o",
            "Dpkg::Use-Pty=0",
            "--quiet",
        ])
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::missing(format!(
            "{program} failed ({status}), its words are above"
        ))),
        Err(error) => Err(Failure::missing(format!("cannot run {program}: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulation_names_what_comes_and_what_goes() {
        let text = "Reading package lists...\n\
                    Remv qemu-utils [1:10.0.2+ds-2]\n\
                    Inst ipxe-qemu (1.0.0 Debian:12/oldstable [all])\n\
                    Inst libcap [1.0] (2.0 Debian:12/oldstable [amd64])\n\
                    Conf ipxe-qemu (1.0.0 Debian:12/oldstable [all])\n\
                    Installed: nothing\n";
        let expected = Simulation {
            installs: vec!["ipxe-qemu".into(), "libcap".into()],
            removes: vec!["qemu-utils".into()],
        };
        assert_eq!(parse_simulation(text), expected);
    }
}
