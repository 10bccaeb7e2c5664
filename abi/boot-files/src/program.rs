//! A program's file: which bytes go to which pages, and the template of its per-CPU statics.

use core::fmt;

use abi::PAGE_SIZE;
use abi::start::START_INFO_ADDRESS;
use abi::syscall::access;
use abi::window::{STATIC_FIRST_PAGE, TEMPLATE_SEGMENT_TYPE};
use arrayvec::ArrayVec;
use elf::abi::{EM_X86_64, ET_EXEC, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::segment::ProgramHeader;
use elf::{ElfBytes, ParseError};

/// Most segments of one program.
const MOST_SEGMENTS: usize = 8;
/// Programs lie below the start page, and not on the first page: null pointers shall fault.
const ADDRESSES: core::ops::Range<u64> = PAGE_SIZE..START_INFO_ADDRESS;

/// Whole pages that are to be mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment<'a> {
    /// Address of the first page.
    pub address: u64,
    /// Number of pages.
    pub pages: u64,
    /// Bytes of the first page before `bytes`; these, and those behind `bytes`, are zero.
    pub skip: usize,
    /// The contents.
    pub bytes: &'a [u8],
    /// How to map them: see [`access`].
    pub access: u64,
}

/// The initial per-CPU statics, for the window offset [`STATIC_FIRST_PAGE`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Template<'a> {
    /// Pages of the static part.
    pub pages: u64,
    /// The bytes at its start; the rest is zero.
    pub bytes: &'a [u8],
}

/// A program that can be loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Program<'a> {
    /// Address of the first instruction.
    pub entry: u64,
    /// What is to be mapped.
    pub segments: ArrayVec<Segment<'a>, MOST_SEGMENTS>,
    /// Its per-CPU statics.
    pub template: Template<'a>,
}

/// Why a file cannot be loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgramError {
    /// It is no ELF64 program for this machine at fixed addresses.
    NoProgram,
    /// The file ends within its headers or segments.
    CutOff,
    /// A segment claims more contents than memory, or it is writable and executable. Holds its address.
    BadSegment(u64),
    /// A segment lies outside the addresses for programs, or on the pages of another. Holds its address.
    BadAddress(u64),
    /// It has too many segments. Holds how many are possible.
    TooManySegments(usize),
    /// The per-CPU statics are linked elsewhere than they will lie. Holds where.
    BadTemplate(u64),
    /// The first instruction is in no executable segment. Holds its address.
    BadEntry(u64),
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProgramError::NoProgram => write!(f, "no ELF64 program for this machine"),
            ProgramError::CutOff => write!(f, "the file ends too early"),
            ProgramError::BadSegment(at) => write!(f, "the segment at {at:#x} contradicts itself"),
            ProgramError::BadAddress(at) => write!(f, "a segment cannot lie at {at:#x}"),
            ProgramError::TooManySegments(most) => write!(f, "more than {most} segments"),
            ProgramError::BadTemplate(at) => write!(f, "per-CPU statics cannot lie at {at:#x}"),
            ProgramError::BadEntry(at) => write!(f, "no instruction at the entry {at:#x}"),
        }
    }
}

impl From<ParseError> for ProgramError {
    fn from(_: ParseError) -> ProgramError {
        ProgramError::CutOff
    }
}

impl<'a> Program<'a> {
    /// Reads a program's file.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub fn read(file: &'a [u8]) -> Result<Program<'a>, ProgramError> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| ProgramError::NoProgram)?;
        let head = &elf.ehdr;
        if (head.class, head.e_machine, head.e_type) != (Class::ELF64, EM_X86_64, ET_EXEC) {
            return Err(ProgramError::NoProgram);
        }
        let mut program = Program {
            entry: head.e_entry,
            segments: ArrayVec::new(),
            template: Template::default(),
        };
        for header in elf.segments().ok_or(ProgramError::NoProgram)? {
            match header.p_type {
                PT_LOAD if header.p_memsz > 0 => program.add(&header, elf.segment_data(&header)?)?,
                TEMPLATE_SEGMENT_TYPE if header.p_memsz > 0 => {
                    program.template = Template::read(&header, elf.segment_data(&header)?)?;
                }
                _ => {}
            }
        }
        let has_entry = |segment: &Segment<'_>| {
            segment.access == access::EXECUTE && segment.range().contains(&program.entry)
        };
        match program.segments.iter().any(has_entry) {
            true => Ok(program),
            false => Err(ProgramError::BadEntry(program.entry)),
        }
    }

    fn add(&mut self, header: &ProgramHeader, bytes: &'a [u8]) -> Result<(), ProgramError> {
        let segment = Segment::read(header, bytes)?;
        let range = segment.range();
        let inside = ADDRESSES.start <= range.start && range.end <= ADDRESSES.end;
        let apart =
            |other: &Segment<'_>| range.end <= other.range().start || other.range().end <= range.start;
        if !inside || !self.segments.iter().all(apart) {
            return Err(ProgramError::BadAddress(header.p_vaddr));
        }
        self.segments
            .try_push(segment)
            .map_err(|_| ProgramError::TooManySegments(MOST_SEGMENTS))
    }
}

impl<'a> Segment<'a> {
    fn read(header: &ProgramHeader, bytes: &'a [u8]) -> Result<Segment<'a>, ProgramError> {
        let at = header.p_vaddr;
        let access = match (header.p_flags & PF_W != 0, header.p_flags & PF_X != 0) {
            (false, false) => access::READ,
            (true, false) => access::WRITE,
            (false, true) => access::EXECUTE,
            (true, true) => return Err(ProgramError::BadSegment(at)),
        };
        if header.p_filesz > header.p_memsz {
            return Err(ProgramError::BadSegment(at));
        }
        let address = at - at % PAGE_SIZE;
        let end = at
            .checked_add(header.p_memsz)
            .ok_or(ProgramError::BadAddress(at))?;
        Ok(Segment {
            address,
            pages: (end - address).div_ceil(PAGE_SIZE),
            skip: (at % PAGE_SIZE) as usize,
            bytes,
            access,
        })
    }

    /// The addresses of its pages.
    fn range(&self) -> core::ops::Range<u64> {
        // No overflow: `read` has seen that the bytes end at an address, and pages end on a page border.
        self.address..self.address.saturating_add(self.pages.saturating_mul(PAGE_SIZE))
    }
}

impl<'a> Template<'a> {
    fn read(header: &ProgramHeader, bytes: &'a [u8]) -> Result<Template<'a>, ProgramError> {
        let at = header.p_vaddr;
        if at != STATIC_FIRST_PAGE * PAGE_SIZE {
            return Err(ProgramError::BadTemplate(at));
        }
        if header.p_filesz > header.p_memsz {
            return Err(ProgramError::BadSegment(at));
        }
        let pages = header.p_memsz.div_ceil(PAGE_SIZE);
        Ok(Template { pages, bytes })
    }
}

#[cfg(test)]
mod tests;
