//! Programs written by hand, right ones and liars.

use super::*;
use proptest::prelude::*;

const TEXT: u32 = 5;
const DATA: u32 = 6;

/// `(type, flags, address, bytes in the file, bytes in memory)`
type Header = (u32, u32, u64, u64, u64);

/// A file with these program headers; every segment's contents are the bytes 1, 2, 3, … behind them.
fn file(entry: u64, headers: &[Header]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    for half in [2u16, 62] {
        file.extend(half.to_le_bytes());
    }
    file.extend(1u32.to_le_bytes());
    for word in [entry, 64, 0] {
        file.extend(word.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    for half in [64u16, 56, headers.len() as u16, 64, 0, 0] {
        file.extend(half.to_le_bytes());
    }
    let contents = 64 + 56 * headers.len() as u64;
    for (kind, flags, address, in_file, in_memory) in headers {
        file.extend(kind.to_le_bytes());
        file.extend(flags.to_le_bytes());
        for word in [contents, *address, *address, *in_file, *in_memory, 8] {
            file.extend(word.to_le_bytes());
        }
    }
    file.extend(1..=100u8);
    file
}

const GOOD: [Header; 3] = [
    (TEMPLATE_SEGMENT_TYPE, DATA, 0x1000, 10, 4097),
    (PT_LOAD, TEXT, 0x40_0000, 100, 100),
    (PT_LOAD, DATA, 0x40_1ff8, 8, 0x1010),
];

fn refusal(entry: u64, headers: &[Header]) -> Option<ProgramError> {
    Program::read(&file(entry, headers)).err()
}

#[test]
fn segments_become_pages() {
    let file = file(0x40_0010, &GOOD);
    let program = Program::read(&file).unwrap();
    let contents = &file[64 + 3 * 56..];
    assert_eq!(program.entry, 0x40_0010);
    assert_eq!(program.template.pages, 2);
    assert_eq!(program.template.bytes, &contents[..10]);
    let text = Segment {
        address: 0x40_0000,
        pages: 1,
        skip: 0,
        bytes: contents,
        access: access::EXECUTE,
    };
    let data = Segment {
        address: 0x40_1000,
        pages: 3,
        skip: 0xff8,
        bytes: &contents[..8],
        access: access::WRITE,
    };
    assert_eq!(program.segments[..], [text, data]);
}

#[test]
fn a_program_without_statics_has_no_template() {
    let program = file(0x40_0000, &GOOD[1..]);
    assert_eq!(Program::read(&program).unwrap().template, Template::default());
}

#[test]
fn files_that_lie_are_refused_by_name() {
    use ProgramError::*;
    let text = GOOD[1];
    let with = |header: Header| refusal(0x40_0000, &[text, header]);
    assert_eq!(Program::read(b"#!/bin/sh"), Err(NoProgram));
    assert_eq!(refusal(0x50_0000, &GOOD), Some(BadEntry(0x50_0000)));
    assert_eq!(refusal(0x40_1ff8, &GOOD), Some(BadEntry(0x40_1ff8)));
    assert_eq!(with((PT_LOAD, DATA, 0x50_0000, 101, 200)), Some(CutOff));
    assert_eq!(
        with((PT_LOAD, DATA, 0x50_0000, 9, 8)),
        Some(BadSegment(0x50_0000))
    );
    assert_eq!(with((PT_LOAD, 7, 0x50_0000, 8, 8)), Some(BadSegment(0x50_0000)));
    assert_eq!(
        with((PT_LOAD, DATA, 0x40_0800, 8, 8)),
        Some(BadAddress(0x40_0800))
    );
    assert_eq!(with((PT_LOAD, DATA, 0x0, 8, 8)), Some(BadAddress(0)));
    assert_eq!(
        with((PT_LOAD, DATA, 0x6fff_ffff, 2, 2)),
        Some(BadAddress(0x6fff_ffff))
    );
    assert_eq!(with((PT_LOAD, DATA, u64::MAX, 2, 2)), Some(BadAddress(u64::MAX)));
    assert_eq!(
        with((PT_LOAD, DATA, 0x50_0000, 0, u64::MAX - 0x60_0000)),
        Some(BadAddress(0x50_0000))
    );
    assert_eq!(
        with((TEMPLATE_SEGMENT_TYPE, DATA, 0x2000, 8, 8)),
        Some(BadTemplate(0x2000))
    );
    let many: Vec<Header> = (0..9)
        .map(|n| (PT_LOAD, TEXT, 0x40_0000 + n * 0x1000, 8, 8))
        .collect();
    assert_eq!(refusal(0x40_0000, &many), Some(TooManySegments(8)));
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(at in 0..232usize, garbage in any::<u64>(), length in 0..500usize) {
        let mut file = file(0x40_0000, &GOOD);
        file[at..at + 8].copy_from_slice(&garbage.to_le_bytes());
        file.truncate(length);
        if let Ok(program) = Program::read(&file) {
            for segment in &program.segments {
                prop_assert!(segment.skip + segment.bytes.len() <= (segment.pages * PAGE_SIZE) as usize);
                prop_assert!(segment.range().end <= START_INFO_ADDRESS);
            }
            prop_assert!(program.template.bytes.len() as u64 <= program.template.pages * PAGE_SIZE);
        }
    }
}
