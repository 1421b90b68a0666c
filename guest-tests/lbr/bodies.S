/* BODY NAME(rdi = struct lbr_switch) ... END: see lbr.h. */
	.macro	BODY name
	.globl	\name
\name:	push	%rbx
	push	%r12
	mov	(%rdi), %r8d
	mov	16(%rdi), %r9d
	mov	20(%rdi), %r10d
	mov	lbr_msr(%rip), %r11d
	lea	lbr_value(%rip), %r12
	mov	%r8d, %ecx
	mov	8(%rdi), %eax
	mov	12(%rdi), %edx
	wrmsr
	.endm

	.macro	END
	mov	%r8d, %ecx
	mov	%r9d, %eax
	mov	%r10d, %edx
	wrmsr
	pop	%r12
	pop	%rbx
	ret
	.endm

	.text
	.globl	lbr_start
lbr_start:
	BODY	lbr_plain	/* jump, call, return, a loop of three: taken twice; one branch is not taken */
	jmp	1f
	ud2
1:	call	9f
	mov	$3, %ebx
2:	dec	%ebx
	jnz	2b
	test	%ebx, %ebx
	jnz	9f
	END
9:	ret

	BODY	lbr_indirect	/* two targets of one jump, each mispredicted at first; a call */
	lea	1f(%rip), %rbx
	mov	$2, %eax
0:	jmp	*%rbx
	ud2
1:	lea	2f(%rip), %rbx
	dec	%eax
	jnz	0b
2:	lea	9f(%rip), %rbx
	call	*%rbx
	END
9:	nop
	ret

	BODY	lbr_exits	/* a branch before and after each of three exits */
	jmp	1f
	ud2
1:	xor	%eax, %eax
	xor	%ecx, %ecx
	cpuid
	jmp	2f
	ud2
2:	mov	%r11d, %ecx
	rdmsr
	jmp	3f
	ud2
3:	mov	(%r12), %eax
	mov	4(%r12), %edx
	wrmsr
	jmp	4f
	ud2
4:	END

	BODY	lbr_calls	/* left in the third of three nested calls, and back */
	call	1f
	END
1:	call	2f
	ret
2:	call	3f		/* to the next instruction: a call that only asks where it is */
3:	add	$8, %rsp
	call	4f
	ret
4:	nop
	ret

	BODY	lbr_deep	/* the innermost of three calls switches off; the rest is not recorded */
	call	1f
	pop	%r12
	pop	%rbx
	ret
1:	call	2f
	ret
2:	call	4f		/* one that has returned */
	lea	3f(%rip), %rbx
	call	*%rbx
	ret
3:	mov	%r8d, %ecx
	mov	%r9d, %eax
	mov	%r10d, %edx
	wrmsr
	ret
4:	ret

	BODY	lbr_faults	/* the processor's own faults, and a system call's like */
	ud2
	nop
	int3
	nop
	int	$0x83
	END

	BODY	lbr_denied	/* #GP by RDMSR and WRMSR of what is not there, or is denied */
	mov	%r11d, %ecx
	rdmsr
	mov	%r11d, %ecx
	xor	%eax, %eax
	xor	%edx, %edx
	wrmsr
	END

	BODY	lbr_halt	/* an interrupt that waits wakes it */
	sti
	hlt
	cli
	END

	BODY	lbr_counted	/* 100 turns of two instructions, while a counter runs */
	mov	$100, %ebx
1:	dec	%ebx
	jnz	1b
	END

	BODY	lbr_cpuid
	xor	%eax, %eax
	xor	%ecx, %ecx
	cpuid
	END

	BODY	lbr_rdmsr
	mov	%r11d, %ecx
	rdmsr
	END

	BODY	lbr_wrmsr
	mov	%r11d, %ecx
	mov	(%r12), %eax
	mov	4(%r12), %edx
	wrmsr
	END

	.globl	lbr_user
lbr_user:			/* at CPL 3: branches, CPUID, and a fault that is skipped */
	jmp	1f
	ud2
1:	xor	%eax, %eax
	xor	%ecx, %ecx
	push	%rbx
	cpuid
	pop	%rbx
	ud2
	jmp	2f
	ud2
2:	ret

	.bss
	.globl	lbr_msr, lbr_value
	.balign	8
lbr_msr:	.skip	8
lbr_value:	.skip	8
