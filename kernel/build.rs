//! Gives the linker the kernel's memory layout. The packages in folders below share it.

use std::path::Path;

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let script = Path::new(&folder)
        .ancestors()
        .map(|folder| folder.join("kernel.ld"))
        .find(|script| script.exists())
        .expect("it lies beside this file");
    println!("cargo::rustc-link-arg-bins=-T{}", script.display());
    println!("cargo::rerun-if-changed={}", script.display());
}
