//! Which instructions of a program touch per-CPU memory: read from its machine code, not from its source.

use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpAccess, Register};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

/// One GS-relative instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GsUse {
    /// The symbol that it lies in, as the linker spells it.
    pub function: String,
    /// Where it lies.
    pub address: u64,
    /// How a disassembler writes it.
    pub text: String,
    /// What it does.
    pub operation: Operation,
    /// Which memory it touches.
    pub place: Place,
    /// It locks the bus, by a prefix or by its nature: what per-CPU memory exists to avoid.
    pub is_locked: bool,
}

/// What an instruction does to its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Adds to it, by `add` or `inc`.
    Add,
    /// Adds and returns what was there (`xadd`).
    FetchAdd,
    /// Anything else.
    Other,
}

/// How an instruction names its place in the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A static: the offset stands in the instruction.
    Static(u64),
    /// A cell of a region: the offset is in a register.
    Offset,
}

/// All GS-relative instructions of an ELF file, in the order of their addresses.
pub fn gs_uses(file: &[u8]) -> Result<Vec<GsUse>, String> {
    let file = object::File::parse(file).map_err(|error| format!("no ELF file: {error}"))?;
    let mut symbols: Vec<(u64, &str)> = file
        .symbols()
        .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?)))
        .collect();
    symbols.sort_unstable();
    let mut uses = Vec::new();
    for section in file
        .sections()
        .filter(|section| section.kind() == SectionKind::Text)
    {
        let code = section
            .data()
            .map_err(|error| format!("unreadable code: {error}"))?;
        for mut found in in_code(code, section.address()) {
            let behind = symbols.partition_point(|(address, _)| *address <= found.address);
            found.function = behind
                .checked_sub(1)
                .map_or("?", |index| symbols[index].1)
                .to_string();
            uses.push(found);
        }
    }
    Ok(uses)
}

fn in_code(code: &[u8], address: u64) -> Vec<GsUse> {
    let decoder = Decoder::with_ip(64, code, address, DecoderOptions::NONE);
    decoder
        .into_iter()
        .filter(touches_gs)
        .map(|instruction| describe(&instruction))
        .collect()
}

fn touches_gs(instruction: &Instruction) -> bool {
    let nothing = matches!(instruction.mnemonic(), Mnemonic::Lea | Mnemonic::Nop)
        || instruction.code() == Code::INVALID;
    instruction.memory_segment() == Register::GS && has_memory(instruction) && !nothing
}

fn has_memory(instruction: &Instruction) -> bool {
    (0..instruction.op_count()).any(|operand| instruction.op_kind(operand) == iced_x86::OpKind::Memory)
}

fn describe(instruction: &Instruction) -> GsUse {
    let by_register =
        instruction.memory_base() != Register::None || instruction.memory_index() != Register::None;
    GsUse {
        function: String::new(),
        address: instruction.ip(),
        text: instruction.to_string(),
        operation: match instruction.mnemonic() {
            Mnemonic::Add | Mnemonic::Inc if writes_memory(instruction) => Operation::Add,
            Mnemonic::Xadd => Operation::FetchAdd,
            _ => Operation::Other,
        },
        place: match by_register {
            true => Place::Offset,
            false => Place::Static(instruction.memory_displacement64()),
        },
        // An exchange with memory is locked even without the prefix.
        is_locked: instruction.has_lock_prefix() || instruction.mnemonic() == Mnemonic::Xchg,
    }
}

fn writes_memory(instruction: &Instruction) -> bool {
    let mut factory = iced_x86::InstructionInfoFactory::new();
    let info = factory.info(instruction);
    info.used_memory()
        .iter()
        .any(|memory| matches!(memory.access(), OpAccess::ReadWrite | OpAccess::Write))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a disassembler makes of these bytes.
    fn one(bytes: &[u8]) -> GsUse {
        let mut uses = in_code(bytes, 0x1000);
        assert_eq!(uses.len(), 1, "{uses:?}");
        uses.remove(0)
    }

    #[test]
    fn adds_are_told_apart_by_their_place() {
        let add = one(&[0x65, 0x48, 0x01, 0x3c, 0x25, 0x00, 0x10, 0x00, 0x00]);
        assert_eq!(
            (add.operation, add.place, add.is_locked),
            (Operation::Add, Place::Static(0x1000), false)
        );
        assert!(add.text.contains("gs:"), "{}", add.text);
        let add = one(&[0x65, 0x48, 0x01, 0x30]);
        assert_eq!((add.operation, add.place), (Operation::Add, Place::Offset));
        let increment = one(&[0x65, 0x48, 0xff, 0x00]);
        assert_eq!(increment.operation, Operation::Add);
        let load_and_add = one(&[0x65, 0x48, 0x03, 0x00]);
        assert_eq!(
            load_and_add.operation,
            Operation::Other,
            "adds to a register: `{}`",
            load_and_add.text
        );
        let fetch = one(&[0x65, 0x48, 0x0f, 0xc1, 0x30]);
        assert_eq!(fetch.operation, Operation::FetchAdd);
    }

    #[test]
    fn locks_are_seen_with_and_without_a_prefix() {
        assert!(one(&[0xf0, 0x65, 0x48, 0x01, 0x30]).is_locked);
        assert!(one(&[0x65, 0x48, 0x87, 0x30]).is_locked);
    }

    #[test]
    fn other_memory_is_left_alone() {
        assert!(in_code(&[0x48, 0x01, 0x30, 0x90, 0xc3], 0).is_empty());
    }

    #[test]
    fn this_very_binary_is_read() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(
            gs_uses(&own)
                .unwrap()
                .iter()
                .all(|found| !found.function.is_empty())
        );
        assert!(gs_uses(b"no ELF").is_err());
    }
}
