/* SPDX-License-Identifier: Apache-2.0 */
/* What a stranger sends first: the same verdict however it is cut, never more than two hellos, never a long one. */
#include "fuzz.h"
#include "opening.h"

static bool take(struct opening *o, const uint8_t *bytes, size_t n, size_t piece)
{
    bool good = true;

    *o = (struct opening){0};
    for (size_t i = 0; i < n && good; i += piece)
        good = opening_take(o, bytes + i, n - i < piece ? n - i : piece);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct opening whole, cut;
    bool good = take(&whole, bytes, n, n + 1);

    MUST(take(&cut, bytes, n, 1) == good);
    MUST(take(&cut, bytes, n, 7) == good);
    MUST(!good || (cut.hellos == whole.hellos && cut.left == whole.left && cut.sealed == whole.sealed));
    MUST(whole.hellos <= 2);
    MUST(!good || !opening_ready(&whole) || (bytes[0] == 22 && bytes[5] == 1 && bytes[6] == 0));
    MUST(whole.sealed || whole.left <= OPENING_HELLO || !good);
    return 0;
}
