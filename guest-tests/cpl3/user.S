/* User code whose instructions have known lengths; RDI: a port, or an address. */
        .text
        .globl user_step_nop, user_step_cpuid, user_step_out, user_step_in, user_step_store
        .globl user_loop_cpuid, user_loop_out, user_break_cpuid, user_break_out

user_step_nop:
        nop
        nop
        ret

user_step_cpuid:
        push %rbx
        xor %eax, %eax
        cpuid
        pop %rbx
        ret

user_step_out:
        mov %rdi, %rdx
        out %al, (%dx)
        nop
        ret

user_step_in:
        mov %rdi, %rdx
        in (%dx), %al
        nop
        ret

user_step_store:
        movl %eax, (%rdi)
        nop
        ret

user_loop_cpuid:
        push %rbx
        mov $2, %esi
1:      xor %eax, %eax
user_break_cpuid:
        cpuid
        dec %esi
        jnz 1b
        pop %rbx
        ret

user_loop_out:
        mov $2, %esi
        mov %edi, %edx
1:      nop
user_break_out:
        out %al, (%dx)
        dec %esi
        jnz 1b
        ret

        .section .note.GNU-stack, "", @progbits
