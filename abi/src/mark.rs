//! Marks for a witness outside of the machine (`tools/witness`): instructions that do nothing, known by their
//! displacement. They name the windows in which the witness counts.
//!
//! A mark is `nop dword ptr [rax + MARK + kind]`, whose seven bytes are [`OPCODE`] and the displacement, lowest
//! byte first.

/// What a mark begins with.
pub const OPCODE: [u8; 3] = [0x0f, 0x1f, 0x80];

/// What its displacement has in common with all marks; no compiler pads with it.
pub const MARK: u32 = 0x5e11_0000;

/// From here on windows belong to the next row.
pub const ROW: u32 = MARK + 1;
/// From here on windows belong to no row.
pub const REST: u32 = MARK + 5;
/// A window begins on this CPU; one that was open there is forgotten.
pub const BEGIN: u32 = MARK + 2;
/// The same, and the lines of memory that are used in it are noted.
pub const BEGIN_TRACED: u32 = MARK + 3;
/// This CPU's window ends, if one is open.
pub const END: u32 = MARK + 4;
