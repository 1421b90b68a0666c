/*
 * A ROM that checks one thing about a freshly built emulator: 64-bit IDIV, which some builds get wrong. It
 * goes from reset to long mode, divides, and writes to port 0xf4: 0 when all quotients and remainders are right.
 */
	.set	TABLES, 0x1000		/* PML4, PDPT, PD: one 2 MiB page */
	.set	CODE64, 8

	.code16
	.section .text
start:	cli
	lgdtl	%cs:(gdtr - start)
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$16, $start32

	.code32
start32:
	mov	$24, %eax
	mov	%eax, %ds
	mov	%eax, %ss
	movl	$TABLES + 0x1003, TABLES
	movl	$TABLES + 0x2003, TABLES + 0x1000
	movl	$0x83, TABLES + 0x2000
	mov	$0x20, %eax		/* PAE */
	mov	%eax, %cr4
	mov	$TABLES, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx	/* EFER.LME */
	rdmsr
	or	$0x100, %eax
	wrmsr
	mov	%cr0, %eax
	or	$0x80000000, %eax
	mov	%eax, %cr0
	ljmpl	$CODE64, $start64

	.code64
start64:
	mov	$cases, %esi
	mov	$(cases_end - cases) / 40, %ecx
1:	mov	(%rsi), %rdx
	mov	8(%rsi), %rax
	idivq	16(%rsi)
	cmp	24(%rsi), %rax
	jne	2f
	cmp	32(%rsi), %rdx
	jne	2f
	add	$40, %rsi
	loop	1b
	xor	%eax, %eax
	out	%al, $0xf4
2:	mov	$1, %eax
	out	%al, $0xf4
3:	hlt
	jmp	3b

	.balign 8
cases:	/* high, low, divisor; quotient, remainder */
	.quad	0, 1000, 7, 142, 6
	.quad	-1, -1000, 7, -142, -6
	.quad	0, 1000, -7, -142, 6
	.quad	-1, -1000, -7, 142, -6
	.quad	0, 0x7fffffffffffffff, 3, 0x2aaaaaaaaaaaaaaa, 1
	.quad	-1, 0x8000000000000000, 2, 0xc000000000000000, 0
	.quad	1, 0, 16, 0x1000000000000000, 0
	.quad	-1, 0, 4, 0xc000000000000000, 0
cases_end:

gdt:	.quad	0
	.quad	0x00af9b000000ffff	/* 8: 64-bit code */
	.quad	0x00cf9b000000ffff	/* 16: 32-bit code */
	.quad	0x00cf93000000ffff	/* 24: data */
gdtr:	.word	. - gdt - 1
	.long	gdt

	.section .reset, "ax"
	.code16
	ljmp	$0xf000, $0
	.balign	16
