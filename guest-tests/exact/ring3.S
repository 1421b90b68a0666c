/* Code for CPL 3: (rdi = turns). It ends by returning, which is INT 0x80 (lib/entry.S). And what SYSCALL
 * enters; neither touches the stack, which is the user's. */
        .text
        .globl user_loop, user_calls, user_cpuid, user_syscalls, user_interrupts, user_faults, user_touch
        .globl user_rdpmc, user_strings, syscall_entry, syscall_entry_cpuid

user_loop:
1:      dec %rdi
        jnz 1b
        ret

user_calls:
1:      call 2f
        dec %rdi
        jnz 1b
2:      ret

user_cpuid:
        push %rbx
1:      xor %eax, %eax
        cpuid
        mov $0x80000001, %eax
        cpuid
        dec %rdi
        jnz 1b
        pop %rbx
        ret

user_syscalls:
1:      mov $39, %eax
        syscall
        dec %rdi
        jnz 1b
        ret

user_interrupts:
1:      int $0x85
        int3
        dec %rdi
        jnz 1b
        ret

user_faults:
1:      ud2
        xor %edx, %edx
        dec %rdi
        jnz 1b
        ret

user_touch:
        movb $1, (%rdi)
        ret

user_rdpmc:
1:      xor %ecx, %ecx
        rdpmc
        rdtsc
        dec %rdi
        jnz 1b
        ret

user_strings:
        mov %rdi, %rcx
        lea -4096(%rsp), %rdi
        mov %rdi, %rsi
        rep movsb
        mov $64, %ecx
        repe scasb
        ret

syscall_entry:
        nop
        sysretq

syscall_entry_cpuid:
        mov %rcx, %r8
        mov %rbx, %r9
        xor %eax, %eax
        cpuid
        mov %r8, %rcx
        mov %r9, %rbx
        sysretq

        .section .note.GNU-stack, "", @progbits
