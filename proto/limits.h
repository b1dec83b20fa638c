/* SPDX-License-Identifier: Apache-2.0 */
/* The limits of the protocol: what both ends must agree on. Bytes unless the name says otherwise. */
/* Our folder may come before the system's on the search path: hide nothing. Outside the guard, for the compiler's own
 * limits.h comes back here on its way to the C library's. */
#include_next <limits.h>

#ifndef QIPAN_LIMITS_H
#define QIPAN_LIMITS_H

#define QIPAN_PROTOCOL_VERSION 1
#define QIPAN_ALPN             "qipan/1"
#define QIPAN_DEFAULT_PORT     "7465"

#define LIMIT_FRAME        (64 * 1024)  /* body of one frame, the 4-byte length not counted */
#define LIMIT_ARENA        (512 * 1024) /* memory one unpacked frame may take */
#define LIMIT_DEPTH        8            /* messages inside messages */
#define LIMIT_ELEMENTS     24576        /* fields of one frame, at all levels; a full Feed has 20 000 */
#define LIMIT_UNKNOWN      64           /* fields we don't know: a newer peer has a few, an attacker many */
#define LIMIT_CHUNK        (48 * 1024)  /* payload of one import chunk */
#define LIMIT_CHUNK_WINDOW 4            /* import chunks in flight */
#define LIMIT_REQUEST_ID   64           /* characters of a request id: [A-Za-z0-9._:-] */
#define LIMIT_IN_FLIGHT    64           /* calls of one connection that wait for their reply */
#define LIMIT_WATCHES      16           /* watches of one connection */
#define LIMIT_PAGE_ROWS    500          /* rows of one list page */
#define LIMIT_CREDIT       (16 << 20)   /* most credit a watch may hold */
#define CREDIT_DEFAULT     (256 * 1024) /* of a watch that names none */
#define LIMIT_KNOWN        16           /* earlier places a watch may name */
#define LIMIT_OBJECTS      2048         /* objects a watch may ask the state of */

#define LIMIT_DEADLINE_MS 15000  /* longest a request may wait; also the default of the daemon */
#define LIMIT_BULK_MS     300000 /* the same for operations of the bulk lane: imports */
#define HANDSHAKE_MS      5000   /* from accept to Welcome */
#define PING_MS           10000  /* a link idle for this long is pinged by the daemon */
#define DEAD_MS           25000  /* a link silent for this long is closed by either end */
#define GOODBYE_MS        2000   /* patience for the last bytes of a link that is being closed */

#endif
