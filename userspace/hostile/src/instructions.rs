//! Single instructions and registers, each in a process of its own.

use userlib::abi::syscall::{End, Placement, access};
use userlib::abi::{Call, PAGE_SIZE};
use userlib::checks::Checks;
use userlib::memory::{Mapping, Memory};
use userlib::{Refusal, println};

use crate::child;

/// What only the kernel may execute, and what nobody may. Each has to end its process by a fault.
const FORBIDDEN: [&[u8]; 42] = [
    b"\xfa",                                         // cli
    b"\xfb",                                         // sti
    b"\xf4",                                         // hlt
    b"\xe4\x60",                                     // in al, 0x60
    b"\xe6\x60",                                     // out 0x60, al
    b"\xec",                                         // in al, dx
    b"\x6c",                                         // insb
    b"\x6e",                                         // outsb
    b"\x0f\x20\xc0",                                 // mov rax, cr0
    b"\x0f\x20\xd0",                                 // mov rax, cr2
    b"\x0f\x20\xd8",                                 // mov rax, cr3
    b"\x0f\x20\xe0",                                 // mov rax, cr4
    b"\x44\x0f\x20\xc0",                             // mov rax, cr8
    b"\x0f\x22\xc0",                                 // mov cr0, rax
    b"\x0f\x22\xd8",                                 // mov cr3, rax
    b"\x0f\x22\xe0",                                 // mov cr4, rax
    b"\x0f\x21\xc0",                                 // mov rax, dr0
    b"\x0f\x23\xf8",                                 // mov dr7, rax
    b"\x0f\x32",                                     // rdmsr
    b"\x0f\x30",                                     // wrmsr
    b"\x0f\x06",                                     // clts
    b"\x0f\x08",                                     // invd
    b"\x0f\x09",                                     // wbinvd
    b"\x0f\x01\x38",                                 // invlpg [rax]
    b"\x0f\x01\x14\x24",                             // lgdt [rsp]
    b"\x0f\x01\x1c\x24",                             // lidt [rsp]
    b"\x0f\x00\xd0",                                 // lldt ax
    b"\x0f\x00\xd8",                                 // ltr ax
    b"\x0f\x01\xf0",                                 // lmsw ax
    b"\x0f\x01\xf8",                                 // swapgs
    b"\x48\x0f\x07",                                 // sysretq
    b"\x48\x0f\x35",                                 // sysexitq
    b"\x0f\x34",                                     // sysenter
    b"\x0f\x01\xd1",                                 // xsetbv
    b"\x0f\x01\xc1",                                 // vmcall
    b"\x0f\x0b",                                     // ud2
    b"\x6a\x08\x6a\x00\x48\xcb",                     // push 8; push 0; retfq: to the kernel's code
    b"\x66\xb8\x10\x00\x8e\xd0",                     // mov ss, 0x10: the kernel's data
    b"\x9c\x81\x0c\x24\x00\x30\x00\x00\x9d\xe4\x60", // the I/O privilege by popfq, then in al, 0x60
    b"\x6a\x10\x54\x9c\x6a\x08\x6a\x00\x48\xcf",     // iretq to the kernel's code
    b"\x55\xeb\xfd",                                 // push rbp, for ever: through the stack's end
    b"\x48\x31\xe4\x54",                             // xor rsp, rsp; push rsp
];

/// Bits of RFLAGS that a program can set: trap, direction, nested task, alignment check, and all at once.
const FLAGS: [u32; 6] = [0x100, 0x400, 0x4000, 0x4_0000, 0x3000, 0x25_4cd5];

/// Addresses and bases at the edges of what they can be.
const EDGES: [u64; 9] = [
    0,
    0x7fff_ffff_d000,
    0x7fff_ffff_effe,
    0x7fff_ffff_ffff,
    0x8000_0000_0000,
    0xffff_7fff_ffff_ffff,
    0xffff_8000_0000_0000,
    0xffff_ffff_8020_0000,
    u64::MAX,
];

/// The exit code of a child that got through.
const THROUGH: u64 = 7;

/// Tries everything in this file.
pub fn try_all(checks: &mut Checks) -> Result<(), Refusal> {
    let mut survived = 0;
    for code in FORBIDDEN {
        survived += u64::from(!has_faulted(code)?);
    }
    println!("hostile: {} instructions that are the kernel's", FORBIDDEN.len());
    for vector in 0..=u8::MAX {
        survived += u64::from(!has_faulted(&[0xcd, vector])?);
    }
    println!("hostile: 256 interrupt vectors");
    checks.equal("forbidden-instructions-are-deadly", survived, 0);
    let mut wrong = 0;
    for edge in EDGES {
        wrong += returns(edge)? + stacks(edge)? + bases(edge)?;
    }
    for flags in FLAGS {
        wrong += u64::from(!is_through_or_faulted(&with_flags(flags))?);
    }
    wrong += at_the_last_page()?;
    println!(
        "hostile: returns, stacks, bases and flags at {} edges",
        EDGES.len()
    );
    checks.equal("odd-registers-harm-nobody", wrong, 0);
    Ok(())
}

fn has_faulted(code: &[u8]) -> Result<bool, Refusal> {
    // Whatever comes back exits, so that nothing runs for ever.
    let mut whole = Code::new();
    whole.push(code);
    whole.exit();
    Ok(matches!(child::run(whole.bytes())?, End::Faulted { .. }))
}

fn is_through_or_faulted(code: &Code) -> Result<bool, Refusal> {
    let end = child::run(code.bytes())?;
    Ok(matches!(end, End::Exited(THROUGH) | End::Faulted { .. }))
}

/// Goes to an address where nothing of a program can be.
fn returns(to: u64) -> Result<u64, Refusal> {
    let mut code = Code::new();
    code.load_rax(to);
    code.push(b"\x50\xc3"); // push rax; ret
    code.exit();
    Ok(u64::from(!matches!(
        child::run(code.bytes())?,
        End::Faulted { .. }
    )))
}

/// A call, and an interrupt now and then, with a stack pointer that nobody should use.
fn stacks(at: u64) -> Result<u64, Refusal> {
    let mut code = Code::new();
    code.load_rax(at);
    code.push(b"\x48\x89\xc4"); // mov rsp, rax
    code.call_nothing();
    code.wait();
    code.call_nothing();
    code.exit();
    Ok(u64::from(child::run(code.bytes())? != End::Exited(THROUGH)))
}

/// Any GS and FS base, in calls and interrupts; the kernel mends the one and keeps the other.
fn bases(base: u64) -> Result<u64, Refusal> {
    let mut wrong = 0;
    for write in [b"\xf3\x48\x0f\xae\xd8", b"\xf3\x48\x0f\xae\xd0"] {
        let mut code = Code::new();
        code.load_rax(base);
        code.push(write); // wrgsbase rax, or wrfsbase rax
        code.wait();
        code.load_rax(base);
        code.push(write);
        code.call_nothing();
        code.push(b"\x65\x48\x8b\x04\x25\0\0\0\0"); // mov rax, gs:[0]
        code.exit();
        wrong += u64::from(!is_through_or_faulted(&code)?);
    }
    Ok(wrong)
}

fn with_flags(flags: u32) -> Code {
    let mut code = Code::new();
    code.push(b"\x9c\x81\x0c\x24"); // pushfq; or dword ptr [rsp], flags
    code.push(&flags.to_le_bytes());
    code.push(b"\x9d"); // popfq
    code.call_nothing();
    code.wait();
    code.exit();
    code
}

/// A call in the very last bytes of what can be mapped: where it returns to, nothing can be.
fn at_the_last_page() -> Result<u64, Refusal> {
    const LAST: u64 = 0x7fff_ffff_d000;
    let child = child::make()?;
    let memory = Memory::create(child.process(), 1, Placement::Anywhere)?;
    let mut page = Mapping::new(memory)?;
    let end = PAGE_SIZE as usize;
    page.as_mut_slice()[end - 4..].copy_from_slice(b"\x31\xc0\x0f\x05"); // xor eax, eax; syscall
    let memory = page.unmap().expect("a mapping made of memory has it");
    child.map(&memory, LAST, access::EXECUTE)?;
    let end = child::run_at(&child, LAST + PAGE_SIZE - 4);
    child.let_go()?;
    Ok(u64::from(!matches!(end?, End::Faulted { vector: 13 | 14, .. })))
}

/// Machine code that is put together.
struct Code {
    bytes: [u8; 128],
    length: usize,
}

impl Code {
    const fn new() -> Code {
        Code {
            bytes: [0; 128],
            length: 0,
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn load_rax(&mut self, value: u64) {
        self.push(b"\x48\xb8");
        self.push(&value.to_le_bytes());
    }

    fn call_nothing(&mut self) {
        self.push(b"\x31\xc0\x0f\x05"); // xor eax, eax; syscall
    }

    /// Longer than a slice, mostly.
    fn wait(&mut self) {
        self.push(b"\xb9\0\x00\x08\0\xff\xc9\x75\xfc"); // mov ecx, 0x80000; dec ecx; jnz
    }

    fn exit(&mut self) {
        self.push(b"\xbf"); // mov edi, THROUGH; mov eax, ProcessExit; syscall
        self.push(&(THROUGH as u32).to_le_bytes());
        self.push(b"\xb8");
        self.push(&(Call::ProcessExit as u32).to_le_bytes());
        self.push(b"\x0f\x05");
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}
