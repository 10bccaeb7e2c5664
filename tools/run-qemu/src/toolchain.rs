//! Which compiler builds the bare-metal part, and where its `core` comes from.
//!
//! rustup ships a prebuilt `core` for the target; Debian ships the sources instead, and builds them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::apt;
use crate::environment;
use crate::say::say;
use crate::status::{Failure, Result};

/// The one bare-metal target.
pub const TARGET: &str = "x86_64-unknown-none";
const OLDEST: (u32, u32) = (1, 95);
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "rust-web-src"];

/// Where `core` for the bare-metal target comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Core {
    /// The prebuilt one, added by `rustup target add`.
    Rustup,
    /// Debian's sources, built by Debian's cargo.
    Debian,
}

/// How to call cargo for the bare-metal target.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// Where `core` comes from.
    pub core: Core,
    /// The cargo to call.
    pub cargo: PathBuf,
    /// The compiler, where it is not the one that cargo finds by itself.
    pub rustc: Option<PathBuf>,
    /// The linker, where the compiler brings none.
    pub linker: Option<PathBuf>,
}

impl Toolchain {
    /// The compiler's name for itself, and `core: prebuilt` or `core: built`.
    pub fn key(&self) -> String {
        let rustc = self.rustc.clone().unwrap_or_else(|| PathBuf::from("rustc"));
        let version = ask(&rustc.to_string_lossy(), &["-vV"]);
        let core = match self.core {
            Core::Rustup => "prebuilt",
            Core::Debian => "built",
        };
        format!(
            "{}, core: {core}",
            version.as_deref().unwrap_or("unknown compiler")
        )
    }
}

/// Look in order: prebuilt core, Debian's compiler with its sources, apt.
pub fn find(choice: Option<Core>) -> Result<Toolchain> {
    if choice != Some(Core::Debian)
        && let Some(libraries) = prebuilt_core()
    {
        say(format!("core: rustup's prebuilt one, in {}", libraries.display()));
        let cargo = PathBuf::from("cargo");
        return Ok(Toolchain {
            core: Core::Rustup,
            cargo,
            rustc: None,
            linker: None,
        });
    }
    if choice == Some(Core::Rustup) {
        let advice = format!("add it with\n    rustup target add {TARGET}");
        return Err(Failure::missing(format!(
            "rustup's compiler has no prebuilt core for {TARGET}: {advice}"
        )));
    }
    if debian_version().is_none() {
        install_debian()?;
    }
    let (major, minor) = debian_version().ok_or_else(nothing_found)?;
    let linker = find_linker()?;
    say(format!(
        "core: built from Debian's sources by {DEBIAN_CARGO} {major}.{minor}, linked by {}",
        linker.display()
    ));
    let (cargo, rustc) = (PathBuf::from(DEBIAN_CARGO), Some(PathBuf::from(DEBIAN_RUSTC)));
    Ok(Toolchain {
        core: Core::Debian,
        cargo,
        rustc,
        linker: Some(linker),
    })
}

impl Toolchain {
    /// One that can build `core` itself: this one, if the sources are there, or else Debian's.
    pub fn with_sources(&self) -> Result<Self> {
        match self.core {
            Core::Debian => Ok(self.clone()),
            Core::Rustup if has_sources("rustc") => Ok(self.clone()),
            Core::Rustup if debian_version().is_some() => find(Some(Core::Debian)),
            Core::Rustup => Err(Failure::missing(
                "UEFI's loader is built with the sources of core: add them with\n    rustup component add rust-src",
            )),
        }
    }
}

/// The folder of rustup's prebuilt core. Its name is printed even where nothing is in it.
fn prebuilt_core() -> Option<PathBuf> {
    let folder = PathBuf::from(ask("rustc", &["--print", "target-libdir", "--target", TARGET])?);
    let mut files = fs::read_dir(&folder).ok()?.flatten();
    files
        .any(|file| file.file_name().to_string_lossy().starts_with("libcore-"))
        .then_some(folder)
}

/// Debian's compiler, if it is new enough and has the sources of `core`.
fn debian_version() -> Option<(u32, u32)> {
    if !Path::new(DEBIAN_CARGO).exists() {
        return None;
    }
    let version = parse_version(&ask(DEBIAN_RUSTC, &["--version"])?)?;
    (version >= OLDEST && has_sources(DEBIAN_RUSTC)).then_some(version)
}

/// Has this compiler the sources of `core`?
fn has_sources(rustc: &str) -> bool {
    let sysroot = ask(rustc, &["--print", "sysroot"]).map(PathBuf::from);
    sysroot.is_some_and(|sysroot| {
        sysroot
            .join("lib/rustlib/src/rust/library/core/Cargo.toml")
            .exists()
    })
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.strip_prefix("rustc ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn install_debian() -> Result<()> {
    if !apt::exists() || apt::right() == apt::Right::None {
        return Err(nothing_found());
    }
    say(format!("no compiler here has a core for {TARGET}"));
    apt::install(&DEBIAN_PACKAGES)?;
    if debian_version().is_some() {
        return Ok(());
    }
    // Package lists of another day may know an older compiler only: its successor comes as a security update.
    let (major, minor) = OLDEST;
    say(format!(
        "the compiler that came is older than {major}.{minor}, which is needed"
    ));
    apt::update()?;
    apt::install(&DEBIAN_PACKAGES)
}

fn nothing_found() -> Failure {
    Failure::missing(format!(
        "no Rust compiler here can build for {TARGET}: run\n    rustup target add {TARGET}\n\
         or, on Debian where rustup cannot reach its server,\n    {}",
        apt::advice(&DEBIAN_PACKAGES)
    ))
}

/// rustup's linker, which every stable toolchain has, or the system's.
fn find_linker() -> Result<PathBuf> {
    if let Some(linker) = rust_lld() {
        return Ok(linker);
    }
    let installed = || ask("ld.lld", &["--version"]).map(|_| PathBuf::from("ld.lld"));
    if let Some(linker) = installed() {
        return Ok(linker);
    }
    apt::install(&["lld"])?;
    installed().ok_or_else(|| Failure::missing("lld is installed, but ld.lld does not run: put it on PATH"))
}

fn rust_lld() -> Option<PathBuf> {
    let sysroot = PathBuf::from(ask("rustc", &["--print", "sysroot"])?);
    let host = ask("rustc", &["--print", "host-tuple"])?;
    let linker = sysroot.join("lib/rustlib").join(host).join("bin/rust-lld");
    linker.exists().then_some(linker)
}

/// One line from a tool, or nothing if it cannot say it.
fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    environment::clean(&mut command, Core::Rustup);
    let output = command.args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_rustc_says() {
        assert_eq!(
            parse_version("rustc 1.96.0 (ac68faa20 2026-05-25)"),
            Some((1, 96))
        );
        assert_eq!(parse_version("rustc 1.85.0"), Some((1, 85)));
        assert_eq!(parse_version("cargo 1.96.0"), None);
        assert!((1, 85) < OLDEST && (2, 0) > OLDEST);
    }
}
