/* The pieces of the straight way; `fast_path.rs` lists its conditions, and names what stands in braces.
   In a call rsp is the thread that calls, and rbx the receiver; in an answer rsp is the server, and rbx its caller. */

    /* Saves what this file uses, of the current thread (rsp); its stack pointer comes later. */
    .macro FAST_SAVE
    mov [rsp + {rip}], rcx
    mov [rsp + {rflags}], r11
    mov [rsp + {rbx}], rbx
    mov [rsp + {rbp}], rbp
    mov [rsp + {r15}], r15
    .endm

    /* The opposite, for the way through Rust. */
    .macro FAST_UNDO number
    mov rcx, [rsp + {rip}]
    mov r11, [rsp + {rflags}]
    mov rbx, [rsp + {rbx}]
    mov rbp, [rsp + {rbp}]
    mov r15, [rsp + {r15}]
    mov eax, \number
    jmp syscall_by_rust
    .endm

    /* rcx: the slot of the handle in rdi. */
    .macro FAST_SLOT
    mov ecx, edi
    and ecx, {slots} - 1
    shl ecx, {slot_shift}
    add rcx, [rsp + {table}]
    .endm

    /* Loads the page table of the thread rbx, unless that needs Rust. */
    .macro FAST_SPACE refused
    mov rbp, [rbx + {root}]
    cmp rbp, [rsp + {root}]
    je 3f
    mov rcx, [rbx + {cpus}]
    add rcx, gs:[rip + {local} + {cpu_word}]
    mov rax, gs:[rip + {local} + {cpu_bit}]
    test [rcx], rax
    jz \refused
    mov gs:[rip + {page_table}], rbp
    mov cr3, rbp
3:
    .endm

    /* Leaves the thread rsp, and makes rbx the current one. */
    .macro FAST_LEAVE
    mov rcx, gs:[rip + {local} + {scratch}]
    mov [rsp + {rsp}], rcx
    rdfsbase rcx
    mov [rsp + {fs}], rcx
    cmp rcx, [rbx + {fs}]
    jne 5f
4:  mov rax, [rsp + {fpu}]
    or rax, [rbx + {fpu}]
    jnz 6f
64: mov gs:[rip + {tss} + {rsp0}], rbx
    .endm

    /* What FAST_LEAVE does seldom. */
    .macro FAST_LEAVE_SELDOM
5:  mov rcx, [rbx + {fs}]
    wrfsbase rcx
    jmp 4b
    /* One of them has FPU state. */
6:  mov r11, rdx
    mov edx, -1
    mov r15, [rsp + {fpu}]
    mov rcx, [rbx + {fpu}]
    test r15, r15
    jz 61f
    mov eax, edx
    xsave64 [r15]
    test rcx, rcx
    jnz 62f
    mov rax, cr0
    or eax, {task_switched}
    mov cr0, rax
    jmp 63f
61: clts
62: mov eax, edx
    xrstor64 [rcx]
63: mov rdx, r11
    jmp 64b
    .endm

    /* The same, and enters rbx, which waits for an answer or a message. */
    .macro FAST_SWITCH
    FAST_LEAVE
    mov rax, gs:[rip + {local} + {user_gs}]
    swapgs
    wrgsbase rax
    mov rcx, [rbx + {rip}]
    mov r11, [rbx + {rflags}]
    mov r15, [rbx + {r15}]
    mov rbp, [rbx + {rbp}]
    mov rsp, [rbx + {rsp}]
    mov rbx, [rbx + {rbx}]
    xor eax, eax
    sysretq
    FAST_LEAVE_SELDOM
    .endm

    /* Both threads have a message page. */
    .macro FAST_PAGES refused
    cmp qword ptr [rsp + {page}], 0
    je \refused
    cmp qword ptr [rbx + {page}], 0
    je \refused
    .endm

    /* The words in them, from the thread rsp to rbx. */
    .macro FAST_COPY
    mov rax, [rsp + {page}]
    mov rcx, [rbx + {page}]
    .set word, 0
    .rept {more_words}
    mov rbp, [rax + 8 * word]
    mov [rcx + 8 * word], rbp
    .set word, word + 1
    .endr
    .endm

    .macro FAST_CALL has_more refused
    test qword ptr [rsp + {attention}], {calling}
    jnz \refused
    FAST_SLOT
    cmp rdi, [rcx + {send}]
    jne \refused
    mov r11, [rcx + {receivers}]
    mov r15, [rcx + {badge}]
    cmp rdi, [rcx + {send}]
    jne \refused
    mov rbx, gs:[r11]
    cmp rbx, {open}
    jbe \refused
    mov rax, [rsp + {priority}]
    cmp qword ptr [rbx + {attention}], 0
    jne 21f
20: mov [rbx + {priority}], rax
    .if \has_more
    FAST_PAGES \refused
    .endif
    FAST_SPACE \refused
    .if \has_more
    FAST_COPY
    .endif
    mov rdi, r15
    mov rax, [rbx + {next}]
    mov gs:[r11], rax
    mov [rbx + {caller}], rsp
    FAST_SWITCH
    /* R has a floor, perhaps. */
21: cmp qword ptr [rbx + {attention}], {floor}
    jne \refused
    mov rcx, [rbx + {own_priority}]
    cmp rax, rcx
    cmovb rax, rcx
    jmp 20b
    .endm

    .macro FAST_ANSWER has_more refused faulted
    FAST_SLOT
    cmp rdi, [rcx + {receive}]
    jne \refused
    mov r11, [rcx + {receivers}]
    cmp rdi, [rcx + {receive}]
    jne \refused
    cmp qword ptr [rsp + {attention}], 0
    jne 23f
    mov rbx, [rsp + {caller}]
    test rbx, rbx
    jz \refused
    test qword ptr [rbx + {attention}], {but_floor}
    jnz \faulted
22: mov r15, gs:[r11]
    test r15, r15
    jz \refused
    .if \has_more
    FAST_PAGES \refused
    .endif
    FAST_SPACE \refused
    .if \has_more
    FAST_COPY
    .endif
    mov [rsp + {next}], r15
    mov gs:[r11], rsp
    mov qword ptr [rsp + {caller}], 0
    xor edi, edi
    FAST_SWITCH
    /* S has a floor, perhaps: this CPU may have run more urgently than C. */
23: cmp qword ptr [rsp + {attention}], {floor}
    jne \refused
    mov rbx, [rsp + {caller}]
    test rbx, rbx
    jz \refused
    test qword ptr [rbx + {attention}], {but_floor}
    jnz \refused
    mov rcx, [rbx + {priority}]
    cmp rcx, gs:[rip + {urgency} + {current}]
    jae 22b
    mov rax, rcx
    xchg gs:[rip + {urgency} + {current}], rax
    mov rax, gs:[rip + {urgency} + {ready}]
    shr rax, cl
    cmp rax, 1
    jbe 22b
    jmp \refused
    .endm
