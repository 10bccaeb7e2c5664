//! Where the kernel keeps what the witness watches.

use std::path::Path;

use object::{Object, ObjectSymbol};

/// How every scheme of mangling writes `cpu::gs::THIS_CPU`.
const CPU_NUMBER: &str = "2gs8THIS_CPU";

/// The address of the CPU's number in the kernel's template.
///
/// # Errors
/// Why it cannot be told. A witness that does not know it must not say that nobody reads it.
pub fn cpu_number(kernel: &Path) -> Result<u64, String> {
    let wrong = |error: String| format!("{}: {error}", kernel.display());
    let bytes = std::fs::read(kernel).map_err(|error| wrong(error.to_string()))?;
    let file = object::File::parse(&*bytes).map_err(|error| wrong(error.to_string()))?;
    let is_it = |name: Result<&str, _>| name.is_ok_and(|name| name.contains(CPU_NUMBER));
    let found = file.symbols().find(|symbol| is_it(symbol.name()));
    found
        .map(|symbol| symbol.address())
        .ok_or_else(|| wrong(format!("no symbol with {CPU_NUMBER} in its name")))
}
