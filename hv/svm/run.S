/* The run loop. RSP is the struct cpu of this core throughout; GIF is 0 from svm_enable() on.
 *
 * The fast way saves four registers: svm_fast_exit is compiled (hv/fast.mk) so that it keeps RSI and R8-R11 and
 * may use RBX, and it calls nobody else. RAX and RSP are in the VMCB. Everything else of the guest stays loaded. */
#include "run_registers.inc"

#define VMCB_TLB_CONTROL (CPU_VMCB + 0x5c)
#define VMCB_CLEAN       (CPU_VMCB + 0xc0)
#define VMCB_EXIT_CODE   (CPU_VMCB + 0x70)
#define CLEAN_ALL        0x1fff
#define EXIT_NPF         0x400

    .text
    .globl svm_enter, svm_fast_start, svm_fast_end

/* void svm_enter(struct cpu *cpu): every register from struct cpu. */
svm_enter:
    mov     %rdi, %rsp
    jmp     slow_return

    .balign 64
svm_fast_start:
fast_return:
    load_fast
    lea     CPU_VMCB(%rsp), %rax
    vmrun   %rax
exited:
    save_fast
    call    svm_fast_exit
    test    %al, %al                /* a bool is 8 bits */
    jnz     fast_return
svm_fast_end:

    save_others
    cmpq    $EXIT_NPF, VMCB_EXIT_CODE(%rsp)
    je      page
slow:
    call    svm_slow_exit
slow_return:
    load_fast
    load_others
    lea     CPU_VMCB(%rsp), %rax
    vmrun   %rax
    /* What the slow handlers changed in the VMCB has been loaded, what they flushed is flushed. */
    movl    $CLEAN_ALL, VMCB_CLEAN(%rsp)
    movb    $0, VMCB_TLB_CONTROL(%rsp)
    jmp     exited

/* svm_page_exit keeps what svm_fast_exit keeps; RBP is 0. */
page:
    call    svm_page_exit
    mov     %rsp, %rdi
    test    %al, %al
    jz      slow
    mov     CPU_RBP(%rsp), %rbp
    jmp     fast_return

    .section .note.GNU-stack, "", @progbits
