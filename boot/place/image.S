/* The hypervisor image (build/hv.elf without its debug information). */
    .section .rodata.hv_image, "a", @progbits
    .globl hv_image, hv_image_end
    .hidden hv_image, hv_image_end
    .balign 16
hv_image:
    .incbin HV_IMAGE
hv_image_end:

    .section .note.GNU-stack, "", @progbits
