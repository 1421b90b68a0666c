/* A Linux bzImage as far as a loader looks: the setup header (kernel: Documentation/arch/x86/boot.rst), and
 * the 64-bit entry. */
        .section .header, "a"
        .org 0x1f1
        .byte 1                     /* setup_sects */
        .word 0
        .long _paragraphs           /* syssize */
        .word 0, 0, 0
        .word 0xaa55                /* boot_flag */
        .byte 0xeb, header_end - 0x202
        .ascii "HdrS"
        .word 0x20f                 /* version */
        .org 0x211
        .byte 1                     /* loadflags: LOADED_HIGH */
        .org 0x22c
        .long 0x7fffffff            /* initrd_addr_max */
        .long 0x200000              /* kernel_alignment */
        .byte 0, 21                 /* not relocatable */
        .word 1                     /* xloadflags: XLF_KERNEL_64 */
        .long 2047                  /* cmdline_size */
        .org 0x258
        .quad _start                /* pref_address */
        .long _init_size
        .org 0x268
header_end:
        .org 0x400

        .section .text.start, "ax"
        .code64
        cli                         /* the 32-bit entry, which nobody takes */
        hlt
        .org 0x200
        lea _bss(%rip), %rdi        /* may hold what an earlier start left: the loader owes no zeros */
        lea _end(%rip), %rcx
        sub %rdi, %rcx
        xor %eax, %eax
        cld
        rep stosb
        mov %rsi, %rdi
        lea blocks+0x40000(%rip), %rsp  /* CORE_BLOCK */
        mov %cr3, %rsi
        call partition_main
        .section .note.GNU-stack, "", @progbits
