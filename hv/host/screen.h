/* Lines at the top of the screen that the firmware had set up (boot_info.h), white on black, until
 * it is full: for a machine without a serial line. Whether what is there is still a screen, and in
 * this mode, Cede does not know: hv/host/screen.c says what it does about that. */
#ifndef CEDE_SCREEN_H
#define CEDE_SCREEN_H

/* Draws on nothing where there is no screen, or this core is a partition's. */
void screen_line(const char *text);

#endif
