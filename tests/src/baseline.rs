//! Instruction counts that somebody has measured, by compiler: `baseline.json` beside the tests.
//!
//! Counts belong to a compiler, so those of an unknown one are compared with nothing: neither pass nor failure. With the
//! same compiler they are the same in every run and on every machine, so one instruction more is a complaint. Not quite so where
//! several CPUs take part, or pages are cleared by whoever has time.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Instructions by the measurement's name.
pub type Counts = BTreeMap<String, u64>;

/// What makes the counts of today the baseline.
pub const BLESS: &str = "cargo run -p selion-tests --bin measure -- --bless";

/// The most that a count may be without a complaint. Regions with frames cost what is left to do of the clearing, which
/// depends on how much time other CPUs had, and what CPUs do together is up to when each of them does it. All of that is the
/// same again in every run of the same programs; but any instruction elsewhere moves it, by a round of whoever waits or a page
/// that somebody else has cleared. Those seen were less than a fiftieth, so a sixteenth is one.
fn most(name: &str, before: u64) -> u64 {
    let is_of_regions = name.contains("create-") || name.contains("destroy-");
    let is_of_several = name.contains("other-cpu") || name.contains("unmap-from-");
    match is_of_several || is_of_regions && !name.contains("-none-") {
        true => before + before / 16,
        false => before,
    }
}

/// What is known of all compilers.
pub struct Baseline(BTreeMap<String, Counts>);

impl Baseline {
    /// The committed one.
    pub fn read() -> Result<Baseline, String> {
        let text =
            std::fs::read_to_string(file()).map_err(|error| format!("{}: {error}", file().display()))?;
        let known = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file().display()))?;
        Ok(Baseline(known))
    }

    /// Whether anything is known of this compiler.
    pub fn knows(&self, compiler: &str) -> bool {
        self.0.contains_key(compiler)
    }

    /// What is wrong with these counts, in words: those that are worse than they were, and those that are ours to
    /// measure and missing, there or here.
    pub fn complaints(&self, compiler: &str, is_ours: impl Fn(&str) -> bool, counts: &Counts) -> Vec<String> {
        let Some(known) = self.0.get(compiler) else {
            return Vec::new();
        };
        let complaint = |(name, expected): (&String, &u64)| match counts.get(name) {
            Some(count) if *count <= most(name, *expected) => None,
            Some(count) => Some(format!("{name}: {count}, but {expected} in the baseline")),
            None => Some(format!("{name}: not measured, but {expected} in the baseline")),
        };
        let new = counts.keys().filter(|name| !known.contains_key(*name));
        let new = new.map(|name| format!("{name}: not in the baseline; `{BLESS}`"));
        let known = known.iter().filter(|(name, _)| is_ours(name));
        known.filter_map(complaint).chain(new).collect()
    }

    /// The counts that are better than they were, in words. Blessed, they cannot become worse again unseen.
    pub fn gains(&self, compiler: &str, counts: &Counts) -> Vec<String> {
        let known = self.0.get(compiler).into_iter().flatten();
        let gain = |(name, before): (&String, &u64)| {
            let now = counts.get(name).filter(|now| *now < before)?;
            Some(format!("{name}: {now}, {before} in the baseline"))
        };
        known.filter_map(gain).collect()
    }

    /// Makes these counts the baseline of this compiler, and no others.
    pub fn bless(&mut self, compiler: &str, counts: &Counts) -> Result<(), String> {
        self.0.insert(compiler.into(), counts.clone());
        let text = serde_json::to_string_pretty(&self.0).map_err(|error| error.to_string())?;
        std::fs::write(file(), text + "\n").map_err(|error| format!("{}: {error}", file().display()))
    }
}

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("baseline.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worse_or_missing_is_told() {
        let counts = |list: &[(&str, u64)]| {
            list.iter()
                .map(|(name, count)| (name.to_string(), *count))
                .collect()
        };
        let known = counts(&[("call", 100), ("build-1", 1000)]);
        let baseline = Baseline([("this".to_string(), known)].into());
        let told = |prefix: &str, list: &[(&str, u64)]| {
            let is_ours = |name: &str| name.starts_with(prefix);
            baseline.complaints("this", is_ours, &counts(list)).len()
        };
        assert_eq!(told("", &[("call", 100), ("build-1", 999)]), 0);
        assert_eq!(told("", &[("call", 101), ("build-1", 1001)]), 2);
        assert_eq!(told("", &[("call", 100), ("build-1", 999), ("new", 1)]), 1);
        assert_eq!(told("build", &[]), 1);
        let gains = baseline.gains("this", &counts(&[("call", 99), ("build-1", 1000), ("new", 1)]));
        assert_eq!(gains, ["call: 99, 100 in the baseline"]);
        assert_eq!(
            (
                most("64-cpus/create-1-page", 100),
                most("create-none-1-page", 100),
                most("unmap-from-1-other", 100)
            ),
            (106, 100, 106)
        );
        assert!(baseline.complaints("other", |_| true, &Counts::new()).is_empty());
        assert!(baseline.knows("this") && !baseline.knows("other"));
    }

    #[test]
    fn the_committed_one_is_read() {
        assert!(!Baseline::read().unwrap().0.is_empty());
    }
}
