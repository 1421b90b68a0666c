/* The run loop. RSP is the struct cpu of this core throughout; GIF is 0 from CLGI on.
 *
 * The fast way saves four registers: svm_fast_exit is compiled (Makefile) so that it keeps RSI and R8-R11 and
 * may use RBX, and it calls nothing. RAX and RSP are in the VMCB. Everything else of the guest stays loaded. */
#include "cpu.h"

#define VMCB_TLB_CONTROL (CPU_VMCB + 0x5c)
#define VMCB_CLEAN       (CPU_VMCB + 0xc0)
#define CLEAN_ALL        0x1fff

    .text
    .globl svm_enter, svm_fast_start, svm_fast_end

/* void svm_enter(struct cpu *cpu): every register from struct cpu. */
svm_enter:
    mov     %rdi, %rsp
    clgi
    jmp     slow_return

    .balign 64
svm_fast_start:
fast_return:
    mov     CPU_RCX(%rsp), %rcx
    mov     CPU_RDX(%rsp), %rdx
    mov     CPU_RBX(%rsp), %rbx
    mov     CPU_RDI(%rsp), %rdi
    lea     CPU_VMCB(%rsp), %rax
    vmrun   %rax
exited:
    mov     %rcx, CPU_RCX(%rsp)
    mov     %rdx, CPU_RDX(%rsp)
    mov     %rbx, CPU_RBX(%rsp)
    mov     %rdi, CPU_RDI(%rsp)
    mov     %rsp, %rdi
    call    svm_fast_exit
    test    %al, %al                /* a bool is 8 bits */
    jnz     fast_return
svm_fast_end:

    mov     %rsi, CPU_RSI(%rsp)
    mov     %rbp, CPU_RBP(%rsp)
    mov     %r8, CPU_R8(%rsp)
    mov     %r9, CPU_R9(%rsp)
    mov     %r10, CPU_R10(%rsp)
    mov     %r11, CPU_R11(%rsp)
    mov     %r12, CPU_R12(%rsp)
    mov     %r13, CPU_R13(%rsp)
    mov     %r14, CPU_R14(%rsp)
    mov     %r15, CPU_R15(%rsp)
    mov     %rsp, %rdi
    xor     %ebp, %ebp              /* where backtraces end */
    call    svm_slow_exit
slow_return:
    mov     CPU_RCX(%rsp), %rcx
    mov     CPU_RDX(%rsp), %rdx
    mov     CPU_RBX(%rsp), %rbx
    mov     CPU_RBP(%rsp), %rbp
    mov     CPU_RSI(%rsp), %rsi
    mov     CPU_RDI(%rsp), %rdi
    mov     CPU_R8(%rsp), %r8
    mov     CPU_R9(%rsp), %r9
    mov     CPU_R10(%rsp), %r10
    mov     CPU_R11(%rsp), %r11
    mov     CPU_R12(%rsp), %r12
    mov     CPU_R13(%rsp), %r13
    mov     CPU_R14(%rsp), %r14
    mov     CPU_R15(%rsp), %r15
    lea     CPU_VMCB(%rsp), %rax
    vmrun   %rax
    /* What the slow handlers changed in the VMCB has been loaded, what they flushed is flushed. */
    movl    $CLEAN_ALL, VMCB_CLEAN(%rsp)
    movb    $0, VMCB_TLB_CONTROL(%rsp)
    jmp     exited

    .section .note.GNU-stack, "", @progbits
