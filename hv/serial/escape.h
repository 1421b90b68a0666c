/* The key that moves an operator between a guest's console and Cede's prompt: twice in a row goes
 * to the other one, more often goes to the prompt whatever the second has done, so that programs
 * get there from anywhere. Once, before another byte, it is an ordinary byte. Pure. */
#ifndef CEDE_CONSOLE_ESCAPE_H
#define CEDE_CONSOLE_ESCAPE_H

#include "types.h"

struct escape {
    u8 key;
    bool held;     /* one has come, and waits for what follows */
    bool switched; /* the last byte was the second, or one more */
};

enum escape_event {
    ESCAPE_BYTE,   /* the byte is for whoever has the console */
    ESCAPE_BOTH,   /* so is the key before it */
    ESCAPE_HELD,   /* nothing yet */
    ESCAPE_SWITCH, /* to the other */
    ESCAPE_PROMPT, /* to the prompt */
};

static inline enum escape_event escape_byte_seen(struct escape *escape, u8 byte)
{
    bool held = escape->held, switched = escape->switched;

    escape->held = escape->switched = false;
    if (byte != escape->key)
        return held ? ESCAPE_BOTH : ESCAPE_BYTE;
    escape->held = !held && !switched;
    escape->switched = !escape->held;
    return switched ? ESCAPE_PROMPT : held ? ESCAPE_SWITCH : ESCAPE_HELD;
}

#endif
