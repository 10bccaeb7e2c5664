//! What an instruction is to the witness: found once, when it is translated, and kept in 16 bits.

use abi::mark;
use iced_x86::{Code, Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

/// What is counted. The order is that of [`NAMES`], and of no importance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u16)]
pub enum Kind {
    /// Any instruction, those below included.
    Instruction,
    /// Any of the kernel's.
    Kernel,
    /// SYSCALL.
    Syscall,
    /// SYSRET.
    Sysret,
    /// IRET.
    Iret,
    /// SWAPGS.
    Swapgs,
    /// A page table is loaded.
    Cr3Write,
    /// CR0 is read.
    Cr0Read,
    /// CR0 is written, by CLTS, too.
    Cr0Write,
    /// RDMSR.
    Rdmsr,
    /// WRMSR.
    Wrmsr,
    /// RDFSBASE.
    FsRead,
    /// WRFSBASE.
    FsWrite,
    /// RDGSBASE.
    GsRead,
    /// WRGSBASE.
    GsWrite,
    /// A multiplication.
    Multiply,
    /// INVLPG.
    Invlpg,
    /// A lock prefix, or XCHG with memory.
    Locked,
    /// The kernel loads the number of the CPU.
    CpuNumber,
}

/// Number of [`Kind`]s.
pub const KINDS: usize = Kind::CpuNumber as usize + 1;

/// What they are called.
pub const NAMES: [&str; KINDS] = [
    "instructions",
    "kernel",
    "syscall",
    "sysret",
    "iret",
    "swapgs",
    "cr3-write",
    "cr0-read",
    "cr0-write",
    "rdmsr",
    "wrmsr",
    "fs-base-read",
    "fs-base-write",
    "gs-base-read",
    "gs-base-write",
    "multiply",
    "invlpg",
    "locked",
    "cpu-number",
];

/// What a guest marks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// See [`mark::ROW`].
    Row,
    /// See [`mark::REST`].
    Rest,
    /// See [`mark::BEGIN`].
    Begin,
    /// See [`mark::BEGIN_TRACED`].
    BeginTraced,
    /// See [`mark::END`].
    End,
}

/// One instruction's kind, its flags and its mark. All zero: an instruction like any other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Class(u16);

const KIND: u16 = 0x1f;
const LOCKED: u16 = 1 << 5;
const CPU_NUMBER: u16 = 1 << 6;
const OPENS: u16 = 1 << 7;
const MARK_SHIFT: u32 = 8;

impl Class {
    /// Of an instruction that lies at `address`; `cpu_number` is where the kernel's template has the CPU's number.
    #[must_use]
    pub fn of(bytes: &[u8], address: u64, cpu_number: u64) -> Class {
        if let Some(mark) = mark_of(bytes) {
            return Class((mark as u16 + 1) << MARK_SHIFT);
        }
        let instruction = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE).decode();
        let mut class = kind_of(&instruction) as u16;
        if class == Kind::Instruction as u16 {
            class = 0;
        }
        if instruction.has_lock_prefix() || is_exchange(&instruction) {
            class |= LOCKED;
        }
        if loads(&instruction, cpu_number) {
            class |= CPU_NUMBER;
        }
        if matches!(instruction.mnemonic(), Mnemonic::Sti | Mnemonic::Hlt) {
            class |= OPENS;
        }
        Class(class)
    }

    /// As it was kept.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Class {
        Class(bits)
    }

    /// To keep it.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// An instruction like most.
    #[must_use]
    pub const fn is_plain(self) -> bool {
        self.0 == 0
    }

    /// Which counters it moves, beside those of all instructions.
    pub fn kinds(self) -> impl Iterator<Item = usize> {
        let own = (self.0 & KIND) as usize;
        let flags = [(LOCKED, Kind::Locked), (CPU_NUMBER, Kind::CpuNumber)];
        let flags = flags.into_iter().filter(move |(flag, _)| self.0 & flag != 0);
        (own != 0)
            .then_some(own)
            .into_iter()
            .chain(flags.map(|(_, kind)| kind as usize))
    }

    /// Behind it interrupts may come.
    #[must_use]
    pub const fn opens(self) -> bool {
        self.0 & OPENS != 0
    }

    /// It may lead to user mode.
    #[must_use]
    pub const fn leaves(self) -> bool {
        let kind = self.0 & KIND;
        kind == Kind::Sysret as u16 || kind == Kind::Iret as u16
    }

    /// The mark that it is.
    #[must_use]
    pub const fn mark(self) -> Option<Mark> {
        match self.0 >> MARK_SHIFT {
            1 => Some(Mark::Row),
            2 => Some(Mark::Rest),
            3 => Some(Mark::Begin),
            4 => Some(Mark::BeginTraced),
            5 => Some(Mark::End),
            _ => None,
        }
    }
}

fn mark_of(bytes: &[u8]) -> Option<Mark> {
    let displacement: [u8; 4] = bytes.strip_prefix(&mark::OPCODE)?.try_into().ok()?;
    match u32::from_le_bytes(displacement) {
        mark::ROW => Some(Mark::Row),
        mark::REST => Some(Mark::Rest),
        mark::BEGIN => Some(Mark::Begin),
        mark::BEGIN_TRACED => Some(Mark::BeginTraced),
        mark::END => Some(Mark::End),
        _ => None,
    }
}

fn kind_of(instruction: &Instruction) -> Kind {
    let register = |operand| match instruction.op_kind(operand) {
        OpKind::Register => instruction.op_register(operand),
        _ => Register::None,
    };
    match instruction.mnemonic() {
        Mnemonic::Syscall => Kind::Syscall,
        Mnemonic::Sysret | Mnemonic::Sysretq => Kind::Sysret,
        Mnemonic::Iret | Mnemonic::Iretd | Mnemonic::Iretq => Kind::Iret,
        Mnemonic::Swapgs => Kind::Swapgs,
        Mnemonic::Rdmsr => Kind::Rdmsr,
        Mnemonic::Wrmsr => Kind::Wrmsr,
        Mnemonic::Rdfsbase => Kind::FsRead,
        Mnemonic::Wrfsbase => Kind::FsWrite,
        Mnemonic::Rdgsbase => Kind::GsRead,
        Mnemonic::Wrgsbase => Kind::GsWrite,
        Mnemonic::Mul | Mnemonic::Imul | Mnemonic::Mulx => Kind::Multiply,
        Mnemonic::Invlpg => Kind::Invlpg,
        Mnemonic::Clts | Mnemonic::Lmsw => Kind::Cr0Write,
        Mnemonic::Smsw => Kind::Cr0Read,
        Mnemonic::Mov => match (register(0), register(1)) {
            (Register::CR3, _) => Kind::Cr3Write,
            (Register::CR0, _) => Kind::Cr0Write,
            (_, Register::CR0) => Kind::Cr0Read,
            _ => Kind::Instruction,
        },
        _ => Kind::Instruction,
    }
}

/// XCHG with memory is locked without a prefix.
fn is_exchange(instruction: &Instruction) -> bool {
    let codes = [
        Code::Xchg_rm8_r8,
        Code::Xchg_rm16_r16,
        Code::Xchg_rm32_r32,
        Code::Xchg_rm64_r64,
    ];
    codes.contains(&instruction.code()) && instruction.op0_kind() == OpKind::Memory
}

/// Per-CPU variables are reached by their address in the template, relative to the instruction, through GS.
fn loads(instruction: &Instruction, variable: u64) -> bool {
    instruction.segment_prefix() == Register::GS
        && instruction.is_ip_rel_memory_operand()
        && instruction.ip_rel_memory_address() == variable
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: u64 = 0xffff_ffff_8024_a008;
    const AT: u64 = 0xffff_ffff_8020_0000;

    fn counted(bytes: &[u8]) -> Vec<&'static str> {
        let class = Class::of(bytes, AT, NUMBER);
        assert_eq!(class, Class::from_bits(class.bits()));
        class.kinds().map(|kind| NAMES[kind]).collect()
    }

    #[test]
    fn dear_instructions_are_told_apart() {
        assert_eq!(counted(&[0x0f, 0x05]), ["syscall"]);
        assert_eq!(counted(&[0x48, 0x0f, 0x07]), ["sysret"]);
        assert_eq!(counted(&[0x48, 0xcf]), ["iret"]);
        assert_eq!(counted(&[0x0f, 0x01, 0xf8]), ["swapgs"]);
        assert_eq!(counted(&[0x0f, 0x22, 0xdd]), ["cr3-write"]);
        assert_eq!(counted(&[0x0f, 0x20, 0xd8]), [""; 0]);
        assert_eq!(counted(&[0x0f, 0x22, 0xc0]), ["cr0-write"]);
        assert_eq!(counted(&[0x0f, 0x20, 0xc0]), ["cr0-read"]);
        assert_eq!(counted(&[0x0f, 0x06]), ["cr0-write"]);
        assert_eq!(counted(&[0x0f, 0x32]), ["rdmsr"]);
        assert_eq!(counted(&[0x0f, 0x30]), ["wrmsr"]);
        assert_eq!(counted(&[0xf3, 0x48, 0x0f, 0xae, 0xc1]), ["fs-base-read"]);
        assert_eq!(counted(&[0xf3, 0x48, 0x0f, 0xae, 0xd1]), ["fs-base-write"]);
        assert_eq!(counted(&[0xf3, 0x48, 0x0f, 0xae, 0xc8]), ["gs-base-read"]);
        assert_eq!(counted(&[0xf3, 0x48, 0x0f, 0xae, 0xd8]), ["gs-base-write"]);
        assert_eq!(counted(&[0x48, 0x0f, 0xaf, 0xc1]), ["multiply"]);
        assert_eq!(counted(&[0x48, 0xf7, 0xe1]), ["multiply"]);
        assert_eq!(counted(&[0x0f, 0x01, 0x38]), ["invlpg"]);
    }

    #[test]
    fn locks_are_seen_with_and_without_a_prefix() {
        assert_eq!(counted(&[0xf0, 0x48, 0xff, 0x00]), ["locked"]);
        assert_eq!(counted(&[0x48, 0x87, 0x08]), ["locked"]);
        assert_eq!(counted(&[0x48, 0x87, 0xc8]), [""; 0]);
        assert_eq!(counted(&[0x48, 0xff, 0x00]), [""; 0]);
    }

    #[test]
    fn a_load_of_the_cpus_number_is_one_through_gs() {
        let load = |first: &[u8], target: u64| {
            let length = first.len() as u64 + 4;
            let distance = target.wrapping_sub(AT + length) as u32;
            counted(&[first, &distance.to_le_bytes()].concat())
        };
        assert_eq!(load(&[0x65, 0x0f, 0xb7, 0x05], NUMBER), ["cpu-number"]);
        assert_eq!(load(&[0x65, 0x0f, 0xb7, 0x05], NUMBER + 8), [""; 0]);
        assert_eq!(load(&[0x0f, 0xb7, 0x05], NUMBER), [""; 0]);
    }

    #[test]
    fn marks_and_what_lets_interrupts_in() {
        let bytes = |mark: u32| [&mark::OPCODE[..], &mark.to_le_bytes()].concat();
        let marked = |mark: u32| Class::of(&bytes(mark), AT, NUMBER).mark();
        assert_eq!(marked(mark::ROW), Some(Mark::Row));
        assert_eq!(marked(mark::REST), Some(Mark::Rest));
        assert_eq!(marked(mark::BEGIN), Some(Mark::Begin));
        assert_eq!(marked(mark::BEGIN_TRACED), Some(Mark::BeginTraced));
        assert_eq!(marked(mark::END), Some(Mark::End));
        assert_eq!(marked(0), None);
        assert!(Class::of(&[0xfb], AT, NUMBER).opens());
        assert!(Class::of(&[0xf4], AT, NUMBER).opens());
        assert!(!Class::of(&[0xfa], AT, NUMBER).opens());
        assert!(Class::of(&[0x90], AT, NUMBER).is_plain());
    }
}
