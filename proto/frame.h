/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: a 4-byte big-endian length, then that many bytes of a packed Frame message. */
#ifndef QIPAN_FRAME_H
#define QIPAN_FRAME_H

#include "buf.h"

enum frame_result {
    FRAME_WAIT,      /* not whole yet */
    FRAME_READY,     /* *body and *n are set; buf_consume(b, FRAME_HEADER + *n) when done with it */
    FRAME_EMPTY,     /* a length of 0: not a frame of ours */
    FRAME_TOO_LARGE, /* announced length above LIMIT_FRAME: nothing was allocated for it */
};

#define FRAME_HEADER 4

enum frame_result frame_peek(const struct buf *in, const uint8_t **body, size_t *n);

/* Writes the length before a body of n bytes. */
void frame_put_header(uint8_t header[FRAME_HEADER], size_t n);

#endif
