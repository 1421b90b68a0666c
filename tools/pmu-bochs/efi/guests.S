/* Entering a guest and coming back, for the probes of virtualization, and what the guest runs. */
	.set	HOST_RSP, 0x6c14

	.macro	SAVE
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	.endm
	.macro	RESTORE
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	.endm

	.text
	/* u64 vmx_enter(bool launched): 0 after a VM exit, else RFLAGS of the failed entry */
	.globl	vmx_enter, vmx_exited, vmx_exited_two
vmx_enter:
	SAVE
	mov	$HOST_RSP, %eax
	vmwrite	%rsp, %rax
	test	%edi, %edi
	jnz	1f
	vmlaunch
	jmp	2f
1:	vmresume
2:	pushf
	pop	%rax
	jmp	3f
vmx_exited:
	mov	%rax, vmx_guest_rax(%rip)
	xor	%eax, %eax
vmx_exited_two:				/* instructions after the exit */
3:	RESTORE
	ret

	/* void svm_enter(u64 vmcb) */
	.globl	svm_enter, svm_left
svm_enter:
	SAVE
	mov	%rdi, %rax
	clgi
	vmload	%rax
	vmrun	%rax
	vmsave	%rax
	stgi
svm_left:
	RESTORE
	ret

	/* 200 instructions retire, in two halves; CPUID and VMCALL exit */
	.globl	vmx_guest_counted
vmx_guest_counted:
	.fill	100, 1, 0x90
	cpuid
	.fill	100, 1, 0x90
	vmcall

	/* 5 instructions retire; the guest enables a second counter */
	.globl	vmx_guest_global
vmx_guest_global:
	mov	$0x38f, %ecx
	mov	$3, %eax
	xor	%edx, %edx
	wrmsr
	nop
	vmcall

	/* What exits when it is intercepted: a selector's write, RDPMC */
	.globl	vmx_guest_wrmsr, vmx_guest_rdpmc
vmx_guest_wrmsr:
	mov	$0x186, %ecx
	mov	$0x4300c4, %eax
	xor	%edx, %edx
	wrmsr
	vmcall
vmx_guest_rdpmc:
	xor	%ecx, %ecx
	rdpmc
	vmcall

	/* DEBUGCTL as the guest finds it in RAX; it leaves BTF set */
	.globl	vmx_guest_debugctl
vmx_guest_debugctl:
	mov	$0x1d9, %ecx
	rdmsr
	mov	%eax, %ebx
	or	$2, %eax
	wrmsr
	mov	%ebx, %eax
	vmcall

	/* 100 instructions retire */
	.globl	svm_guest_counted
svm_guest_counted:
	.fill	100, 1, 0x90
	vmmcall

	.bss
	.balign	8
	.globl	vmx_guest_rax
	.hidden	vmx_guest_rax
vmx_guest_rax:
	.quad	0
