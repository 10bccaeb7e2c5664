//! One of Debian's packages: installed, or unpacked privately below `target/`.
//!
//! The private copy serves users without root, and machines where installing would remove something.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::apt::{self, Right};
use crate::say::say;
use crate::status::{Failure, Result};

/// Install a package, or unpack it and all that it needs as `private`. Only where there is apt.
pub fn obtain(package: &str, private: &Path) -> Result<()> {
    let plan = apt::simulate(package)?;
    if plan.removes.is_empty() && apt::right() != Right::None {
        return apt::install(&[package]);
    }
    explain(package, &plan);
    unpack(&plan.installs, private)
        .map_err(|failure| Failure::missing(format!("{failure}\nor run\n    {}", apt::advice(&[package]))))
}

fn explain(package: &str, plan: &apt::Simulation) {
    let why = match plan.removes.is_empty() {
        true => format!("{package} is missing, and only root can install it"),
        false => format!("installing {package} would remove {}", plan.removes.join(", ")),
    };
    say(format!(
        "{why}: unpacking a private copy below target/qemu instead ({} packages)",
        plan.installs.len()
    ));
}

/// Make `root` from downloaded packages; it appears only when it is complete.
fn unpack(packages: &[String], root: &Path) -> Result<()> {
    let wrong = |what: &str, error: std::io::Error| Failure::missing(format!("cannot {what}: {error}"));
    let parent = root.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|error| wrong("make the folder for a private copy", error))?;
    let work = tempfile::Builder::new().prefix("unpack").tempdir_in(parent);
    let work = work.map_err(|error| wrong("make a folder for packages", error))?;
    apt::download(packages, work.path())?;
    let fresh = work.path().join("root");
    let files = fs::read_dir(work.path()).map_err(|error| wrong("list the packages", error))?;
    for package in files
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension() == Some("deb".as_ref()))
    {
        let status = Command::new("dpkg-deb")
            .arg("-x")
            .arg(&package)
            .arg(&fresh)
            .status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(Failure::missing(format!(
                "dpkg-deb cannot unpack {}",
                package.display()
            )));
        }
    }
    fs::rename(&fresh, root).map_err(|error| wrong("put the private copy in its place", error))
}
