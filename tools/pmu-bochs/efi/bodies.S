/*
 * Code whose counts are known. BODY NAME(rdi = struct counted_switch): one WRMSR switches counting on, the body
 * runs, one WRMSR switches it off. Beside the body OVERHEAD instructions are counted (probe.h): three moves and
 * the second WRMSR.
 */
	.macro	BODY name
	.globl	\name
\name:	push	%rbx
	mov	(%rdi), %ecx
	mov	%ecx, %r10d
	mov	8(%rdi), %eax
	mov	12(%rdi), %edx
	mov	16(%rdi), %r8d
	mov	20(%rdi), %r9d
	wrmsr
	.globl	\name\()_start
\name\()_start:
	.endm

	.macro	END_BODY
	mov	%r10d, %ecx
	mov	%r8d, %eax
	mov	%r9d, %edx
	wrmsr
	pop	%rbx
	ret
	.endm

	.text
	BODY	body_empty
	END_BODY

	BODY	body_nops		/* 1000 */
	.fill	1000, 1, 0x90
	END_BODY

	BODY	body_loop		/* 1 + 200000, 100000 branches, all but the last taken */
	mov	$100000, %ebx
1:	dec	%ebx
	jnz	1b
	END_BODY

	BODY	body_calls		/* 1 + 4000: 1000 calls, returns, conditional branches */
	mov	$1000, %ebx
1:	call	2f
	dec	%ebx
	jnz	1b
	END_BODY
2:	ret

	BODY	body_rep		/* 4: a repeated instruction is one */
	mov	%rsp, %rsi
	mov	%rsp, %rdi
	mov	$4096, %ecx
	rep lodsb
	END_BODY

	BODY	body_far		/* 6, one of them a far branch */
	mov	%cs, %ebx
	push	%rbx
	lea	1f(%rip), %rbx
	push	%rbx
	lretq
1:	nop
	END_BODY

	/* At CPL 3. rdi = turns: 2 * turns + 1 */
	.globl	user_loop
user_loop:
1:	dec	%rdi
	jnz	1b
	ret

	/* Three NOPs and RET retire in either; the UD2s do not. */
	.globl	user_nops, user_faults
user_nops:
	.fill	3, 1, 0x90
	ret
user_faults:
	nop
	ud2
	nop
	ud2
	nop
	ret
