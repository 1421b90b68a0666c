/* Exceptions in the hypervisor. Interrupt gates, IST 0 (TR may be the guest's), no swapgs. */
    .text

    .macro stub vector, has_error
    .balign 16
    .if \has_error == 0
    push    $0
    .endif
    push    $\vector
    jmp     exception_common
    .endm

    .globl exception_stubs
    .balign 16
exception_stubs:
    vector = 0
    .rept 32
    /* #DF #TS #NP #SS #GP #PF #AC #CP #VC #SX push an error code (APM table 8-1). */
    stub vector, ((0x60227d00 >> vector) & 1)
    vector = vector + 1
    .endr

exception_common:
    push    %rax
    push    %rcx
    push    %rdx
    push    %rbx
    push    %rbp
    push    %rsi
    push    %rdi
    push    %r8
    push    %r9
    push    %r10
    push    %r11
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, %rdi
    cld
    call    exception
    /* Go on at frame.rip without IRET, which would unblock the guest's NMIs (docs/design.md, The life of an exit):
     * RIP and RFLAGS go below the interrupted stack pointer, whose bytes are ours since the code has no red zone. */
    mov     0xa0(%rsp), %rax        /* frame.rsp */
    mov     0x88(%rsp), %rcx        /* frame.rip */
    mov     0x98(%rsp), %rdx        /* frame.rflags */
    mov     %rcx, -8(%rax)
    mov     %rdx, -16(%rax)
    sub     $16, %rax
    mov     %rax, 0x78(%rsp)        /* frame.vector: becomes RSP below */
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %r11
    pop     %r10
    pop     %r9
    pop     %r8
    pop     %rdi
    pop     %rsi
    pop     %rbp
    pop     %rbx
    pop     %rdx
    pop     %rcx
    pop     %rax
    pop     %rsp
    popfq
    ret

    .section .note.GNU-stack, "", @progbits
