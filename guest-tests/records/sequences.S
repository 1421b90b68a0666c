/* See records.h. RBX holds the argument across CPUID. */
        .text
        .macro FLOW number, instruction:vararg
from\number: \instruction
        .endm

        .macro SWITCH msr, low
        mov $\msr, %ecx
        mov $\low, %eax
        xor %edx, %edx
        wrmsr
        .endm

        .globl known_branches
known_branches:
        push %rbx
        push %r12
        mov %rdi, %r12
        lea 6f(%rip), %r8
        lea known_function(%rip), %r9
        lea exits(%rip), %r10
        movslq (%r10, %r12, 4), %r11
        add %r10, %r11
        SWITCH 0xc000010f, 0x40
FLOW 1, jmp 1f
        ud2
1:      cmp %eax, %eax
FLOW 2, jne 1b                  /* not taken */
FLOW 3, je 3f
        ud2
3:
FLOW 4, call known_function     /* and its return */
back4:
FLOW 5, call *%r9
back5:
FLOW 6, jmp *%r8
        ud2
6:      jmp *%r11               /* to the exit, and by 7 back: not in `known` */
exits:  .long exit_none - exits, exit_cpuid - exits, exit_rdmsr - exits, exit_selector - exits, exit_apic - exits
exit_none:
        jmp 7f
exit_cpuid:
        xor %eax, %eax
        cpuid
        jmp 7f
exit_rdmsr:                     /* EFER */
        mov $0xc0000080, %ecx
        rdmsr
        jmp 7f
exit_selector:                  /* PERF_CTL5, nothing */
        mov $0xc001020a, %ecx
        xor %eax, %eax
        xor %edx, %edx
        wrmsr
        jmp 7f
exit_apic:                      /* TPR */
        mov $0xfee00080, %eax
        movl $0, (%rax)
        jmp 7f
7:
FLOW 8, jmp 8f
        ud2
8:      SWITCH 0xc000010f, 0
        pop %r12
        pop %rbx
        ret
known_function:
        nop
known_return:
        ret

        .section .rodata
        .globl known
        .balign 8
known:  .quad from1 - known_branches, 1b - known_branches
        .quad from3 - known_branches, 3b - known_branches
        .quad from4 - known_branches, known_function - known_branches
        .quad known_return - known_branches, back4 - known_branches
        .quad from5 - known_branches, known_function - known_branches
        .quad known_return - known_branches, back5 - known_branches
        .quad from6 - known_branches, 6b - known_branches
        .quad from8 - known_branches, 8b - known_branches

        .data
        .globl straight_data
        .balign 8
straight_data: .quad 0

        .macro AT base
77:     .pushsection .rodata
        .long 77b - \base
        .popsection
        .endm

        .macro STRAIGHT_LINE name, instruction:vararg
        .text
        .globl \name, \name\()_table
        .pushsection .rodata
        .balign 4
\name\()_table:
        .popsection
\name:  push %rbx
        mov %rdi, %rax
        mov %rdi, %rdx
        shr $32, %rdx
        mov $0xc0011033, %ecx
        lea straight_data(%rip), %r8
        wrmsr
        .rept 23
        AT \name
        nop
        .endr
        AT \name
        \instruction
        .rept 24
        AT \name
        nop
        .endr
        mov $0xc0011033, %ecx   /* stops where it is: CurCnt and IbsOpVal stay */
        rdmsr
        btr $17, %eax
        wrmsr
        pop %rbx
        ret
        .endm

        STRAIGHT_LINE straight_plain, nop
        STRAIGHT_LINE straight_cpuid, cpuid
        STRAIGHT_LINE straight_load, mov (%r8), %rax

        .section .note.GNU-stack, "", @progbits
