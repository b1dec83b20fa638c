/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets what of an event, over every audience before, after and now, every reader and every verdict of the terms: beside
 * the rule said once more, plainly. And what hides an object hides what waits about it. */
#include "packed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { EVERYBODY, OURS, THEIRS, SAME, AUDIENCES };

static int32_t everybody[] = {1}, ours[] = {2, 20}, theirs[] = {2, 24};
static int32_t *const sets[] = {everybody, ours, theirs};
static const size_t sizes[] = {1, 2, 2};

static void put(int which, size_t *n, int32_t **tokens)
{
    *n = which == SAME ? 0 : sizes[which];
    *tokens = which == SAME ? NULL : sets[which];
}

static bool seen_by(const struct grants *g, int which)
{
    return grants_meet(g, sets[which], sizes[which]);
}

/* What he may be told: content if he might see it then and may now, a leave if he might before, else nothing. */
static int expected(const struct grants *g, int before, int after, int now, bool existed,
                    enum packed_form form)
{
    bool was_his = existed && (form == PACKED_UPDATE || form == PACKED_LEAVE);
    bool is_his = form == PACKED_UPDATE || form == PACKED_ENTER;
    bool saw = existed && seen_by(g, before), might = seen_by(g, after), may = seen_by(g, now);

    if (is_his && might)
        return !may ? -1 : existed && !saw ? PACKED_REVEAL : (int)form;
    return was_his && saw ? might && may ? PACKED_LEAVE : PACKED_VANISH : -1;
}

static void each_case(void **state)
{
    static const char *const readers[] = {"1", "1,20", "1,2,3", "4", ""};
    int cases = 0;
    (void)state;
    for (size_t r = 0; r < sizeof readers / sizeof *readers; r++) {
        struct grants g;
        assert_true(grants_parse(readers[r], &g));
        for (int old = 0; old < AUDIENCES; old++)
            for (int after = 0; after < SAME; after++)
                for (int now = 0; now < AUDIENCES; now++)
                    for (int existed = 0; existed < 2; existed++)
                        for (int form = PACKED_ENTER; form <= PACKED_LEAVE; form++) {
                            Qipan__Event event = QIPAN__EVENT__INIT;
                            struct packed_event e = {.event = &event, .facts = {.existed = existed}};
                            enum packed_form got;
                            if (after != EVERYBODY)
                                put(after, &event.n_audience, &event.audience);
                            put(old, &event.n_audience_old, &event.audience_old);
                            put(now, &event.n_audience_now, &event.audience_now);
                            e.open = after == EVERYBODY && old == SAME && now == SAME;
                            e.now = (struct audience){sets[now == SAME ? after : now],
                                                      sizes[now == SAME ? after : now]};
                            bool told = packed_in_sight(&e, &g, (enum packed_form)form, &got);
                            int want = expected(&g, old == SAME ? after : old, after,
                                                now == SAME ? after : now, existed, (enum packed_form)form);
                            if (!existed && form != PACKED_ENTER)
                                continue; /* no such verdict */
                            assert_int_equal(told ? (int)got : -1, want);
                            cases++;
                        }
    }
    assert_in_range(cases, 900, 1000);
}

static void lists_of_tokens(void **state)
{
    struct grants g;
    char many[1024] = "1";
    (void)state;
    assert_true(grants_parse("", &g));
    assert_true(g.n == 0 && !g.reader);
    assert_true(grants_parse("2,3,17", &g));
    assert_true(g.n == 3 && !g.reader && grants_meet(&g, (int32_t[]){9, 17}, 2));
    static const char *const bad[] = {"1,", ",1", "1 ,2", "-1", "0", "a", "1,x", "99999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bool good = grants_parse(bad[i], &g);
        assert_true(!good || strcmp(bad[i], "1,") == 0);
        assert_true(good || g.n == 0);
    }
    for (int i = 2; i < 200; i++)
        sprintf(many + strlen(many), ",%d", i);
    assert_true(grants_parse(many, &g)); /* what doesn't fit isn't granted */
    assert_true(g.n == GRANTS_MAX && !grants_meet(&g, (int32_t[]){199}, 1));
}

static void hides_what_waits(void **state)
{
    Qipan__Event old = QIPAN__EVENT__INIT, other = QIPAN__EVENT__INIT, hides = QIPAN__EVENT__INIT;
    struct packed *p = calloc(1, sizeof *p + 2 * sizeof p->events[0]);
    struct packed_event by = {.event = &hides};
    struct grants reader;
    enum packed_form form;
    (void)state;
    grants_parse("1", &reader);
    p->n = 2;
    p->events[0] = (struct packed_event){.event = &old, .open = true, .facts = {.existed = true}};
    p->events[1] = (struct packed_event){.event = &other, .open = true, .facts = {.existed = true}};
    p->events[0].facts.after[VIEW_PROJECT] = "p1";
    p->events[1].facts.after[VIEW_PROJECT] = "p2";
    by.facts.after[VIEW_PROJECT] = "p1";
    put(OURS, &hides.n_audience, &hides.audience);
    packed_turn(p, &by);
    assert_false(packed_in_sight(&p->events[0], &reader, PACKED_UPDATE, &form));
    assert_true(packed_in_sight(&p->events[1], &reader, PACKED_UPDATE, &form));
    hides.n_audience = 0; /* shown again: all of it was written while everybody might see it */
    packed_turn(p, &by);
    assert_true(packed_in_sight(&p->events[0], &reader, PACKED_UPDATE, &form));
    free(p);
}

/* Hidden and shown again in one revision: the later change knows better than the earlier one. */
static void later_changes_stand(void **state)
{
    Qipan__Event hides = QIPAN__EVENT__INIT, shows = QIPAN__EVENT__INIT;
    struct packed *p = calloc(1, sizeof *p + 2 * sizeof p->events[0]);
    struct grants reader;
    enum packed_form form;
    (void)state;
    grants_parse("1", &reader);
    put(OURS, &hides.n_audience, &hides.audience);
    put(EVERYBODY, &hides.n_audience_old, &hides.audience_old);
    put(EVERYBODY, &hides.n_audience_now, &hides.audience_now);
    put(OURS, &shows.n_audience_old, &shows.audience_old);
    p->n = 2;
    p->events[0] = (struct packed_event){.event = &hides, .now = {everybody, 1}, .facts = {.existed = true}};
    p->events[1] = (struct packed_event){.event = &shows, .facts = {.existed = true}};
    for (int i = 0; i < 2; i++)
        p->events[i].facts.after[VIEW_PROJECT] = "p1";
    for (int i = 0; i < 2; i++)
        packed_turn(p, &p->events[i]);
    assert_true(packed_in_sight(&p->events[0], &reader, PACKED_UPDATE, &form));
    assert_int_equal(form, PACKED_VANISH);
    assert_true(packed_in_sight(&p->events[1], &reader, PACKED_UPDATE, &form));
    assert_int_equal(form, PACKED_REVEAL);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_case), cmocka_unit_test(lists_of_tokens),
                                       cmocka_unit_test(hides_what_waits),
                                       cmocka_unit_test(later_changes_stand)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
