/* Code around exits, and a table of where each of its instructions ends: void NAME(struct sequence_call *). One
 * WRMSR starts the counting, one ends it. R8 to R11 are kept by everything in between. */
        .macro RECORD kind
77:     .pushsection .rodata
        .long 77b - 88b, \kind
        .popsection
        .endm

        .macro PLAIN instruction:vararg
        \instruction
        RECORD 0
        .endm

        .macro EXIT instruction:vararg
        \instruction
        RECORD 1
        .endm

        .macro SHADOW instruction:vararg
        \instruction
        RECORD 2
        .endm

        .macro NOPS count
        .rept \count
        PLAIN nop
        .endr
        .endm

        .macro BEGIN name
        .text
        .globl \name, \name\()_start, \name\()_table, \name\()_swept
        .pushsection .rodata
        .balign 8
\name\()_table:
        .popsection
\name:  push %rbx
        mov %rdi, %r10
        mov (%r10), %ecx
        mov 8(%r10), %eax
        mov 12(%r10), %edx
        mov 24(%r10), %r11d
        mov 32(%r10), %r8d
        mov 36(%r10), %r9d
        wrmsr
\name\()_start:
88:
        NOPS 4
        .endm

        .macro END name
        NOPS 4
        .pushsection .rodata
66:     .popsection
        NOPS 68
        mov (%r10), %ecx
        mov 16(%r10), %eax
        mov 20(%r10), %edx
        wrmsr
        pop %rbx
        ret
        .pushsection .rodata
        .balign 4
\name\()_swept:
        .long (66b - \name\()_table) / 8
        .popsection
        .endm

        /* once, twice running, and after a while */
        .macro THRICE one
        \one
        NOPS 3
        \one
        \one
        NOPS 12
        \one
        .endm

        .macro ONE_CPUID
        PLAIN xor %eax, %eax
        EXIT cpuid
        .endm

        .macro LOAD
        PLAIN mov %r11d, %ecx
        PLAIN mov %r8d, %eax
        PLAIN mov %r9d, %edx
        .endm

        .macro ONE_WRMSR
        EXIT wrmsr
        .endm

        .macro ONE_RDMSR
        EXIT rdmsr
        .endm

        .macro ONE_IN
        EXIT in %dx, %ax
        .endm

        .macro ONE_XSETBV
        EXIT xsetbv
        .endm

        BEGIN sequence_cpuid
        THRICE ONE_CPUID
        END sequence_cpuid

        BEGIN sequence_wrmsr
        LOAD
        THRICE ONE_WRMSR
        END sequence_wrmsr

        BEGIN sequence_rdmsr
        LOAD
        THRICE ONE_RDMSR
        END sequence_rdmsr

        BEGIN sequence_in
        PLAIN mov %r11d, %edx
        THRICE ONE_IN
        END sequence_in

        BEGIN sequence_xsetbv
        PLAIN xor %ecx, %ecx
        PLAIN xgetbv
        THRICE ONE_XSETBV
        END sequence_xsetbv

        /* Nothing is taken right after the load of SS. */
        BEGIN sequence_shadow
        PLAIN mov %ss, %ebx
        PLAIN xor %eax, %eax
        SHADOW mov %ebx, %ss
        EXIT cpuid
        PLAIN mov %ss, %ebx
        PLAIN xor %eax, %eax
        NOPS 8
        SHADOW mov %ebx, %ss
        EXIT cpuid
        END sequence_shadow

        .section .note.GNU-stack, "", @progbits
