/* shim refuses a program without this section (docs/secure-boot.md): component, generation, vendor. */
    .section .sbat, "a", @progbits
    .balign 4096
    .incbin "boot/sbat.csv"

    .section .note.GNU-stack, "", @progbits
