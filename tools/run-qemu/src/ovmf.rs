//! Where OVMF is, UEFI's firmware for QEMU: said by the user, installed, or unpacked below `target/`.

use std::path::{Path, PathBuf};

use crate::apt;
use crate::package;
use crate::status::{Failure, Result};

const PACKAGE: &str = "ovmf";
/// Where Debian puts it.
const FOLDER: &str = "usr/share/OVMF";
/// Where Debian, Fedora and Arch put it.
const FOLDERS: [&str; 3] = ["/usr/share/OVMF", "/usr/share/edk2/ovmf", "/usr/share/edk2/x64"];
/// Code, and the variables that it begins with: names that all of them use.
const FILES: [(&str, &str); 3] = [
    ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"),
    ("OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd"),
    ("OVMF_CODE.fd", "OVMF_VARS.fd"),
];

/// The two flash images of an OVMF.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ovmf {
    /// The code, never written.
    pub code: PathBuf,
    /// The variables as they are on a new machine. A machine's own changes are thrown away.
    pub variables: PathBuf,
}

impl Ovmf {
    /// Find OVMF, or get it. `target` is the workspace's build folder.
    pub fn find(target: &Path) -> Result<Self> {
        if let Some(found) = Self::present(target)? {
            return Ok(found);
        }
        if !apt::exists() {
            return Err(missing(
                "OVMF is not installed, and there is no apt to get it with",
            ));
        }
        package::obtain(PACKAGE, &private(target))?;
        Self::present(target)?.ok_or_else(|| missing("the package ovmf came without an OVMF"))
    }

    /// An OVMF that is already there.
    pub fn present(target: &Path) -> Result<Option<Self>> {
        if let Some(folder) = std::env::var_os("OVMF") {
            let words = format!(
                "the environment variable OVMF names {}, a folder without {}",
                folder.display(),
                FILES[0].0
            );
            return Self::inside(folder.as_ref())
                .map(Some)
                .ok_or_else(|| missing(&words));
        }
        Ok(folders(target).find_map(|folder| Self::inside(&folder)))
    }

    fn inside(folder: &Path) -> Option<Self> {
        let pairs = FILES.iter().map(|(code, variables)| Self {
            code: folder.join(code),
            variables: folder.join(variables),
        });
        pairs
            .into_iter()
            .find(|pair| pair.code.is_file() && pair.variables.is_file())
    }

    /// What a person would type where it is not there yet.
    pub fn installed() -> Self {
        let folder = Path::new(FOLDERS[0]);
        Self {
            code: folder.join(FILES[0].0),
            variables: folder.join(FILES[0].1),
        }
    }
}

/// Installed ones first.
fn folders(target: &Path) -> impl Iterator<Item = PathBuf> {
    let private = private(target).join(FOLDER);
    FOLDERS.into_iter().map(PathBuf::from).chain([private])
}

fn private(target: &Path) -> PathBuf {
    target.join("qemu/ovmf")
}

fn missing(what: &str) -> Failure {
    Failure::missing(format!(
        "{what}: install it with\n    {}\nor name its folder in the environment variable OVMF",
        apt::advice(&[PACKAGE])
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn both_files_of_a_pair_must_be_there() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path();
        assert_eq!(Ovmf::inside(here), None);
        fs::write(here.join("OVMF_CODE_4M.fd"), "").unwrap();
        fs::write(here.join("OVMF_VARS.fd"), "").unwrap();
        assert_eq!(Ovmf::inside(here), None);
        fs::write(here.join("OVMF_CODE.fd"), "").unwrap();
        let found = Ovmf::inside(here).unwrap();
        assert_eq!(found.code, here.join("OVMF_CODE.fd"));
        assert_eq!(found.variables, here.join("OVMF_VARS.fd"));
    }

    #[test]
    fn a_private_copy_is_looked_for_last_where_it_is_unpacked() {
        let last = folders(Path::new("target")).last();
        assert_eq!(
            last.as_deref(),
            Some(Path::new("target/qemu/ovmf/usr/share/OVMF"))
        );
    }

    #[test]
    fn what_is_missing_comes_with_the_one_command() {
        let failure = missing("OVMF is not installed");
        assert_eq!(failure.status, crate::Status::ToolMissing);
        assert!(
            failure
                .message
                .contains("apt-get install --no-install-recommends --no-remove ovmf"),
            "{failure}"
        );
    }
}
