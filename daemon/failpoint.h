/* SPDX-License-Identifier: Apache-2.0 */
/* Marks where a test makes the daemon fall or stand still, and deliberate bugs that prove the tests: in the test build
 * (make FAIL=1) only; elsewhere nothing of it is left.
 *
 *   QIPAN_FAILPOINT=name:panic[:n] or name:sleep=MS[:n], several joined by commas. panic is a SIGKILL; sleep stops the
 *   whole process for as long. n: at the n-th hit only (panic: the first by default; sleep: every one).
 *   QIPAN_BUG=name[,name]. An unknown name ends the daemon at once, so that a test cannot pass by a slip.
 *
 * failpoint.def lists the names. */
#ifndef QIPAN_FAILPOINT_H
#define QIPAN_FAILPOINT_H

#include <stdbool.h>

#ifdef QIPAN_FAILPOINTS
void failpoint_start(void); /* reads the environment */
void failpoint_hit(const char *name);
bool failpoint_next(const char *name);
bool failpoint_bug(const char *name, unsigned each);

#define FAILPOINT_START()     failpoint_start()
#define FAILPOINT(name)       failpoint_hit(name)
#define FAILPOINT_NEXT(name)  failpoint_next(name) /* the next hit of it will act */
#define BUG(name)             failpoint_bug(name, 1)
#define BUG_EACH(name, times) failpoint_bug(name, times) /* at every so many-th pass */
#else
#define FAILPOINT_START()     ((void)0)
#define FAILPOINT(name)       ((void)0)
#define FAILPOINT_NEXT(name)  false
#define BUG(name)             false
#define BUG_EACH(name, times) false
#endif

#endif
