/*
 * A program whose taken branches are known: each turn takes the same eight, from f1 to t1, ... f8 to t8, and one that is not
 * taken. perf-initrd writes their addresses into /tests/branches. In fn2 the calls that were made are f5, in fn, and f4, in _start.
 */
	.set	TURNS, 100000

	.macro	BRANCH number		/* the next instruction is one */
	.globl	f\number
f\number:
	.endm

	.macro	TARGET number
	.globl	t\number
t\number:
	.endm

	.globl	_start, fn, fn2
_start:	mov	$TURNS, %ebx
	TARGET	8
	nop
	nop
	BRANCH	1
	jmp	1f
	ud2
1:	TARGET	1
	test	%ebx, %ebx
	jz	fn			/* never */
	nop
	BRANCH	2
	jnz	1f
	ud2
1:	TARGET	2
	lea	1f(%rip), %rax
	BRANCH	3
	jmp	*%rax
	ud2
1:	TARGET	3
	nop
	BRANCH	4
	call	fn
	TARGET	7
	dec	%ebx
	BRANCH	8
	jnz	t8
	mov	$60, %eax		/* exit(0) */
	xor	%edi, %edi
	syscall

fn:	TARGET	4
	nop
	lea	fn2(%rip), %rax
	BRANCH	5
	call	*%rax
	TARGET	6
	nop
	BRANCH	7
	ret

fn2:	TARGET	5
	nop
	nop
	BRANCH	6
	ret
