/* What the test image can be asked to do besides faulting (guest-tests/faulty-host/). */
#ifndef CEDE_KICK_CALL_H
#define CEDE_KICK_CALL_H

#define KICK_CALL 0x1001 /* stops all cores and lets them go on; -> how many were stopped */

#endif
