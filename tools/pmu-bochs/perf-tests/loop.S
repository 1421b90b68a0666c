/* A program whose counts are known: in user mode 2 * TURNS + 4 instructions, of them TURNS + 1 branches. */
	.set	TURNS, 10000000
	.globl	_start
_start:	mov	$TURNS, %ecx
1:	dec	%ecx
	jnz	1b
	mov	$60, %eax		/* exit(0) */
	xor	%edi, %edi
	syscall
