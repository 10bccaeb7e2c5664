//! Instruction counts that somebody has measured, by compiler: `baseline.json` beside the tests.
//!
//! Counts belong to a compiler, so those of an unknown one are compared with nothing: neither pass nor failure.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Instructions by the measurement's name.
pub type Counts = BTreeMap<String, u64>;

/// A count may exceed its baseline by this many in a hundred, and by as many instructions.
const TOLERANCE: u64 = 2;

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

    /// The counts that are worse than they were, in words. Those that are ours to measure must all be there.
    pub fn complaints(&self, compiler: &str, is_ours: impl Fn(&str) -> bool, counts: &Counts) -> Vec<String> {
        let known = self.0.get(compiler).into_iter().flatten();
        let known = known.filter(|(name, _)| is_ours(name));
        let complaint = |(name, expected): (&String, &u64)| {
            let most = expected + expected * TOLERANCE / 100 + TOLERANCE;
            match counts.get(name) {
                Some(count) if *count <= most => None,
                Some(count) => Some(format!(
                    "{name}: {count}, but {expected} in the baseline, at most {most}"
                )),
                None => Some(format!("{name}: not measured, but {expected} in the baseline")),
            }
        };
        known.filter_map(complaint).collect()
    }

    /// Makes these counts the baseline of this compiler; others of it stay.
    pub fn bless(&mut self, compiler: &str, counts: &Counts) -> Result<(), String> {
        self.0.entry(compiler.into()).or_default().extend(counts.clone());
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
        assert_eq!(told("", &[("call", 104), ("build-1", 1022), ("new", 1)]), 0);
        assert_eq!(told("", &[("call", 105), ("build-1", 1023)]), 2);
        assert_eq!(told("build", &[]), 1);
        assert!(baseline.complaints("other", |_| true, &Counts::new()).is_empty());
        assert!(baseline.knows("this") && !baseline.knows("other"));
    }

    #[test]
    fn the_committed_one_is_read() {
        assert!(!Baseline::read().unwrap().0.is_empty());
    }
}
