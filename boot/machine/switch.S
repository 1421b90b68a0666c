/* switch.h: hv_call(entry %rdi, cr3 %rsi, info %rdx, operation %rcx, index %r8).
 *
 * Callee-saved registers carry the firmware's CR3 and CR4 across the call: the hypervisor returns to
 * the instruction after `call` with them as they were, as a guest or not. */
    .set CR4_PGE, 0x80

    .text
    .globl hv_call
    .hidden hv_call
    .type hv_call, @function
hv_call:
    pushfq
    cli
    push    %rbx
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15                    /* seven pushes: the stack is 16-byte aligned for the call */
    mov     %cr3, %r12
    mov     %cr4, %r13
    mov     %r13, %rax
    and     $~CR4_PGE, %rax         /* flushes global pages too, which a CR3 load would keep (APM 5.5.1) */
    mov     %rax, %cr4
    mov     %rsi, %cr3

    mov     %rdi, %rax
    mov     %rdx, %rdi
    mov     %rcx, %rsi
    mov     %r8, %rdx
    cld
    call    *%rax

    mov     %r12, %cr3
    mov     %r13, %cr4
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    popfq
    ret
    .size hv_call, . - hv_call

    .section .note.GNU-stack, "", @progbits
