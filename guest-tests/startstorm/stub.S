/* A core that was started, in real mode: it counts itself and waits as it is told. Any number at once. */
#include "stub.h"

        .section .rodata
        .globl stub_begin, stub_end
        .code16
stub_begin:
        cli
        movw %cs, %ax
        movw %ax, %ds
        movl $0x1b, %ecx
        rdmsr
        cmpl $0, STUB_X2APIC
        je 1f
        btsl $10, %eax              /* EXTD */
        jc 1f
        wrmsr
1:      movl STUB_LOOP, %ebx
        cmpl $LOOP_OFFLINE, %ebx
        jne 3f
        testl $0x400, %eax
        jz 2f
        movl $0x80f, %ecx           /* SVR */
        movl $0xff, %eax
        xorl %edx, %edx
        wrmsr
2:      wbinvd
3:      lock incl STUB_ARRIVED
        cmpl $LOOP_RUN, %ebx
        je 5f
4:      hlt
        jmp 4b
5:      incl %esi
        pause
        jmp 5b
stub_end:
        .section .note.GNU-stack, "", @progbits
