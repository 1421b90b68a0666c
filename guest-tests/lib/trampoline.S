/* Where a started core begins: it stores what INIT and SIPI left in its registers, runs the APIC writes in
 * the mode it was told to, and goes on to 64-bit mode and its entry function. */
#include "trampoline.h"
        .include "apic_forms.inc"

#define RECORD(n) (TRAMPOLINE_RECORD + (n))
#define ORDER(n)  (TRAMPOLINE_ORDER + (n))

        .section .rodata
        .balign 16
        .globl trampoline_begin, trampoline_prot, trampoline_long, trampoline_end
        .code16
trampoline_begin:
        movl %eax, %cs:RECORD(0x04)
        movl %ebx, %cs:RECORD(0x08)
        movl %ecx, %cs:RECORD(0x0c)
        movl %edx, %cs:RECORD(0x10)
        movl %esi, %cs:RECORD(0x14)
        movl %edi, %cs:RECORD(0x18)
        movl %ebp, %cs:RECORD(0x1c)
        movl %esp, %cs:RECORD(0x20)
        movw %cs, %cs:RECORD(0x38)
        movw %ds, %cs:RECORD(0x3a)
        movw %es, %cs:RECORD(0x3c)
        movw %ss, %cs:RECORD(0x3e)
        movw %fs, %cs:RECORD(0x40)
        movw %gs, %cs:RECORD(0x42)
        movw %cs, %ax
        movw %ax, %ds
        movw %ax, %ss
        movl $TRAMPOLINE_STACK, %esp
        pushfl
        popl %eax
        movl %eax, RECORD(0x34)
        movl %cr0, %eax
        movl %eax, RECORD(0x24)
        movl %cr2, %eax
        movl %eax, RECORD(0x28)
        movl %cr3, %eax
        movl %eax, RECORD(0x2c)
        movl %cr4, %eax
        movl %eax, RECORD(0x30)
        movl %dr6, %eax
        movl %eax, RECORD(0x44)
        movl %dr7, %eax
        movl %eax, RECORD(0x48)
        sgdtl RECORD(0x4c)
        sidtl RECORD(0x54)
        movl $0xc0000080, %ecx
        rdmsr
        movl %eax, RECORD(0x5c)
        movl $1, RECORD(0x00)

        xorl %eax, %eax             /* exits with TR, LDTR, GS and FS as INIT leaves them */
        xorl %ecx, %ecx
        cpuid
        cmpl $0x444d4163, %ecx      /* "cAMD" */
        movl $0xc0010000, %ecx      /* the name of PERF_EVT_SEL0 that KVM without a PMU takes */
        je 1f
        movl $0x186, %ecx
1:      xorl %eax, %eax
        xorl %edx, %edx
        wrmsr

        xorl %esi, %esi
        movw %cs, %si
        shll $4, %esi               /* the page's address, kept from here on */
        lgdtl ORDER(ORDER_GDTR)
        movl ORDER(ORDER_MODE), %eax
        cmpl $START_REAL, %eax
        jne 1f
        call real_forms
        movw %cs, %ax
        movw %ax, %ds
1:      movl %cr0, %eax
        orl $1, %eax
        movl %eax, %cr0
        ljmpl *ORDER(ORDER_FAR32)

/* "Unreal" mode: DS keeps the 4 GiB limit of the descriptor after PE is cleared (APM 14.5). */
real_forms:
        movl ORDER(ORDER_TARGET), %ebp
        movl %cr0, %eax
        orl $1, %eax
        movl %eax, %cr0
        movw $0x10, %cx
        movw %cx, %ds
        andl $~1, %eax
        movl %eax, %cr0
        movl $0xfee00000, %ebx
        leal TRAMPOLINE_RESULTS(%esi), %edi
        apic_forms %ebx, %ecx, %edi, 16
        apic_sends %ebx, %ebp
        ret

        .code32
trampoline_prot:
        movl $0x10, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        leal TRAMPOLINE_STACK(%esi), %esp
        movl ORDER(ORDER_MODE)(%esi), %eax
        cmpl $START_PROT, %eax
        jb to_long
        je 2f
        movl ORDER(ORDER_CR4_32)(%esi), %eax
        movl %eax, %cr4
        movl ORDER(ORDER_PAGING32)(%esi), %eax
        movl %eax, %cr3
        movl %cr0, %eax
        orl $0x80000000, %eax
        movl %eax, %cr0
        jmp 2f
2:      movl ORDER(ORDER_TARGET)(%esi), %ebp
        movl $0xfee00000, %ebx
        leal TRAMPOLINE_RESULTS(%esi), %edi
        apic_forms %ebx, %ecx, %edi, 32
        apic_sends %ebx, %ebp
        movl %cr0, %eax
        andl $0x7fffffff, %eax
        movl %eax, %cr0
        jmp to_long

to_long:
        movl ORDER(ORDER_CR4)(%esi), %eax
        movl %eax, %cr4
        movl ORDER(ORDER_CR3)(%esi), %eax
        movl %eax, %cr3
        movl $0xc0000080, %ecx
        rdmsr
        orl $0x900, %eax            /* LME, NXE */
        wrmsr
        movl $0x80010031, %eax      /* PG, WP, NE, ET, PE */
        movl %eax, %cr0
        ljmpl *ORDER(ORDER_FAR64)(%esi)

        .code64
trampoline_long:
        movl %esi, %esi
        movq ORDER(ORDER_STACK)(%rsi), %rsp
        movq ORDER(ORDER_CORE)(%rsi), %rdi
        movq ORDER(ORDER_ENTRY)(%rsi), %rax
        call *%rax
trampoline_end:

        .text
        .code64
/* void apic_forms64(u32 *results, u32 target): the same writes in 64-bit mode. target is shifted already. */
        .globl apic_forms64
apic_forms64:
        push %rbx
        push %rbp
        movl %esi, %r8d
        movl $0xfee00000, %ebx
        apic_forms %rbx, %rcx, %rdi, 64
        apic_sends %rbx, %r8d
        pop %rbp
        pop %rbx
        ret

        .section .note.GNU-stack, "", @progbits
