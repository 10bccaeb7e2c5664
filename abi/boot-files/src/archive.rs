//! The boot module's container: a plain ustar archive (POSIX.1-1988), of which only regular files matter.

use core::fmt;

const BLOCK: usize = 512;

/// An archive, not yet looked at.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a>(&'a [u8]);

/// Why the bytes are no archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArchiveError {
    /// A header without the word `ustar`, or with a name or size that cannot be read. Holds its offset.
    BadHeader(usize),
    /// A file, or the header that should come, reaches beyond the archive. Holds the header's offset.
    CutOff(usize),
    /// No file has this name.
    NoSuchFile,
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArchiveError::BadHeader(at) => write!(f, "the boot module has no ustar header at {at}"),
            ArchiveError::CutOff(at) => write!(f, "the boot module ends within the file at {at}"),
            ArchiveError::NoSuchFile => write!(f, "the boot module has no file of that name"),
        }
    }
}

impl<'a> Archive<'a> {
    /// An archive in these bytes.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Archive<'a> {
        Archive(bytes)
    }

    /// The contents of the first file of this name.
    ///
    /// # Errors
    /// See [`ArchiveError`]. Only what comes before the file is looked at.
    pub fn find(&self, name: &str) -> Result<&'a [u8], ArchiveError> {
        let mut at = 0;
        loop {
            let header = self.0.get(at..at + BLOCK).ok_or(ArchiveError::CutOff(at))?;
            if header[0] == 0 {
                return Err(ArchiveError::NoSuchFile);
            }
            let entry = Entry::read(header).ok_or(ArchiveError::BadHeader(at))?;
            let start = at + BLOCK;
            let content = start
                .checked_add(entry.size)
                .and_then(|end| self.0.get(start..end))
                .ok_or(ArchiveError::CutOff(at))?;
            if entry.name == name {
                return Ok(content);
            }
            // Ends: `at` grows by at least a block, and never overflows, since the content was inside.
            at = start + entry.size.next_multiple_of(BLOCK);
        }
    }
}

struct Entry<'a> {
    name: &'a str,
    size: usize,
}

impl<'a> Entry<'a> {
    fn read(header: &'a [u8]) -> Option<Entry<'a>> {
        if header.get(257..262)? != b"ustar" {
            return None;
        }
        let name = core::str::from_utf8(until_zero(header.get(..100)?)).ok()?;
        let digits = core::str::from_utf8(until_zero(header.get(124..136)?)).ok()?;
        let size = usize::from_str_radix(digits.trim(), 8).ok()?;
        Some(Entry { name, size })
    }
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in files {
            let mut header = [0; BLOCK];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
            header[257..262].copy_from_slice(b"ustar");
            bytes.extend(header);
            bytes.extend(*content);
            bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        }
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        bytes
    }

    #[test]
    fn files_are_found_by_their_whole_name() {
        let long = [7; 1025];
        let bytes = archive(&[("manifest", b"run x\n"), ("in", b""), ("init", &long)]);
        let archive = Archive::new(&bytes);
        assert_eq!(archive.find("manifest"), Ok(&b"run x\n"[..]));
        assert_eq!(archive.find("in"), Ok(&b""[..]));
        assert_eq!(archive.find("init"), Ok(&long[..]));
        assert_eq!(archive.find("ini"), Err(ArchiveError::NoSuchFile));
    }

    #[test]
    fn archives_that_end_too_early_are_refused() {
        let bytes = archive(&[("a", &[1; 600])]);
        assert_eq!(Archive::new(&[]).find("a"), Err(ArchiveError::CutOff(0)));
        assert_eq!(
            Archive::new(&bytes[..1000]).find("a"),
            Err(ArchiveError::CutOff(0))
        );
        assert_eq!(
            Archive::new(&bytes[..1536]).find("b"),
            Err(ArchiveError::CutOff(1536))
        );
    }

    #[test]
    fn other_bytes_and_wild_sizes_are_refused() {
        assert_eq!(
            Archive::new(&[1; 1024]).find("a"),
            Err(ArchiveError::BadHeader(0))
        );
        let mut bytes = archive(&[("a", b"x")]);
        bytes[257] = b'U';
        assert_eq!(Archive::new(&bytes).find("a"), Err(ArchiveError::BadHeader(0)));
        bytes[257] = b'u';
        bytes[124..136].copy_from_slice(b"777777777777");
        assert_eq!(Archive::new(&bytes).find("a"), Err(ArchiveError::CutOff(0)));
        bytes[124..136].copy_from_slice(b"12345678\0   ");
        assert_eq!(Archive::new(&bytes).find("a"), Err(ArchiveError::BadHeader(0)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(at in 0..2048usize, garbage in any::<[u8; 16]>()) {
            let mut bytes = archive(&[("a", &[3; 700]), ("b", b"y")]);
            let end = (at + 16).min(bytes.len());
            bytes[at.min(end)..end].copy_from_slice(&garbage[..end - at.min(end)]);
            let _ = Archive::new(&bytes).find("b");
        }
    }
}
