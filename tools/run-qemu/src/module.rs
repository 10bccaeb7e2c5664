//! The boot module: a plain ustar archive of manifest, servers and programs.
//!
//! Written by hand, because a boot module must be the same bytes for the same input: no owner, no time.

use std::fs;
use std::path::Path;

use crate::compile::Binaries;
use crate::elf;
use crate::programs::{Run, manifest};
use crate::status::{Failure, Result};

const BLOCK: usize = 512;
const LONGEST_NAME: usize = 100;
const SERVERS: [&str; 2] = ["init", "percpu"];

/// Write the module for these runs. A command line goes in it where the kernel can get it nowhere else.
pub fn write(path: &Path, binaries: &Binaries, runs: &[Run], command_line: Option<&str>) -> Result<()> {
    let mut archive = Archive::default();
    archive.add("manifest", manifest(runs).as_bytes())?;
    if let Some(line) = command_line {
        archive.add("cmdline", line.as_bytes())?;
    }
    let mut packed: Vec<&str> = Vec::new();
    for name in SERVERS
        .into_iter()
        .chain(runs.iter().map(|run| run.name.as_str()))
    {
        if packed.contains(&name) {
            continue;
        }
        let file = binaries.path(name);
        let bytes =
            fs::read(&file).map_err(|error| Failure::build(format!("{}: {error}", file.display())))?;
        archive.add(name, &elf::loadable(name, &bytes)?)?;
        packed.push(name);
    }
    fs::write(path, archive.finish()).map_err(|error| {
        Failure::build(format!(
            "cannot write the boot module {}: {error}",
            path.display()
        ))
    })
}

/// A ustar archive in the making.
#[derive(Default)]
struct Archive {
    bytes: Vec<u8>,
}

impl Archive {
    fn add(&mut self, name: &str, content: &[u8]) -> Result<()> {
        if name.len() >= LONGEST_NAME {
            return Err(Failure::build(format!(
                "the name {name} is too long for the boot module"
            )));
        }
        self.bytes.extend(header(name, content.len()));
        self.bytes.extend(content);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        Ok(())
    }

    /// Two empty blocks end an archive.
    fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}

/// POSIX.1-1988 ustar: fields at fixed places, numbers in octal, the checksum taken with itself as blanks.
fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{size:011o}\0"));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::{Device, Expect, Terms};
    use std::process::Command;

    #[test]
    fn tar_reads_the_archive_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Archive::default();
        archive.add("manifest", b"run counter\n").unwrap();
        archive.add("init", &[7; 1000]).unwrap();
        let path = folder.path().join("module.tar");
        fs::write(&path, archive.finish()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len() % 512, 0);
        let tar = |arguments: &[&str]| {
            let output = Command::new("tar")
                .args(arguments)
                .current_dir(folder.path())
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{}",
                String::from_utf8_lossy(&output.stderr)
            );
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(tar(&["-tf", "module.tar"]), "manifest\ninit\n");
        assert_eq!(tar(&["-xOf", "module.tar", "manifest"]), "run counter\n");
        assert_eq!(tar(&["-xOf", "module.tar", "init"]).len(), 1000);
    }

    #[test]
    fn init_reads_what_we_write() {
        let terms = Terms {
            quota: 3,
            memory: 5,
            expect: Expect::Fault,
            supervisor: true,
            observer: true,
            priority: 4,
            device: Some(Device {
                interrupt: 8,
                first_port: 112,
                ports: 2,
            }),
            ..Terms::default()
        };
        let run = Run {
            name: "probe".into(),
            argument: Some("read 0x10: now".into()),
            in_turn: true,
            terms,
        };
        let mut archive = Archive::default();
        archive.add("manifest", manifest(&[run]).as_bytes()).unwrap();
        archive.add("probe", &[7; 600]).unwrap();
        let bytes = archive.finish();
        let archive = boot_module::Archive::new(&bytes);
        assert_eq!(archive.find("probe"), Ok(&[7; 600][..]));
        let read: Vec<_> = boot_module::runs(archive.find("manifest").unwrap())
            .unwrap()
            .collect();
        let expected = boot_module::Run {
            name: "probe",
            quota_pages: 3,
            memory_frames: 5,
            expect: boot_module::Expect::Fault,
            has_supervisor: true,
            is_observer: true,
            device: Some(boot_module::Device {
                interrupt: 8,
                first_port: 112,
                ports: 2,
            }),
            is_in_turn: true,
            priority: 4,
            argument: "read 0x10: now",
        };
        assert_eq!(read, [Ok(expected)]);
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        assert!(Archive::default().add(&"x".repeat(100), b"").is_err());
    }
}
