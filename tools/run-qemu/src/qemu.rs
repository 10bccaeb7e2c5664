//! Where QEMU is: said by the user, installed, or unpacked privately below `target/`.
//!
//! The private copy serves users without root, and machines where installing QEMU would remove something.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::apt;
use crate::package;
use crate::status::{Failure, Result};

const PROGRAM: &str = "qemu-system-x86_64";
const PACKAGE: &str = "qemu-system-x86";

/// A QEMU that can be run.
#[derive(Debug, Clone)]
pub struct Qemu {
    program: PathBuf,
    /// Where an unpacked copy's own files lie; an installed one needs no telling.
    root: Option<PathBuf>,
}

impl Qemu {
    /// Find QEMU, or get it. `target` is the workspace's build folder.
    pub fn find(target: &Path) -> Result<Self> {
        let private = target.join("qemu/root");
        if let Some(found) = Self::present(&private)? {
            return Ok(found);
        }
        if !apt::exists() {
            return Err(Failure::missing(format!(
                "{PROGRAM} is not on PATH, and there is no apt to get it with: \
                 install QEMU for x86_64, or name it in the environment variable QEMU"
            )));
        }
        package::obtain(PACKAGE, &private)?;
        Self::present(&private)?.ok_or_else(|| {
            Failure::missing(format!("{PACKAGE} came without a {PROGRAM}; name yours in QEMU"))
        })
    }

    /// A QEMU that is already there, installed ones first.
    pub fn present(private: &Path) -> Result<Option<Self>> {
        if let Some(program) = std::env::var_os("QEMU") {
            let qemu = Self {
                program: program.into(),
                root: None,
            };
            return qemu.runs().then_some(Some(qemu)).ok_or_else(|| {
                Failure::missing(format!(
                    "the environment variable QEMU names {program}, which does not run",
                    program = std::env::var("QEMU").unwrap_or_default()
                ))
            });
        }
        let installed = Self {
            program: PROGRAM.into(),
            root: None,
        };
        let unpacked = Self {
            program: private.join("usr/bin").join(PROGRAM),
            root: Some(private.into()),
        };
        Ok([installed, unpacked].into_iter().find(Self::runs))
    }

    /// Whether it was built to load plugins.
    #[must_use]
    pub fn has_plugins(&self) -> bool {
        let mut help = self.command();
        help.arg("-help").stdin(Stdio::null()).stderr(Stdio::null());
        let text = help.output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .any(|line| line.starts_with("-plugin "))
    }

    fn runs(&self) -> bool {
        let mut version = self.command();
        version
            .arg("--version")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    }

    /// What a person would type to run it, word by word.
    pub fn typed(&self) -> Vec<String> {
        let (arguments, libraries) = self.setting();
        let libraries = libraries.map(|libraries| format!("LD_LIBRARY_PATH={}", libraries.display()));
        let arguments = arguments.iter().map(|word| word.display().to_string());
        libraries
            .into_iter()
            .chain([self.program()])
            .chain(arguments)
            .collect()
    }

    /// The program's name, for messages.
    pub fn program(&self) -> String {
        self.program.display().to_string()
    }

    /// The arguments and the environment that an unpacked copy needs to find its own files.
    fn setting(&self) -> (Vec<OsString>, Option<OsString>) {
        let Some(root) = &self.root else {
            return (Vec::new(), None);
        };
        let folders = ["usr/share/qemu", "usr/share/seabios", "usr/lib/ipxe/qemu"];
        let arguments = folders
            .iter()
            .flat_map(|folder| ["-L".into(), root.join(folder).into()])
            .collect();
        let mut libraries = root.join("usr/lib/x86_64-linux-gnu").into_os_string();
        libraries.push(":");
        libraries.push(root.join("lib/x86_64-linux-gnu"));
        (arguments, Some(libraries))
    }

    /// A command that dies with the thread that starts it, where the system can do that.
    pub fn command(&self) -> Command {
        let (arguments, libraries) = self.setting();
        let mut command = match fs::exists("/usr/bin/setpriv") {
            Ok(true) => {
                let mut command = Command::new("/usr/bin/setpriv");
                command.args(["--pdeathsig", "KILL", "--"]).arg(&self.program);
                command
            }
            _ => Command::new(&self.program),
        };
        command.args(arguments);
        if let Some(libraries) = libraries {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command
    }
}
