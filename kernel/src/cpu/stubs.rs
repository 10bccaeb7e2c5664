//! The stubs themselves: the instructions between a thread's registers and the kernel's Rust code, both ways. Only here,
//! and in `fast_path.rs`, does the kernel run with a user's GS base or stack pointer. `entry.rs` has the rules.

use core::arch::global_asm;
use core::mem::offset_of;

use x86_64::structures::tss::TaskStateSegment;

use super::breath::{MISSED, raise_missed};
use super::entry::{HAS_FSGSBASE, LOCAL, Local, from_kernel, from_user, on_fatal, on_nmi, on_syscall};
use super::frame::{Frame, SYSCALL_VECTOR, USER_CODE, USER_DATA};
use super::tables::TSS;

unsafe extern "C" {
    /// One stub of 16 bytes for each vector, where the IDT leads.
    pub static interrupt_stubs: [[u8; 16]; 256];
    /// The same for a CPU with SMAP, each with a CLAC in front: user code may have set EFLAGS.AC, which would let the kernel
    /// touch user pages.
    pub static interrupt_stubs_smap: [[u8; 16]; 256];
    /// Where SYSCALL enters.
    pub fn syscall_stub();
    /// Goes to user mode, with the registers of the thread that `entry::set_current` named last.
    pub fn exit_to_user() -> !;
}

global_asm!(
    r#"
    .macro SAVE
    .irp register, rdi, rsi, rdx, rcx, rax, r8, r9, r10, r11, rbx, rbp, r12, r13, r14, r15
    push \register
    .endr
    cld
    .endm

    .macro RESTORE
    .irp register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
    pop \register
    .endr
    .endm

    .macro INTERRUPT_STUBS has_smap
    .set vector, 0
    .rept 256
    .balign 16
    .if \has_smap
    clac
    .endif
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
    .elseif vector == 8 || vector == 18
    jmp fatal_entry
    .elseif vector == 1
    jmp debug_entry
    .else
    jmp normal_entry
    .endif
    .set vector, vector + 1
    .endr
    .endm

    .text
    .balign 16
    .global interrupt_stubs
interrupt_stubs:
    INTERRUPT_STUBS 0
    .balign 16
    .global interrupt_stubs_smap
interrupt_stubs_smap:
    INTERRUPT_STUBS 1

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
    .global leave_by_iret
leave_by_iret:
    RESTORE
    add rsp, 16
    iretq

    .global syscall_stub
syscall_stub:
    swapgs
    mov gs:[rip + {local} + {scratch}], rsp
    mov rsp, gs:[rip + {tss} + {rsp0}]
    .global syscall_by_rust
syscall_by_rust:
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
    cmp byte ptr gs:[rip + {missed}], 0
    jne 8f
    mov rsp, gs:[rip + {tss} + {rsp0}]
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
8:  mov rsp, gs:[rip + {local} + {stack_top}]
    xor ebp, ebp
    call {raise_missed}
    jmp exit_to_user

debug_entry:
    test byte ptr [rsp + 24], 3
    jz fatal_entry
    swapgs
    mov gs:[rip + {local} + {scratch}], rax
    mov rax, rsp
    mov rsp, gs:[rip + {tss} + {rsp0}]
    .irp offset, 48, 40, 32, 24, 16, 8, 0
    push qword ptr [rax + \offset]
    .endr
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
    tss = sym TSS,
    rsp0 = const offset_of!(TaskStateSegment, privilege_stack_table),
    stack_top = const offset_of!(Local, stack_top),
    user_gs = const offset_of!(Local, user_gs),
    scratch = const offset_of!(Local, scratch),
    frame_size = const size_of::<Frame>(),
    vector = const offset_of!(Frame, vector),
    user_data = const USER_DATA,
    user_code = const USER_CODE,
    syscall = const SYSCALL_VECTOR,
    missed = sym MISSED,
    raise_missed = sym raise_missed,
    from_user = sym from_user,
    from_kernel = sym from_kernel,
    on_syscall = sym on_syscall,
    on_nmi = sym on_nmi,
    on_fatal = sym on_fatal,
);
