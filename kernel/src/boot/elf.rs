//! As much of ELF64 as loading one statically linked program needs.
//!
//! Source: System V ABI, chapters 4 and 5; offsets are those of Elf64_Ehdr and Elf64_Phdr.

use abi::syscall::access;

const MAGIC: &[u8] = b"\x7fELF\x02\x01\x01";
const EXECUTABLE_FILE: u64 = 2;
const X86_64: u64 = 62;
const LOAD: u64 = 1;
const MAY_EXECUTE: u64 = 1;
const MAY_WRITE: u64 = 2;

/// A program's file.
pub struct Program<'a> {
    file: &'a [u8],
    entry: u64,
    headers: u64,
    header_bytes: u64,
    header_count: u64,
}

/// Bytes that belong to one address.
pub struct Segment<'a> {
    /// Address of the first byte.
    pub address: u64,
    /// The contents; what is missing to `memory_bytes` is zero.
    pub bytes: &'a [u8],
    /// Size in memory.
    pub memory_bytes: u64,
    /// As for `MemoryMap`.
    pub access: u64,
}

impl<'a> Program<'a> {
    /// Reads the file's header; `None` if it is no program for this machine.
    pub fn read(file: &'a [u8]) -> Option<Program<'a>> {
        let is_right = file.starts_with(MAGIC)
            && number(file, 16, 2)? == EXECUTABLE_FILE
            && number(file, 18, 2)? == X86_64;
        let program = Program {
            file,
            entry: number(file, 24, 8)?,
            headers: number(file, 32, 8)?,
            header_bytes: number(file, 54, 2)?,
            header_count: number(file, 56, 2)?,
        };
        is_right.then_some(program)
    }

    /// Address of the first instruction.
    pub fn entry(&self) -> u64 {
        self.entry
    }

    /// What is to be loaded. The template of per-CPU statics is not: init has none.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + '_ {
        (0..self.header_count).filter_map(|index| self.segment(self.headers + index * self.header_bytes))
    }

    fn segment(&self, at: u64) -> Option<Segment<'a>> {
        let at = at as usize;
        let word = |offset: usize| number(self.file, at + offset, 8);
        let (kind, flags) = (number(self.file, at, 4)?, number(self.file, at + 4, 4)?);
        let (offset, file_bytes) = (word(8)? as usize, word(32)? as usize);
        let segment = Segment {
            address: word(16)?,
            bytes: self.file.get(offset..offset.checked_add(file_bytes)?)?,
            memory_bytes: word(40)?,
            access: match (flags & MAY_WRITE != 0, flags & MAY_EXECUTE != 0) {
                (true, _) => access::WRITE,
                (_, true) => access::EXECUTE,
                _ => access::READ,
            },
        };
        (kind == LOAD && segment.memory_bytes > 0).then_some(segment)
    }
}

/// A little-endian number of the file.
fn number(file: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(bytes)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    )
}
