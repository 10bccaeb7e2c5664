//! From nothing to a booted machine: tools, build, boot module, QEMU.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::compile::{self, Binaries};
use crate::image;
use crate::machine::{BootFiles, Machine};
use crate::module;
use crate::ovmf::Ovmf;
use crate::programs::{self, Run};
use crate::qemu::Qemu;
use crate::session::{Session, Watch};
use crate::status::{Failure, Result};
use crate::symbolise;
use crate::toolchain::{self, Core, Toolchain};
use crate::transcript::Transcript;
use crate::workspace::Workspace;

/// Everything that booting needs, found and built.
#[derive(Debug, Clone)]
pub struct Prepared {
    workspace: Workspace,
    qemu: Qemu,
    toolchain: Toolchain,
    binaries: Binaries,
    compiler: String,
}

impl Prepared {
    /// Find the tools, or install them, and build everything but the kernel that checks itself.
    pub fn new(workspace: Workspace, core: Option<Core>) -> Result<Self> {
        Self::with_kernels(workspace, core, &["kernel"])
    }

    /// The same with these of the [`KERNELS`](crate::KERNELS).
    pub fn with_kernels(workspace: Workspace, core: Option<Core>, kernels: &[&str]) -> Result<Self> {
        let (qemu, toolchain) = {
            let _turn = turn(&workspace)?;
            (Qemu::find(&workspace.target())?, toolchain::find(core)?)
        };
        let binaries = compile::build(&workspace, &toolchain, kernels)?;
        Ok(Self {
            workspace,
            qemu,
            compiler: toolchain.key(),
            toolchain,
            binaries,
        })
    }

    /// A binary of the machine: `kernel`, `init`, `percpu` or a program.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.binaries.path(name)
    }

    pub(crate) fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// The QEMU that was found.
    #[must_use]
    pub fn qemu(&self) -> &Qemu {
        &self.qemu
    }

    /// The kernel's functions and lines.
    #[must_use]
    pub fn kernel_symbols(&self) -> Option<addr2line::Loader> {
        addr2line::Loader::new(self.binary("kernel")).ok()
    }

    /// Which compiler built it all, and where its `core` came from. Instruction counts belong to both.
    pub fn compiler(&self) -> &str {
        &self.compiler
    }

    /// The programs behind `NAME` or `NAME:ARG`.
    pub fn runs(&self, words: &[&str]) -> Result<Vec<Run>> {
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        programs::asked(&self.workspace, &words)
    }

    /// Boot and hand over the running machine.
    pub fn start(&self, machine: &Machine, runs: &[Run], watch: Watch) -> Result<Booted> {
        let folder = scratch()?;
        let files = match machine.uefi {
            true => {
                let image = folder.path().join("image");
                self.write_image(machine.kernel(), &machine.append, runs, &image)?;
                BootFiles::Uefi {
                    ovmf: self.ovmf()?,
                    image,
                }
            }
            false => {
                let module = folder.path().join("module.tar");
                module::write(&module, &self.binaries, runs, None)?;
                BootFiles::Direct {
                    kernel: self.binary(machine.kernel()),
                    module,
                }
            }
        };
        let session = Session::start(&self.qemu, machine, &files, watch)?;
        Ok(Booted {
            session,
            _folder: folder,
        })
    }

    /// Boot a disk image that was written before, as a machine with UEFI finds it.
    pub fn start_image(&self, machine: &Machine, image: &Path, watch: Watch) -> Result<Booted> {
        let files = BootFiles::Uefi {
            ovmf: self.ovmf()?,
            image: image.into(),
        };
        let session = Session::start(&self.qemu, machine, &files, watch)?;
        Ok(Booted {
            session,
            _folder: scratch()?,
        })
    }

    /// Write a disk image that UEFI boots, with one of the kernels, its command line, and these programs.
    pub fn write_image(&self, kernel: &str, append: &str, runs: &[Run], image: &Path) -> Result<()> {
        let folder = scratch()?;
        let module = folder.path().join("module.tar");
        module::write(&module, &self.binaries, runs, Some(append))?;
        let _turn = turn(&self.workspace)?;
        let files = [self.binary(kernel), module];
        image::write(
            &self.workspace,
            &self.toolchain,
            files.each_ref().map(PathBuf::as_path),
            image,
        )
    }

    fn ovmf(&self) -> Result<Ovmf> {
        let _turn = turn(&self.workspace)?;
        Ovmf::find(&self.workspace.target())
    }

    /// Functions and lines for all addresses in a transcript of this machine; empty if there are none.
    pub fn symbolise(&self, machine: &Machine, transcript: &Transcript) -> String {
        let file = |name: &str| match name {
            "kernel" => self.binary(machine.kernel()),
            program => self.binary(program),
        };
        let load = |name: &str| addr2line::Loader::new(file(name)).ok();
        let registers = transcript.registers.as_deref();
        symbolise::explain(&transcript.lines, registers, &self.workspace.root, load)
    }

    /// Boot and watch to the end.
    pub fn boot(&self, machine: &Machine, runs: &[Run], watch: Watch) -> Result<Transcript> {
        Ok(self.start(machine, runs, watch)?.session.finish())
    }
}

fn scratch() -> Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("run-qemu").tempdir();
    folder.map_err(|error| Failure::build(format!("no folder for the boot module: {error}")))
}

/// A running machine, and the boot module that it came from.
pub struct Booted {
    /// The machine.
    pub session: Session,
    _folder: TempDir,
}

/// Two launchers must not install or unpack at the same time: one waits here until the file is dropped.
fn turn(workspace: &Workspace) -> Result<std::fs::File> {
    let wrong = |error: std::io::Error| Failure::missing(format!("cannot write below target/: {error}"));
    std::fs::create_dir_all(workspace.target()).map_err(wrong)?;
    let file = std::fs::File::create(workspace.target().join("run-qemu.lock")).map_err(wrong)?;
    file.lock().map_err(wrong)?;
    Ok(file)
}
