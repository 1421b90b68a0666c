/* (edi = MSR, rsi = what to write there): rows of instructions of one length, long enough that a PMI
 * for one of the first strikes among them. */
        .text
        .globl skid_nops, skid_nops_start, skid_nops_end, skid_cpuids, skid_cpuids_start, skid_cpuids_end

        .macro START name
\name:  push %rbx
        mov %edi, %ecx
        mov %esi, %eax
        mov %rsi, %rdx
        shr $32, %rdx
        wrmsr
\name\()_start:
        .endm

        .macro END name
\name\()_end:
        pop %rbx
        ret
        .endm

        START skid_nops
        .fill 4096, 1, 0x90
        END skid_nops

        START skid_cpuids
        .rept 1024
        xor %eax, %eax
        cpuid
        .endr
        END skid_cpuids
