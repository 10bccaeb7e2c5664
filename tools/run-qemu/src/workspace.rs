//! What there is to build: read from the workspace's own manifests, so a new program needs no second list.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::status::{Failure, Result};

const PROGRAMS: &str = "userspace/";

/// The workspace that this launcher was built from.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// Its root folder.
    pub root: PathBuf,
    /// Program name → package name, of every program below `userspace/`.
    pub programs: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct RootManifest {
    workspace: Members,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<String>,
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
    #[serde(default)]
    bin: Vec<Binary>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
}

#[derive(Deserialize)]
struct Binary {
    name: String,
}

impl Workspace {
    /// Read the workspace around this crate.
    pub fn find() -> Result<Self> {
        let own = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = own.ancestors().nth(2).unwrap_or(own);
        Self::read(root)
    }

    /// Read a workspace.
    pub fn read(root: &Path) -> Result<Self> {
        let RootManifest { workspace } = manifest(&root.join("Cargo.toml"))?;
        let mut programs = BTreeMap::new();
        for member in workspace
            .members
            .iter()
            .filter(|member| member.starts_with(PROGRAMS))
        {
            let folder = root.join(member);
            let Manifest { package, bin } = manifest(&folder.join("Cargo.toml"))?;
            if bin.is_empty() && folder.join("src/main.rs").exists() {
                programs.insert(package.name.clone(), package.name.clone());
            }
            programs.extend(bin.into_iter().map(|binary| (binary.name, package.name.clone())));
        }
        Ok(Self {
            root: root.to_path_buf(),
            programs,
        })
    }

    /// The folder for everything that is built.
    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }
}

fn manifest<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let wrong = |error: &dyn std::fmt::Display| Failure::build(format!("{}: {error}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| wrong(&error))?;
    toml::from_str(&text).map_err(|error| wrong(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_below_userspace_is_found_and_libraries_are_not() {
        let workspace = Workspace::find().unwrap();
        assert_eq!(
            workspace.programs.get("counter").map(String::as_str),
            Some("counter")
        );
        assert!(!workspace.programs.contains_key("userlib"));
        assert!(!workspace.programs.contains_key("kernel"));
    }
}
