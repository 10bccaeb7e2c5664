//! Where the vectors are, and what is in them: rows under the name of their section.

use std::{
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Rows by section.
pub type Sections = BTreeMap<String, Vec<Value>>;

/// The directory that `PERCPU_VECTORS` names, or the one beside this crate. A relative name counts from
/// here or else from the workspace: cargo runs tests in the crate's folder, wherever it was called.
pub fn directory() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    match env::var_os("PERCPU_VECTORS").map(PathBuf::from) {
        Some(named) if named.is_dir() => named,
        Some(named) => crate_folder.join("../..").join(named),
        None => crate_folder.join("tests/vectors"),
    }
}

/// All sections of all files, under their names. Files may share a section.
pub fn read(directory: &Path) -> Result<Sections, String> {
    let unreadable = |error: io::Error| format!("{}: {error}", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let mut sections: Sections = BTreeMap::new();
    for path in files {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        let Value::Object(file) = serde_json::from_str(&text).map_err(|error| wrong(&error))? else {
            return Err(wrong(&"not an object of sections"));
        };
        for (name, rows) in file.into_iter().filter(|(name, _)| name != "meta") {
            let rows = match rows {
                Value::Array(rows) => rows,
                row => vec![row],
            };
            sections.entry(name).or_default().extend(rows);
        }
    }
    Ok(sections)
}
