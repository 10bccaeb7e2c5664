//! What the kernel built, for tools: the lines `facts: NAME {…}` of a run as one JSON document.
//!
//! The launcher knows the shape of the lines and not their meaning: whatever the kernel names is stored. Of a
//! name that comes once the document has an object; of the names in [`LISTS`] a list, be it empty.

use std::path::Path;

use serde_json::{Map, Value};

use crate::status::{Failure, Result};

/// How such a line begins.
pub const PREFIX: &str = "facts: ";
/// On the kernel's command line, to ask for them.
pub const WORD: &str = "facts";

/// Names that may come any number of times, with their lists' names.
const LISTS: [(&str, &str); 6] = [
    ("group", "groups"),
    ("cpu", "cpus"),
    ("given_back", "given_back"),
    ("address", "addresses"),
    ("frames", "frames"),
    ("online", "online"),
];

/// Collect the document out of a serial line. Nothing if there is no such line; refused if one is damaged.
pub fn collect(lines: &[impl AsRef<str>]) -> Result<Option<Value>> {
    let mut facts = Map::new();
    let mut any = false;
    for (_, list) in LISTS {
        facts.insert(list.into(), Value::Array(Vec::new()));
    }
    for line in lines.iter().filter_map(|line| line.as_ref().strip_prefix(PREFIX)) {
        any = true;
        let wrong = |why: &str| Failure::qemu(format!("the guest's line `{PREFIX}{line}` {why}"));
        let (name, text) = line.split_once(' ').ok_or_else(|| wrong("names no fact"))?;
        let value: Value =
            serde_json::from_str(text).map_err(|error| wrong(&format!("is no JSON: {error}")))?;
        let list = LISTS.iter().find(|(one, _)| *one == name).map(|(_, list)| *list);
        match facts.get_mut(list.unwrap_or(name)) {
            Some(Value::Array(entries)) => entries.push(value),
            Some(_) => return Err(wrong("says a second time what is said once")),
            None => drop(facts.insert(name.into(), value)),
        }
    }
    Ok(any.then_some(Value::Object(facts)))
}

/// Whether the document can be stored there: better known before a machine is built and booted.
pub fn check(file: &Path) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let why = match folder {
        Some(folder) if !folder.is_dir() => "its folder is not there",
        _ if file.is_dir() => "it is a folder",
        _ => return Ok(()),
    };
    Err(Failure::usage(format!("--facts {}: {why}", file.display())))
}

/// Store the document.
pub fn store(lines: &[impl AsRef<str>], file: &Path) -> Result<()> {
    let facts = collect(lines)?.ok_or_else(|| {
        let file = file.display();
        Failure::qemu(format!("the kernel told no facts, so {file} was not written"))
    })?;
    let text = format!("{facts:#}\n");
    std::fs::write(file, text)
        .map_err(|error| Failure::usage(format!("--facts {}: cannot write it: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn lines_become_one_document() {
        let lines = [
            "percpu: something",
            r#"facts: sizes {"unit_size":4096}"#,
            r#"facts: cpu {"cpu":0}"#,
            r#"facts: cpu {"cpu":1}"#,
        ];
        let facts = collect(&lines).unwrap().unwrap();
        assert_eq!(facts["sizes"], json!({ "unit_size": 4096 }));
        assert_eq!(facts["cpus"], json!([{ "cpu": 0 }, { "cpu": 1 }]));
        assert_eq!(facts["given_back"], json!([]));
    }

    #[test]
    fn damage_is_told() {
        for damaged in ["facts: sizes", "facts: sizes {", "facts: {}"] {
            assert!(collect(&[damaged]).is_err(), "{damaged}");
        }
        let twice = [r#"facts: sizes {}"#; 2];
        let told = collect(&twice).unwrap_err().message;
        assert!(told.contains("a second time"), "{told}");
    }

    #[test]
    fn a_kernel_that_tells_none_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("facts.json");
        let told = store(&["all checks done"], &file).unwrap_err().message;
        assert!(told.contains("told no facts"), "{told}");
        assert!(!file.exists());
        store(&["facts: sizes {}"], &file).unwrap();
        assert!(std::fs::read_to_string(&file).unwrap().contains("\"sizes\": {}"));
        for nowhere in [folder.path().to_path_buf(), folder.path().join("no/where")] {
            assert_eq!(check(&nowhere).unwrap_err().status, crate::Status::Usage);
            assert!(store(&["facts: sizes {}"], &nowhere).is_err());
        }
        check(&file).unwrap();
    }
}
