/* A program whose accesses to memory are known: TURNS turns, in each three loads and a store, each of another line than the one
 * before. Two of the loads find theirs in the cache, the third never does. */
	.set	TURNS, 100000
	.globl	_start
_start:	mov	$TURNS, %ecx
1:	mov	%ecx, %eax
	and	$31, %eax
	shl	$6, %eax
near:	mov	near_lines(%rax), %rdx
write:	mov	%rdx, written_lines(%rax)
again:	mov	near_lines(%rax), %rdx
	clflush	far_line
far:	mov	far_line, %rbx
	dec	%ecx
	jnz	1b
	mov	$60, %eax		/* exit(0) */
	xor	%edi, %edi
	syscall

	.bss
	.balign	4096
near_lines:
	.space	2048
written_lines:
	.space	2048
	.balign	4096
far_line:
	.space	64
