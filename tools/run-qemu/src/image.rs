//! A disk image that UEFI boots, made by the program in `tools/uefi-image`.
//!
//! That program contains the `bootloader` crate's loader, whose build wants the sources of `core` and takes
//! minutes: it is built here, on demand, with the compiler that builds the bare-metal part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;

use crate::environment;
use crate::say::say;
use crate::status::{Failure, Result};
use crate::toolchain::Toolchain;
use crate::workspace::Workspace;

const PROGRAM: &str = "uefi-image";

/// Where an image is to go: proven to be possible before anything is built.
#[derive(Debug)]
pub struct Destination {
    file: PathBuf,
    fresh: NamedTempFile,
}

impl Destination {
    /// A file that can be written, or be written anew.
    pub fn new(file: &Path) -> Result<Self> {
        let refuse = |why: String| Failure::usage(format!("--out {}: {why}", file.display()));
        match fs::metadata(file) {
            Ok(there) if there.is_dir() => return Err(refuse("is a folder; name a file in it".into())),
            Ok(there) if !there.is_file() => {
                return Err(refuse(format!(
                    "is no plain file; write the image to one, and then\n    {}",
                    copying("IMAGE", &file.display().to_string())
                )));
            }
            _ => {}
        }
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let fresh = NamedTempFile::new_in(folder)
            .map_err(|error| refuse(format!("cannot write into {}: {error}", folder.display())))?;
        let file = file.to_path_buf();
        Ok(Self { file, fresh })
    }

    /// Where to write: the file itself changes only when the image is complete.
    pub fn path(&self) -> &Path {
        self.fresh.path()
    }

    /// The image is written: put it in its place, and say what to do with it.
    pub fn finish(self) -> Result<()> {
        let name = self.file.display().to_string();
        let wrong = |error: &dyn std::fmt::Display| Failure::usage(format!("--out {name}: {error}"));
        // Private, as all files for a while are; an image is nobody's secret.
        let plain = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        fs::set_permissions(self.fresh.path(), plain).map_err(|error| wrong(&error))?;
        let file = self.fresh.persist(&self.file).map_err(|error| wrong(&error))?;
        let bytes = file.metadata().map_or(0, |file| file.len());
        say(format!(
            "{name}: {} KiB, for UEFI. Onto a stick, all of which is lost:\n    {}\n\
             the machine then speaks on its first serial port only: 115200 baud, 8N1",
            bytes >> 10,
            copying(&name, "/dev/sdX")
        ));
        Ok(())
    }
}

fn copying(from: &str, to: &str) -> String {
    format!("sudo dd if={from} of={to} bs=4M conv=fsync")
}

/// Write an image with this kernel and module.
pub fn write(workspace: &Workspace, toolchain: &Toolchain, files: [&Path; 2], image: &Path) -> Result<()> {
    let program = build(workspace, &toolchain.with_sources()?)?;
    let output = Command::new(&program).args(files).arg(image).output();
    let output =
        output.map_err(|error| Failure::build(format!("cannot run {}: {error}", program.display())))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failure::build(format!(
            "{PROGRAM} cannot make the image:\n{}",
            String::from_utf8_lossy(&output.stderr).trim()
        ))),
    }
}

fn build(workspace: &Workspace, toolchain: &Toolchain) -> Result<PathBuf> {
    let folder = workspace.target().join("uefi");
    let program = folder.join("debug").join(PROGRAM);
    if !program.exists() {
        say("building the UEFI loader: this once it takes minutes");
    }
    let mut command = Command::new(&toolchain.cargo);
    environment::clean(&mut command, toolchain.core);
    command
        .current_dir(workspace.root.join("tools").join(PROGRAM))
        .args(["build", "--quiet", "--locked", "--target-dir"])
        .arg(&folder)
        .stdin(Stdio::null())
        // For the cargo within: it would build in a folder that is gone when it is interrupted.
        .env("CARGO_TARGET_DIR", folder.join("loader"))
        // The loader uses unstable Rust, and builds `core`.
        .env("RUSTC_BOOTSTRAP", "1");
    if let Some(rustc) = &toolchain.rustc {
        command.env("RUSTC", rustc);
    }
    if let Some(linker) = &toolchain.linker {
        command.env("CARGO_TARGET_X86_64_UNKNOWN_UEFI_LINKER", uefi_linker(linker));
    }
    match command.status() {
        Ok(status) if status.success() => Ok(program),
        Ok(_) => Err(Failure::build(
            "the UEFI loader's build failed, the compiler's words are above",
        )),
        Err(error) => Err(Failure::missing(format!(
            "cannot run {}: {error}",
            toolchain.cargo.display()
        ))),
    }
}

/// UEFI's programs have Windows' format: lld takes it under another name, and rust-lld under every name.
fn uefi_linker(linker: &Path) -> PathBuf {
    match linker.file_name() == Some("ld.lld".as_ref()) {
        true => linker.with_file_name("lld-link"),
        false => linker.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Status;

    fn refused(file: &Path, hint: &str) {
        let failure = Destination::new(file).unwrap_err();
        assert_eq!(failure.status, Status::Usage);
        assert!(failure.message.contains(hint), "{failure}");
    }

    #[test]
    fn a_file_changes_only_when_the_image_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("image");
        fs::write(&file, "before").unwrap();
        let destination = Destination::new(&file).unwrap();
        fs::write(destination.path(), "after").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "before");
        destination.finish().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "after");
        drop(Destination::new(&folder.path().join("never")).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left");
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        refused(folder.path(), "is a folder");
        refused(&folder.path().join("no/image"), "cannot write into");
        refused(Path::new("/dev/null"), "dd if=");
        refused(Path::new("/proc/version/image"), "cannot write into");
    }

    #[test]
    fn the_linker_is_called_by_its_name_for_uefi() {
        assert_eq!(uefi_linker(Path::new("ld.lld")), Path::new("lld-link"));
        assert_eq!(uefi_linker(Path::new("/x/rust-lld")), Path::new("/x/rust-lld"));
    }
}
