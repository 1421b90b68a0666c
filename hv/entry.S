/* Every way into the hypervisor that is not an exit: the loader's call, a processor's start-up, an exception. */
#include "cpu.h"
#include "host.h"

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
    push    %rbx                    /* struct launch, hv/vcpu.h */
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

/* Exceptions. Interrupt gates, IST 0 (TR may be the guest's), no swapgs. */
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
    /* Go on at frame.rip without IRET, which would unblock the guest's NMIs (DESIGN.md, The PMU): RIP and RFLAGS
     * go below the interrupted stack pointer, whose bytes are ours since the code has no red zone. */
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
