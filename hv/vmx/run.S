/* The run loop. RSP is the struct cpu of this core throughout: the VMCS has it as the host's.
 *
 * The fast way saves five registers: vmx_fast_exit is compiled (hv/fast.mk) so that it keeps RSI and R8-R11 and
 * may use RBX, and it calls nobody else. RSP, RIP and RFLAGS are in the VMCS. Everything else of the guest stays loaded.
 *
 * The last look at what arrived is a compare with memory, a jump and the entry: an NMI that comes in between finds
 * RIP inside the window and goes on at vmx_late (hv/host/exception.c). */
#include "run_registers.inc"

    .text
    .globl vmx_enter, vmx_exited, vmx_exited_list, vmx_fast_start, vmx_fast_end
    .globl vmx_window_start, vmx_window_end, vmx_late

/* void vmx_enter(struct cpu *cpu): every register from struct cpu; mostly of what was never launched. */
vmx_enter:
    mov     %rdi, %rsp
    mov     CPU_RAX(%rsp), %rax
    load_fast
    load_others
    jmp     first

    .balign 64
vmx_fast_start:
fast_return:
    mov     CPU_RAX(%rsp), %rax
    load_fast
resume:
vmx_window_start:
    cmpb    $0, CPU_ARRIVED(%rsp)
    jne     vmx_late
    vmresume
    vmlaunch                        /* what arrived before the first entry has led here */
    jmp     failed
first:
    cmpb    $0, CPU_ARRIVED(%rsp)
    jne     vmx_late
    vmlaunch                        /* of what was launched it fails and changes nothing */
    jmp     resume
vmx_window_end:
failed:
    mov     %rsp, %rdi
    call    vmx_entry_failed
    ud2

vmx_exited:
    mov     %rax, CPU_RAX(%rsp)
    save_fast
    call    vmx_fast_exit
    test    %al, %al                /* a bool is 8 bits */
    jnz     fast_return
vmx_fast_end:
slow:
    save_others
    call    vmx_slow_exit
slow_return:
    mov     CPU_RAX(%rsp), %rax
    load_fast
    load_others
    jmp     resume

/* Exits where IA32_PERF_GLOBAL_CTRL is in MSR lists. */
vmx_exited_list:
    mov     %rax, CPU_RAX(%rsp)
    save_fast
    call    vmx_fast_exit_list
    test    %al, %al
    jnz     fast_return
    jmp     slow

/* Something arrived: the guest's registers are all loaded. */
vmx_late:
    mov     %rax, CPU_RAX(%rsp)
    save_fast
    save_others
    call    vmx_before_entry
    jmp     slow_return

    .section .note.GNU-stack, "", @progbits
