//! Which programs to run and what init gives them: the command line's names and `userspace/programs.toml`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::status::{Failure, Result};
use crate::workspace::Workspace;

const FILE: &str = "userspace/programs.toml";

/// How a program's run must end for init to call it a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// It exits.
    Exit,
    /// The kernel ends it for a fault.
    Fault,
}

/// What init gives a program, unless the table says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// Pages of per-CPU memory, in each unit.
    pub quota: u32,
    /// Frames of ordinary memory.
    pub memory: u32,
    /// How it must end.
    pub expect: Expect,
    /// Whether it may start processes and end the percpu server.
    pub supervisor: bool,
    /// Whether the percpu server tells it the owners of regions and what has happened.
    pub observer: bool,
    /// The device that it drives.
    pub device: Option<Device>,
    /// Programs that run when it has ended, unless it was given an argument, one after the other, as if they had been asked for. They bring nobody of
    /// their own.
    pub then: Vec<String>,
    /// The priority of its threads, 0 to 7, and the highest that it may give.
    pub priority: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            quota: 64,
            memory: 2048,
            expect: Expect::Exit,
            supervisor: false,
            observer: false,
            device: None,
            then: Vec::new(),
            priority: 3,
        }
    }
}

/// A device, whose driver is given its interrupt and its I/O ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Below 16 an ISA interrupt, else a line of the I/O APICs.
    pub interrupt: u32,
    /// The first port.
    pub first_port: u16,
    /// How many there are.
    pub ports: u32,
}

/// One program to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// The program.
    pub name: String,
    /// What it is told.
    pub argument: Option<String>,
    /// It starts when all before it have ended, not at once.
    pub in_turn: bool,
    /// What it is given.
    pub terms: Terms,
}

/// The programs asked for as `NAME` or `NAME:ARG`, and those that follow them.
pub fn asked(workspace: &Workspace, words: &[String]) -> Result<Vec<Run>> {
    with_followers(workspace, &table(&workspace.root)?, words)
}

fn with_followers(
    workspace: &Workspace,
    table: &BTreeMap<String, Terms>,
    words: &[String],
) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    let mut followers = Vec::new();
    for word in words {
        let run = run(workspace, table, word)?;
        // One that is told what to do is no longer the one that others follow.
        if run.argument.is_none() {
            followers.extend(run.terms.then.clone());
        }
        runs.push(run);
    }
    for follower in followers {
        let run = run(workspace, table, &follower)?;
        runs.push(Run { in_turn: true, ..run });
    }
    Ok(runs)
}

fn run(workspace: &Workspace, table: &BTreeMap<String, Terms>, word: &str) -> Result<Run> {
    let (name, argument) = match word.split_once(':') {
        Some((name, argument)) => (name, Some(argument.to_string())),
        None => (word, None),
    };
    if !workspace.programs.contains_key(name) {
        let known: Vec<&str> = workspace.programs.keys().map(String::as_str).collect();
        return Err(Failure::usage(format!(
            "there is no program `{name}`; there are: {}",
            known.join(", ")
        )));
    }
    if argument
        .as_ref()
        .is_some_and(|argument| argument.contains(['\n', '\r']))
    {
        return Err(Failure::usage(format!(
            "the argument of `{name}` has a line break: the manifest has lines"
        )));
    }
    let terms = table.get(name).cloned().unwrap_or_default();
    Ok(Run {
        name: name.to_string(),
        argument,
        in_turn: false,
        terms,
    })
}

fn table(root: &Path) -> Result<BTreeMap<String, Terms>> {
    let text = match fs::read_to_string(root.join(FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Failure::build(format!("{FILE}: {error}"))),
    };
    toml::from_str(&text).map_err(|error| Failure::build(format!("{FILE}: {error}")))
}

/// The text that init reads.
pub fn manifest(runs: &[Run]) -> String {
    runs.iter().map(line).collect()
}

fn line(run: &Run) -> String {
    let Terms {
        quota,
        memory,
        expect,
        supervisor,
        observer,
        priority,
        device,
        then: _,
    } = run.terms;
    let expect = match expect {
        Expect::Exit => "exit",
        Expect::Fault => "fault",
    };
    let supervisor = if supervisor { " supervisor=yes" } else { "" };
    let observer = if observer { " observer=yes" } else { "" };
    let device = device.map(|device| {
        let Device {
            interrupt,
            first_port,
            ports,
        } = device;
        format!(" device={interrupt}:{first_port}+{ports}")
    });
    let device = device.unwrap_or_default();
    let in_turn = if run.in_turn { " in_turn=yes" } else { "" };
    let priority = match priority {
        priority if priority == Terms::default().priority => String::new(),
        priority => format!(" priority={priority}"),
    };
    let argument = run
        .argument
        .as_ref()
        .map(|argument| format!(" arg={argument}"))
        .unwrap_or_default();
    format!(
        "run {} quota={quota} memory={memory} expect={expect}{supervisor}{observer}{priority}{device}{in_turn}{argument}\n",
        run.name
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        let programs = [("counter", "counter"), ("probe", "probes")];
        let programs = programs
            .map(|(name, package)| (name.into(), package.into()))
            .into();
        Workspace {
            root: "/nowhere".into(),
            programs,
        }
    }

    #[test]
    fn a_manifest_line_says_what_init_needs() {
        let table = toml::from_str(
            "[probe]\nexpect = \"fault\"\nquota = 3\nsupervisor = true\nobserver = true\npriority = 5\n\
             device = { interrupt = 8, first_port = 112, ports = 2 }\n",
        )
        .unwrap();
        let words = ["counter", "probe:read 0x10: now"];
        let runs: Vec<Run> = words
            .iter()
            .map(|word| run(&workspace(), &table, word).unwrap())
            .collect();
        assert_eq!(
            manifest(&runs),
            "run counter quota=64 memory=2048 expect=exit\n\
             run probe quota=3 memory=2048 expect=fault supervisor=yes observer=yes priority=5 device=8:112+2 arg=read 0x10: now\n"
        );
    }

    #[test]
    fn who_follows_runs_behind_all_that_was_asked_for() {
        let table = toml::from_str("[counter]\nthen = [\"probe\"]\n[probe]\nthen = [\"counter\"]\n").unwrap();
        let words = ["counter".into(), "counter:again".into()];
        let runs = with_followers(&workspace(), &table, &words).unwrap();
        assert_eq!(
            manifest(&runs),
            "run counter quota=64 memory=2048 expect=exit\n\
             run counter quota=64 memory=2048 expect=exit arg=again\n\
             run probe quota=64 memory=2048 expect=exit in_turn=yes\n"
        );
        let unknown = toml::from_str("[counter]\nthen = [\"prove\"]\n").unwrap();
        assert!(with_followers(&workspace(), &unknown, &words).is_err());
    }

    #[test]
    fn an_unknown_program_is_refused_with_the_known_ones() {
        let refused = asked(&workspace(), &["cuonter".into()]).unwrap_err();
        assert_eq!(refused.status, crate::Status::Usage);
        assert!(refused.message.contains("counter, probe"), "{}", refused.message);
    }

    #[test]
    fn a_misspelt_term_is_refused() {
        assert!(toml::from_str::<BTreeMap<String, Terms>>("[counter]\nqouta = 3\n").is_err());
    }

    #[test]
    fn the_table_names_only_programs_that_exist() {
        let workspace = Workspace::find().unwrap();
        let table = table(&workspace.root).unwrap();
        let followers = table.values().flat_map(|terms| &terms.then);
        for name in table.keys().chain(followers) {
            assert!(
                workspace.programs.contains_key(name),
                "{FILE} names `{name}`, which is no program"
            );
        }
    }
}
