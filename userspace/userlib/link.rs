//! The build script of every program and server: links it by `program.ld`.

use std::path::{Path, PathBuf};

fn main() {
    let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let script = package
        .ancestors()
        .map(|folder: &Path| folder.join("userspace/userlib/program.ld"))
        .find(|script| script.exists())
        .expect("the package lies in the workspace of userlib");
    println!("cargo::rerun-if-changed={}", script.display());
    println!("cargo::rustc-link-arg-bins=-T{}", script.display());
}
