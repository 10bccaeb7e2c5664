//! One nested cargo call for kernel, servers and all programs.
//!
//! One call and one set of flags, because every other set of flags builds `core` again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::environment;
use crate::say::say;
use crate::status::{Failure, Result};
use crate::toolchain::{Core, TARGET, Toolchain};
use crate::workspace::Workspace;

const SERVERS: [&str; 2] = ["init", "percpu-server"];

/// The kernel, and the same one with its own checks.
pub const KERNELS: [&str; 2] = ["kernel", "kernel-checked"];

/// Where the bare-metal binaries lie.
#[derive(Debug, Clone)]
pub struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Where a build of this workspace puts them.
    pub fn of(workspace: &Workspace) -> Self {
        Self {
            folder: workspace.target().join("bare").join(TARGET).join("release"),
        }
    }

    /// A binary, by its name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Build everything that the machine may boot, with these of the [`KERNELS`].
pub fn build(workspace: &Workspace, toolchain: &Toolchain, kernels: &[&str]) -> Result<Binaries> {
    let mut packages: Vec<&str> = [kernels, &SERVERS].concat();
    packages.extend(workspace.programs.values().map(String::as_str));
    packages.dedup();
    say(format!("building {} for {TARGET}", packages.join(", ")));
    let mut command = cargo(toolchain, &workspace.root);
    command.args(packages.iter().flat_map(|package| ["--package", package]));
    match command.status() {
        Ok(status) if status.success() => Ok(Binaries::of(workspace)),
        Ok(_) => Err(Failure::build(
            "the bare-metal build failed, the compiler's words are above",
        )),
        Err(error) => Err(Failure::missing(format!(
            "cannot run {}: {error}",
            toolchain.cargo.display()
        ))),
    }
}

fn cargo(toolchain: &Toolchain, root: &Path) -> Command {
    let mut command = Command::new(&toolchain.cargo);
    environment::clean(&mut command, toolchain.core);
    command.current_dir(root).stdin(Stdio::null());
    command.args([
        "build",
        "--release",
        "--target",
        TARGET,
        "--target-dir",
        "target/bare",
    ]);
    command.env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain).join("\x1f"));
    if toolchain.core == Core::Debian {
        command.args([
            "-Zbuild-std=core,alloc",
            "-Zbuild-std-features=compiler-builtins-mem",
        ]);
        // For `-Zbuild-std` alone: our own sources stay on stable Rust.
        command.env("RUSTC_BOOTSTRAP", "1");
    }
    if let Some(rustc) = &toolchain.rustc {
        command.env("RUSTC", rustc);
    }
    command
}

fn flags(toolchain: &Toolchain) -> Vec<String> {
    let mut flags = vec![
        "-Crelocation-model=static".to_string(),
        "-Cforce-frame-pointers=yes".to_string(),
    ];
    if let Some(linker) = &toolchain.linker {
        flags.push(format!("-Clinker={}", linker.display()));
    }
    flags
}
