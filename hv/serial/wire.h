/* The wire: one 16550 and who uses it. All of it under log_lock.
 *
 *     UART --> input --+-- at the prompt: Cede's command line, or the partition attached to
 *                      +-- else: guest.in, and the guest reads it (guest_uart.h)
 *     UART <-- answer, words, and when nobody is at the prompt held <-- the guest
 *
 * A port of Cede's own has no guest, and is at the prompt for ever. */
#ifndef CEDE_CONSOLE_WIRE_H
#define CEDE_CONSOLE_WIRE_H

#include "serial/escape.h"
#include "serial/guest_uart.h"
#include "serial/ring.h"
#include "serial/virtual_uart.h"
#include "serial/uart.h"

#define ANSWER_SIZE KIB(32)
#define HELD_SIZE   KIB(64)
#define WORDS_SIZE  KIB(4)
#define INPUT_SIZE  KIB(2) /* two bytes each: LSR's error bits, and the byte */

struct wire {
    struct boot_uart uart;
    u8 mode; /* enum wire_mode */
    bool at_prompt;
    bool sending;            /* bytes of Cede's, or that it held, may be in the transmitter */
    bool answering;          /* part of the answer has been sent */
    volatile bool composing; /* the answer is not complete: none of it is sent yet */
    u8 depth;                /* bytes that an empty transmitter takes */
    u8 ier;                  /* as the UART has it */
    bool raised;             /* the guest was interrupted, and has not asked why yet */
    struct escape escape;
    struct ring input;  /* not yet looked at */
    struct ring answer; /* what a command says; put by who holds the console */
    struct ring words;  /* echo, prompts, the log while the wire is busy */
    struct ring held;   /* what the guest has sent meanwhile */
    struct guest_uart guest;
    struct virtual_uart *attached; /* the partition's that the operator is at, or NULL */
    u64 last_key;                  /* TSC: when the operator last typed */
    u64 idle; /* TSC ticks after which a full ring ends a visit to the prompt */
    u64 lost; /* bytes of the guest's: the ring was full, and it did not wait */
};

extern struct wire wire;

void wire_init(const struct boot_info *info);

/* Takes in what has arrived, sends what the UART takes. */
void wire_pump(void);
/* The same, and tells the guest, which is not just asking. */
void wire_poll(void);

/* The first, and whether nothing is left to send. */
bool wire_sent(void);

/* The operator's next byte, at the prompt. */
bool wire_key(u8 *byte);

/* Cede's own words: sent at once if the wire is free, else after what is being sent. */
void wire_say(char c);
/* The same, when nothing can be relied upon. */
void wire_cry(char c);

/* From the prompt to the guest's console. */
void wire_leave(void);

/* From the prompt to a partition's. */
void wire_attach(struct virtual_uart *uart);

/* Whether the guest's bytes go to the UART as they come. */
bool wire_direct(void);

/* For hv/serial/guest_uart.c: takes in what has arrived; sends what the UART takes; lets it
 * interrupt as the guest and what is left to send want it; makes it interrupt now. */
void wire_receive(void);
void wire_send(void);
void wire_set_ier(void);
void wire_raise(void);

#endif
