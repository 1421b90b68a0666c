/* What the faulty image can be asked to do. Each but the first stops the core that asks. */
#ifndef CEDE_FAULTY_H
#define CEDE_FAULTY_H

#define FAULTY_CALL 0x1000

enum {
    FAULTY_FIXUPS, /* 1: expected faults in the host are fixed up */
    FAULTY_UD2,
    FAULTY_WRITE_TEXT,
    FAULTY_WRITE_RODATA,
    FAULTY_GUARD_PAGE,
    FAULTY_RUN_DATA,
    FAULTY_COUNT
};

/* screen.c: while the firmware is up; after the faults. */
void screen_find(void);
void screen_probe(void);

#endif
