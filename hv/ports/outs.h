/* OUTS at a port that exits. Drivers fill a UART's FIFO with REP OUTSB, Windows' and the BSDs'
 * among them. INS they do not use there: a receiver has to be asked for each byte. */
#ifndef CEDE_OUTS_H
#define CEDE_OUTS_H

#include "cpu.h"

/* As the exit describes it. */
struct outs {
    u64 linear; /* address of the element */
    u64 mask;   /* of the address size: what of RSI and RCX counts */
    u16 port;
    u8 size;
    bool repeat;
};

enum outs_status {
    OUTS_DONE,
    OUTS_AGAIN,  /* an element is out, the instruction goes on: RIP stays, interrupts may come */
    OUTS_REFUSED /* no memory there; nothing has changed */
};

/* One element. Its page is only looked up: what the processor checks besides, CPL 0 is free to
 * pass, so call it for CPL 0 only. */
enum outs_status outs(struct cpu *cpu, const struct outs *outs);

#endif
