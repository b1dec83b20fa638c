/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"
#include "limits.h"

enum frame_result frame_peek(const struct buf *in, const uint8_t **body, size_t *n)
{
    const uint8_t *head;
    size_t len;

    if (buf_len(in) < FRAME_HEADER)
        return FRAME_WAIT;
    head = buf_head(in);
    len = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    if (len == 0)
        return FRAME_EMPTY;
    if (len > LIMIT_FRAME)
        return FRAME_TOO_LARGE;
    if (buf_len(in) - FRAME_HEADER < len)
        return FRAME_WAIT;
    *body = head + FRAME_HEADER;
    *n = len;
    return FRAME_READY;
}

void frame_put_header(uint8_t header[FRAME_HEADER], size_t n)
{
    for (int i = 0; i < FRAME_HEADER; i++)
        header[i] = (uint8_t)(n >> 8 * (FRAME_HEADER - 1 - i));
}
