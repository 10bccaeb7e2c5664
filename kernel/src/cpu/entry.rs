//! Every border between user and kernel mode: entry stubs, exit, and the words they need of this CPU.
//!
//! **Entry.** A thread's registers are pushed straight into its own [`Frame`]: `frame_top` is the end of the
//! current thread's frame, for the syscall stub as for the CPU (TSS.rsp0). Then the stub continues on the
//! CPU's kernel stack. **Exit** takes the frame that [`set_current_frame`] named last.
//!
//! **GS** (design invariant 4; no sign test, no conditional swapgs). A normal vector comes from user mode
//! (saved CS says so: swapgs) or from kernel code with the kernel's base. NMI, #DF and #MC may come anywhere:
//! they take the kernel's base from the top of their stack and put back what they found. #DB from user mode
//! moves to the normal way; from kernel mode it is a panic. Exit writes the user's base unconditionally,
//! because user code can change it.
//!
//! **SYSRET and IRET cannot fault:** selectors are constant, RFLAGS comes from user mode itself, and no page
//! at or above `USER_END` can be mapped, so the saved RIP is canonical. Only a thread that came by SYSCALL
//! leaves by SYSRET: the word at `vector` says so.

use core::arch::global_asm;
use core::cell::Cell;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU8, Ordering};

use x86_64::VirtAddr;
use x86_64::registers::model_specific::{LStar, Msr, SFMask, Star};
use x86_64::registers::rflags::RFlags;
use x86_64::structures::gdt::SegmentSelector;

use super::frame::Frame;
use super::{apic, features, gs, tables};
use crate::percpu::PerCpu;
use crate::{panic, per_cpu, schedule};

/// What the stubs read through GS.
#[repr(C)]
struct Local {
    frame_top: Cell<u64>,
    stack_top: Cell<u64>,
    user_gs: Cell<u64>,
    scratch: Cell<u64>,
}

per_cpu! {
    static LOCAL: Local = Local {
        frame_top: Cell::new(0),
        stack_top: Cell::new(0),
        user_gs: Cell::new(0),
        scratch: Cell::new(0),
    };
    /// NMIs that this CPU has seen.
    static NMI_COUNT: Cell<u64> = Cell::new(0);
}

/// 1 when WRGSBASE works: the same on every CPU, readable with any GS base.
static HAS_FSGSBASE: AtomicU8 = AtomicU8::new(0);

const IA32_SYSENTER_CS: u32 = 0x174;

unsafe extern "C" {
    static interrupt_stubs: [[u8; 16]; 256];
    fn syscall_stub();
    fn exit_to_user() -> !;
}

/// Address of the stub for `vector` (below 256).
pub fn stub_address(vector: usize) -> u64 {
    (&raw const interrupt_stubs) as u64 + vector as u64 * 16
}

/// Makes SYSCALL work on this CPU, and SYSENTER not.
pub fn initialize() {
    LOCAL.local().user_gs.set(gs::user_base(gs::this_cpu()));
    HAS_FSGSBASE.store(u8::from(features::has_fsgsbase_now()), Ordering::Relaxed);
    let selector = |index, level| SegmentSelector::new(index, level);
    use x86_64::PrivilegeLevel::{Ring0, Ring3};
    Star::write(
        selector(4, Ring3),
        selector(3, Ring3),
        selector(1, Ring0),
        selector(2, Ring0),
    )
    .expect("the GDT has the order that SYSRET wants");
    LStar::write(VirtAddr::new(syscall_stub as *const () as u64));
    SFMask::write(
        RFlags::TRAP_FLAG
            | RFlags::INTERRUPT_FLAG
            | RFlags::DIRECTION_FLAG
            | RFlags::ALIGNMENT_CHECK
            | RFlags::NESTED_TASK,
    );
    // SAFETY: a null selector makes SYSENTER fault, and nothing here uses it.
    unsafe { Msr::new(IA32_SYSENTER_CS).write(0) };
}

/// Top of the stack on which this CPU's kernel code runs.
pub fn set_kernel_stack(top: u64) {
    LOCAL.local().stack_top.set(top);
}

/// Names the frame that the next exit takes and the next entry fills.
///
/// # Safety
/// The frame stays where it is, and no one else touches it, until another one is named on this CPU.
pub unsafe fn set_current_frame(frame: *mut Frame) {
    let top = frame as u64 + size_of::<Frame>() as u64;
    LOCAL.local().frame_top.set(top);
    tables::set_interrupt_stack(top);
}

/// Leaves the kernel for the first time on this CPU; what is on the stack is forgotten.
pub fn enter_user() -> ! {
    // SAFETY: the scheduler has named a frame, and it has the registers of user mode.
    unsafe { exit_to_user() }
}

extern "C" fn from_user(vector: u64) {
    if vector >= 32 {
        apic::end_of_interrupt(vector);
    }
    schedule::on_user_interrupt(vector);
}

extern "C" fn from_kernel(frame: &mut Frame) {
    if frame.vector < 32 {
        panic::on_exception(frame);
    }
    apic::end_of_interrupt(frame.vector);
    schedule::on_kernel_interrupt(frame.vector);
}

/// Takes no lock, no fault and prints nothing: it may have interrupted any instruction.
extern "C" fn on_nmi() {
    let count = NMI_COUNT.local();
    count.set(count.get() + 1);
}

extern "C" fn on_fatal(frame: &mut Frame) -> ! {
    panic::on_exception(frame)
}

extern "C" fn on_syscall() {
    schedule::on_syscall();
}

global_asm!(
    r#"
    .macro SAVE
    push rdi
    push rsi
    push rdx
    push rcx
    push rax
    push r8
    push r9
    push r10
    push r11
    push rbx
    push rbp
    push r12
    push r13
    push r14
    push r15
    cld
    .endm

    .macro RESTORE
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbp
    pop rbx
    pop r11
    pop r10
    pop r9
    pop r8
    pop rax
    pop rcx
    pop rdx
    pop rsi
    pop rdi
    .endm

    .text
    .balign 16
    .global interrupt_stubs
interrupt_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .set pushed, 0
    .if vector < 32
    .set pushed, (0x60227d00 >> vector) & 1   /* the exceptions with an error code */
    .endif
    .if pushed == 0
    push 0
    .endif
    .byte 0x68
    .long vector
    .if vector == 2
    jmp nmi_entry
    .elseif vector == 8
    jmp fatal_entry
    .elseif vector == 18
    jmp fatal_entry
    .elseif vector == 1
    jmp debug_entry
    .else
    jmp normal_entry
    .endif
    .set vector, vector + 1
    .endr

normal_entry:
    test byte ptr [rsp + 24], 3
    jz 2f
    swapgs
user_entry:
    SAVE
    mov rdi, [rsp + {vector}]
    mov rsp, gs:[rip + {local} + {stack_top}]
    xor ebp, ebp
    call {from_user}
    jmp exit_to_user
2:  SAVE
    mov rdi, rsp
    call {from_kernel}
    RESTORE
    add rsp, 16
    iretq

    .global syscall_stub
syscall_stub:
    swapgs
    mov gs:[rip + {local} + {scratch}], rsp
    mov rsp, gs:[rip + {local} + {frame_top}]
    push {user_data}
    push qword ptr gs:[rip + {local} + {scratch}]
    push r11
    push {user_code}
    push rcx
    push 0
    push {syscall}
    SAVE
    mov rsp, gs:[rip + {local} + {stack_top}]
    xor ebp, ebp
    call {on_syscall}

    .global exit_to_user
exit_to_user:
    mov rsp, gs:[rip + {local} + {frame_top}]
    sub rsp, {frame_size}
    mov rax, gs:[rip + {local} + {user_gs}]
    cmp byte ptr [rip + {has_fsgsbase}], 0
    je 3f
    swapgs
    wrgsbase rax
    jmp 4f
3:  mov rdx, rax
    shr rdx, 32
    mov ecx, 0xc0000102
    wrmsr
    swapgs
4:  RESTORE
    cmp qword ptr [rsp], {syscall}
    jne 5f
    mov rcx, [rsp + 16]
    mov r11, [rsp + 32]
    mov rsp, [rsp + 40]
    sysretq
5:  add rsp, 16
    iretq

debug_entry:
    test byte ptr [rsp + 24], 3
    jz fatal_entry
    swapgs
    mov gs:[rip + {local} + {scratch}], rax
    mov rax, rsp
    mov rsp, gs:[rip + {local} + {frame_top}]
    push qword ptr [rax + 48]
    push qword ptr [rax + 40]
    push qword ptr [rax + 32]
    push qword ptr [rax + 24]
    push qword ptr [rax + 16]
    push qword ptr [rax + 8]
    push qword ptr [rax]
    mov rax, gs:[rip + {local} + {scratch}]
    jmp user_entry

fatal_entry:
    SAVE
    mov eax, [rsp + {frame_size}]
    mov edx, [rsp + {frame_size} + 4]
    mov ecx, 0xc0000101
    wrmsr
    mov rdi, rsp
    call {on_fatal}
    ud2

nmi_entry:
    SAVE
    mov ecx, 0xc0000101
    cmp byte ptr [rip + {has_fsgsbase}], 0
    je 6f
    rdgsbase rbx
    mov rax, [rsp + {frame_size}]
    wrgsbase rax
    call {on_nmi}
    wrgsbase rbx
    jmp 7f
6:  rdmsr
    mov ebx, eax
    mov ebp, edx
    mov eax, [rsp + {frame_size}]
    mov edx, [rsp + {frame_size} + 4]
    wrmsr
    call {on_nmi}
    mov eax, ebx
    mov edx, ebp
    mov ecx, 0xc0000101
    wrmsr
7:  RESTORE
    add rsp, 16
    iretq
"#,
    local = sym LOCAL,
    has_fsgsbase = sym HAS_FSGSBASE,
    frame_top = const offset_of!(Local, frame_top),
    stack_top = const offset_of!(Local, stack_top),
    user_gs = const offset_of!(Local, user_gs),
    scratch = const offset_of!(Local, scratch),
    frame_size = const size_of::<Frame>(),
    vector = const offset_of!(Frame, vector),
    user_data = const super::frame::USER_DATA,
    user_code = const super::frame::USER_CODE,
    syscall = const super::frame::SYSCALL_VECTOR,
    from_user = sym from_user,
    from_kernel = sym from_kernel,
    on_syscall = sym on_syscall,
    on_nmi = sym on_nmi,
    on_fatal = sym on_fatal,
);

// The stubs name LOCAL by its link address; PerCpu adds nothing in front of the value.
const _: () = assert!(size_of::<PerCpu<Local>>() == size_of::<Local>());
