/* How the hypervisor is entered: by the loader's call, by a processor's start-up. */
#include "cpu.h"
#include "host/host.h"
#include "start/trampoline.h"

    .text

/* u64 hv_entry(struct boot_info *info, u64 operation, u64 index): hv/include/boot_info.h.
 * On the loader's stack and temporary page tables. */
    .globl hv_entry
hv_entry:
    test    %esi, %esi
    jz      hv_prepare
    /* Where shadow stacks are on, the guest's SSP; elsewhere RDSSP is a no-op. */
    xor     %ecx, %ecx
    rdsspq  %rcx
    push    %rbx                    /* struct launch, hv/vendor.h */
    push    %rbp
    push    %r12
    push    %r13
    push    %r14
    push    %r15
    mov     %rsp, %rdi
    mov     %edx, %esi
    mov     %rcx, %rdx
    sub     $8, %rsp
    call    hv_start                /* a struct cpu, or a small number: enum hv_status */
    add     $8, %rsp
    cmp     $0x1000, %rax
    jae     1f
    pop     %r15
    pop     %r14
    pop     %r13
    pop     %r12
    pop     %rbp
    pop     %rbx
    ret
1:  mov     %rax, %rsp              /* the loader's stack is the guest's from here on */
    mov     %rax, %rdi
    xor     %ebp, %ebp
    call    hv_run
    ud2

/* A processor after SIPI: real mode, CS:IP = page:0. Copied to the trampoline page. */
    .globl trampoline_start, trampoline_start64, trampoline_end
    .code16
trampoline_start:
    cli
    mov     %cs, %ax
    mov     %ax, %ds
    lgdtl   TRAMPOLINE_GDTR
    mov     TRAMPOLINE_CR4, %eax
    mov     %eax, %cr4
    mov     TRAMPOLINE_CR3, %eax
    mov     %eax, %cr3
    mov     $0xc0000080, %ecx       /* EFER: LME, NXE */
    xor     %edx, %edx
    mov     $0x900, %eax
    wrmsr
    mov     $0x80010033, %eax       /* PG, WP, NE, ET, MP, PE: also ends INIT's cache-disabled state */
    mov     %eax, %cr0
    ljmpl   *TRAMPOLINE_FAR
    .code64
trampoline_start64:
    lea     trampoline_start(%rip), %rbx
    mov     $HOST_DS, %eax
    mov     %eax, %ds
    mov     %eax, %es
    mov     %eax, %ss
    jmp     *TRAMPOLINE_ENTRY(%rbx)
trampoline_end:

/* In the image's text, no stack yet: find this processor's block by its APIC ID. */
    .globl cpu_sipi_entry
cpu_sipi_entry:
    xor     %eax, %eax
    cpuid
    cmp     $0xb, %eax
    jb      1f
    mov     $0xb, %eax
    xor     %ecx, %ecx
    cpuid
    test    %ebx, %ebx              /* leaf 0Bh is there (SDM: EBX != 0): EDX is the x2APIC ID */
    jnz     2f
1:  mov     $1, %eax
    cpuid
    mov     %ebx, %edx
    shr     $24, %edx
2:  mov     hv_first_cpu(%rip), %rsp
    mov     hv_cpu_count(%rip), %ecx
3:  cmp     %edx, CPU_APIC_ID(%rsp)
    je      4f
    add     $CPU_BLOCK_BYTES, %rsp
    dec     %ecx
    jnz     3b
5:  cli                             /* not one of ours: cannot happen, as only known cores are sent SIPIs */
    hlt
    jmp     5b
4:  mov     %rsp, %rdi
    xor     %ebp, %ebp
    call    hv_sipi
    ud2

    .section .note.GNU-stack, "", @progbits
