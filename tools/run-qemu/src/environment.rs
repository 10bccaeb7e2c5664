//! What a nested cargo must not inherit from the cargo that started the launcher.
//!
//! Left in place, these variables make it rebuild everything, pick the wrong compiler, or compile for the
//! bare metal with the host's flags. Registry, network and certificate settings stay.

use std::process::Command;

use crate::toolchain::Core;

const EXACT: [&str; 6] = [
    "CARGO",
    "CARGO_ENCODED_RUSTFLAGS",
    "RUSTFLAGS",
    "MAKEFLAGS",
    "CARGO_MAKEFLAGS",
    "LD_LIBRARY_PATH",
];
const PREFIXES: [&str; 9] = [
    "CARGO_PKG_",
    "CARGO_BIN_",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "CARGO_BUILD_",
    "CARGO_MANIFEST_",
    "CARGO_PRIMARY_",
    "RUSTC",
    "RUSTDOC",
];
/// rustup's own settings mean nothing to Debian's cargo, but they say which toolchain the user runs.
const RUSTUP: &str = "RUSTUP_";

/// Remove them from a command's environment.
pub fn clean(command: &mut Command, core: Core) {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| is_foreign(name, core)) {
            command.env_remove(name);
        }
    }
}

fn is_foreign(name: &str, core: Core) -> bool {
    EXACT.contains(&name)
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || (core == Core::Debian && name.starts_with(RUSTUP))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outer_build_goes_and_the_network_stays() {
        for name in [
            "CARGO",
            "RUSTC_WRAPPER",
            "CARGO_TARGET_DIR",
            "CARGO_PKG_NAME",
            "RUSTFLAGS",
        ] {
            assert!(is_foreign(name, Core::Debian), "{name}");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_HTTP_CAINFO",
            "CARGO_NET_OFFLINE",
            "SSL_CERT_FILE",
            "https_proxy",
            "PATH",
        ] {
            assert!(!is_foreign(name, Core::Debian), "{name}");
        }
        assert!(is_foreign("RUSTUP_TOOLCHAIN", Core::Debian));
        assert!(!is_foreign("RUSTUP_HOME", Core::Rustup));
    }
}
