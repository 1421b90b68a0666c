/* Changes of policy that the test image makes on request (guest-tests/faulty-host/). */
#ifndef CEDE_POLICY_CALL_H
#define CEDE_POLICY_CALL_H

#define POLICY_CALL 0x1002 /* -> how many cores were stopped for it */

enum {
    POLICY_FILTERED, /* with the list that is in force */
    POLICY_FULL,
    POLICY_OFF,
    POLICY_ARCHITECTURAL, /* filtered, with this list */
    POLICY_ALL,
    POLICY_ONLY_CYCLES,
    POLICY_EVERYTHING, /* all that can be granted */
    POLICY_LBR,        /* architectural, and branch records */
};

#endif
