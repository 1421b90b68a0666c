/* Lines at the top of the screen that the firmware had set up (boot_info.h), white on black, until
 * it is full: for a machine without a serial line. In the mode that was set then: an OS that has
 * changed it since gets strange pixels. */
#ifndef CEDE_SCREEN_H
#define CEDE_SCREEN_H

/* Draws nothing where there is no screen, or no more, or this core is a partition's. */
void screen_line(const char *text);

#endif
