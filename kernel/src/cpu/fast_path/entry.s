/* Where SYSCALL enters on a CPU with FSGSBASE and XSAVE. */

    .text
    .balign 64
    .global fast_syscall_stub
fast_syscall_stub:
    swapgs
    mov gs:[rip + {local} + {scratch}], rsp
    mov rsp, gs:[rip + {tss} + {rsp0}]
    cmp rax, {call}
    jne 2f

    FAST_SAVE
    test r14, r14
    jnz 13f
    FAST_CALL 0 8f

2:  cmp rax, {reply_receive}
    jne 7f
    FAST_SAVE
    test r14, r14
    jnz 14f
    FAST_ANSWER 0 9f 10f

    /* Nothing is asked for: the user's GS base is mended, as at every exit. */
7:  test rax, rax
    jnz syscall_by_rust
    test qword ptr [rsp + {attention}], {but_floor}
    jnz syscall_by_rust
    mov rsp, gs:[rip + {local} + {scratch}]
    mov rax, gs:[rip + {local} + {user_gs}]
    swapgs
    wrgsbase rax
    xor eax, eax
    sysretq

    /* More words, or a capability. */
13: cmp r14, {in_page}
    jne 8f
    FAST_CALL 1 8f
14: cmp r14, {in_page}
    jne 9f
    FAST_ANSWER 1 9f 9f

    /* C waits for a verdict, perhaps. */
10: cmp qword ptr [rbx + {attention}], {faulted}
    jne 9f
    cmp rsi, {resume_at}
    ja 9f
    jne 11f
    mov rax, {user_end}
    cmp rdx, rax
    jae 9f
    cmp r10, rax
    ja 9f
11: mov r15, gs:[r11]
    test r15, r15
    jz 9f
    FAST_SPACE 9f
    mov [rsp + {next}], r15
    mov gs:[r11], rsp
    mov qword ptr [rsp + {caller}], 0
    cmp rsi, {resume_at}
    jne 12f
    mov [rbx + {rip}], rdx
    mov [rbx + {rsp}], r10
12: lock and qword ptr [rbx + {attention}], {not_faulted}
    FAST_LEAVE
    lea rsp, [rbx - {frame_size}]
    mov rax, gs:[rip + {local} + {user_gs}]
    swapgs
    wrgsbase rax
    jmp leave_by_iret
    FAST_LEAVE_SELDOM

8:  FAST_UNDO {call}
9:  FAST_UNDO {reply_receive}
