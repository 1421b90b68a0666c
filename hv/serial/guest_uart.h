/* The guest's side of a shared 16550. Bytes that arrive are taken out of the UART by Cede, which
 * looks for the operator's escape, and given to the guest from a ring; what the guest sends goes to
 * the UART at once while nobody is at the prompt, and to a ring else. All other functions are the
 * UART's own, but for the divisor latch (kept in reach of both) and loopback (never let through:
 * Cede's words would come back as the guest's input).
 *
 * The guest's interrupts are the UART's. Where it has none for what the guest has to know, it is
 * made to interrupt: enabling ETBEI while the transmitter is empty does it (PC16550D, 8.6.6).
 * All of it under log_lock. */
#ifndef CEDE_CONSOLE_GUEST_UART_H
#define CEDE_CONSOLE_GUEST_UART_H

#include "serial/ring.h"

struct guest_uart {
    struct ring in; /* two bytes each, as in wire.input */
    u8 ier, fcr, lcr, mcr, rbr;
    u16 divisor;
    bool thre;    /* a transmitter-empty interrupt is due */
    bool blocked; /* it was told that the transmitter is busy, since the ring was full */
    bool fcr_due; /* the UART has not got it yet */
};

/* Takes over from the firmware what the UART is set to. */
void guest_uart_start(void);

u8 guest_uart_read(u32 reg);
void guest_uart_write(u32 reg, u8 value);

/* A byte for the guest, with LSR's error bits. One that does not fit is an overrun. */
void guest_uart_receive(u8 errors, u8 byte);

/* Whether it has something to be interrupted for. */
bool guest_uart_pending(void);

/* The operator has taken the wire: the guest's transmitter is the ring, which is ready. */
void guest_uart_divert(void);

/* What waited for the wire to be free. */
void guest_uart_catch_up(void);

#endif
