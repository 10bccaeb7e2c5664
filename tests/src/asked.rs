//! What the kernel's command line asks of the first chunk, as the launcher was told it: the tests' own reading.

use run_qemu::Machine;

use crate::words::number;

const KIB: u64 = 1 << 10;

/// The set-up that a command line asks for. Sizes in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// No nodes and no distances.
    pub is_generic: bool,
    /// Distances are the SLIT's.
    pub is_by_slit: bool,
    /// The static part, at least.
    pub static_size: u64,
    /// The reserved part.
    pub reserved_size: u64,
    /// The dynamic part, at least.
    pub dyn_size: u64,
}

impl Asked {
    /// Read it.
    pub fn of(machine: &Machine) -> Result<Asked, String> {
        let value = |name: &str| {
            let mut words = machine.append.split_whitespace();
            words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
        };
        let bytes = |name: &str, default: u64| value(name).map_or(Ok(default), size);
        Ok(Asked {
            is_generic: value("percpu_setup") == Some("generic"),
            is_by_slit: value("percpu_distance") == Some("slit"),
            static_size: bytes("percpu_static", 0)?,
            // Linux's 8 KiB would serve two programs: static parts are page-grained here.
            reserved_size: bytes("percpu_reserve", 128 * KIB)?,
            dyn_size: bytes("percpu_dynamic", 28 * KIB)?,
        })
    }
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.strip_suffix('K') {
        Some(digits) => (digits, 10),
        None => text.strip_suffix('M').map_or((text, 0), |digits| (digits, 20)),
    };
    Ok(number(digits)? << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_read() {
        let machine = Machine {
            append: "percpu_setup=generic percpu_static=3M percpu_dynamic=32768".into(),
            ..Machine::default()
        };
        let asked = Asked::of(&machine).unwrap();
        assert_eq!((asked.is_generic, asked.is_by_slit), (true, false));
        assert_eq!((asked.static_size, asked.dyn_size), (3 << 20, 32 << 10));
        assert_eq!(asked.reserved_size, 128 << 10);
    }
}
