/* Exception and interrupt stubs, and the two ways to leave a stack: see fault.h. */
        .text


        .globl exception_stubs
        .balign 16
exception_stubs: /* an error code comes with the vectors excepted below (APM 8.2) */
        .set vector, 0
        .rept 256
        .balign 16
        .if !(vector == 8 || vector == 17 || vector == 21 || vector == 29 || vector == 30 || (vector >= 10 && vector <= 14))
        push $0
        .endif
        push $vector
        jmp common
        .set vector, vector + 1
        .endr

common: push %rax
        push %rcx
        push %rdx
        push %rbx
        push %rbp
        push %rsi
        push %rdi
        push %r8
        push %r9
        push %r10
        push %r11
        push %r12
        push %r13
        push %r14
        push %r15
        cld
        mov %rsp, %rdi
        call exception_dispatch
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %r11
        pop %r10
        pop %r9
        pop %r8
        pop %rdi
        pop %rsi
        pop %rbp
        pop %rbx
        pop %rdx
        pop %rcx
        pop %rax
        add $16, %rsp
        iretq

/* int attempt_call(function, argument, u64 *saved_rsp) */
        .globl attempt_call
attempt_call:
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
        pushfq
        mov %rsp, (%rdx)
        mov %rdi, %rax
        mov %rsi, %rdi
        call *%rax
        mov $-1, %eax
attempt_end:
        popfq
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
        ret

/* void attempt_abort(u64 saved_rsp, int vector): from the exception handler, without IRET. */
        .globl attempt_abort
attempt_abort:
        mov %rdi, %rsp
        mov %esi, %eax
        mov $0x10, %ecx
        mov %ecx, %ss
        mov %ecx, %ds
        mov %ecx, %es
        jmp attempt_end

/* void enter_user(function, argument, u64 user_stack, u64 rflags): ring 3 by IRETQ; it ends with INT 0x80. */
        .globl enter_user
enter_user:
        mov %rdi, %rax
        mov %rsi, %rdi
        mov %rcx, %r8
        lea user_end(%rip), %rcx
        mov %rcx, -8(%rdx)
        sub $8, %rdx
        mov $0x3b, %ecx
        mov %ecx, %ds
        mov %ecx, %es
        push $0x3b
        push %rdx
        push %r8
        push $0x43
        push %rax
        iretq
user_end:
        int $0x80

/* void call_on_stack(function, argument, stack_top) */
        .globl call_on_stack
call_on_stack:
        push %rbp
        mov %rsp, %rbp
        mov %rdx, %rsp
        mov %rdi, %rax
        mov %rsi, %rdi
        call *%rax
        mov %rbp, %rsp
        pop %rbp
        ret

        .section .note.GNU-stack, "", @progbits
