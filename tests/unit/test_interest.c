/* SPDX-License-Identifier: Apache-2.0 */
/* The index finds for every change exactly those whom the view, asked about each of them, says it concerns.
 * QIPAN_SEED repeats a run. */
#include "interest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

enum {
    NO = 2,
    INDUSTRY = 15,
    REGION = 12,
    TAGS = 17,
    AUTO_TAGS = 19,
    AMOUNT = 20,
    PARK = 30,
    OFFICE = 40,
    STAGE = 50
};

static uint64_t seed;

static unsigned below(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static const char *pick(const char *const *list)
{
    unsigned n = 0;
    while (list[n])
        n++;
    return list[below(n)];
}

/* Few values, so that much meets; "" is "has none". */
static const char *const ids[] = {"p1", "p2", "p3", "2026-0001", "2026-0002", NULL};
static const char *const offices[] = {"dongshan", "chengguan", "jingkai", "", NULL};
static const char *const stages[] = {"lead", "talks", "signed", "", NULL};
static const char *const tags[] = {"新", "链", "新,链", "大,新能源", "", NULL};
static const char *const one_tag[] = {"新", "链", "大", "新能源", "", NULL};
static const char *const helpers[] = {"dongshan", "jingkai,dongshan", "chengguan,jingkai", "", NULL};
static const char *const kinds[] = {"project", "enterprise", "receipt", "due", "matter", NULL};
static const char *const industries[] = {"C", "C3", "C38", "C3825", "D", "", NULL};
static const char *const regions[] = {"34", "340102", "11", "", NULL};
static const char *const parks[] = {"east", "west", "", NULL};
static const char *const amounts[] = {"1.00", "20.00", "300.00", "", NULL};
static const char *const fields[] = {"project",  "office", "stage", "tags",         "kind",
                                     "industry", "region", "park",  "amount_total", NULL};

static const char *const *values_of(const char *field)
{
    static const char *const *const lists[] = {ids,        offices, stages, one_tag, kinds,
                                               industries, regions, parks,  amounts};
    for (int i = 0; fields[i]; i++)
        if (strcmp(fields[i], field) == 0)
            return lists[i];
    return NULL;
}

#define TERMS  3
#define VALUES 3

struct question {
    Qipan__Term terms[TERMS], *list[TERMS];
    char *values[TERMS][VALUES];
    size_t n;
};

static void ask(struct question *q)
{
    static const char *const equal[] = {"=", "=", "!=", NULL};
    static const char *const orders[] = {"=", "!=", ">=", "<=", ">", "<", NULL};
    q->n = below(TERMS + 1);
    for (size_t i = 0; i < q->n; i++) {
        Qipan__Term *t = q->list[i] = &q->terms[i];
        qipan__term__init(t);
        t->field = (char *)pick(fields);
        bool amount = strcmp(t->field, "amount_total") == 0;
        t->op = (char *)pick(amount ? orders : equal);
        t->n_values = 1 + below(VALUES);
        t->values = q->values[i];
        for (size_t k = 0; k < t->n_values; k++)
            do
                q->values[i][k] = (char *)pick(values_of(t->field));
            while (amount && !*q->values[i][k] && t->op[0] != '=' && t->op[0] != '!');
    }
}

/* An event with every field of a project, some of them changed; the strings stay. */
static const uint32_t numbers[] = {NO, INDUSTRY, REGION, TAGS, AUTO_TAGS, AMOUNT, PARK, OFFICE, STAGE};
static const char *const *const contents[] = {ids,     industries, regions, tags,  tags,
                                              amounts, parks,      offices, stages};
#define FIELDS (sizeof numbers / sizeof numbers[0])

/* The same of a matter: project, office, number, helping offices. */
static const uint32_t matter_numbers[FIELDS] = {3, 4, 8, 10};
static const char *const *const matter_contents[FIELDS] = {ids, offices, ids, helpers};

struct happening {
    Qipan__Event event;
    Qipan__FieldValue values[FIELDS], *row[FIELDS];
    Qipan__FieldChange changed[FIELDS], *changes[FIELDS];
};

static char *or_none(const char *text)
{
    return *text ? (char *)text : NULL;
}

static void happen(struct happening *h)
{
    Qipan__Event *e = &h->event;
    qipan__event__init(e);
    e->object = (char *)pick(ids);
    e->kind = below(4) ? (char *)"project" : (char *)pick(kinds);
    e->version = 1 + below(4);
    e->has_version = e->has_last = e->last = true;
    e->row = h->row;
    e->changes = h->changes;
    bool matter = strcmp(e->kind, "matter") == 0;
    const uint32_t *number = matter ? matter_numbers : numbers;
    for (size_t i = 0; i < FIELDS && number[i]; i++) {
        const char *const *content = matter ? matter_contents[i] : contents[i];
        Qipan__FieldValue *v = h->row[e->n_row] = &h->values[i];
        Qipan__FieldChange *c = h->changes[e->n_changes] = &h->changed[i];
        qipan__field_value__init(v);
        qipan__field_change__init(c);
        v->number = c->number = number[i];
        v->value = c->new_ = or_none(pick(content));
        c->old = or_none(pick(content));
        e->n_row += v->value != NULL;
        e->n_changes += content != ids && below(3) == 0;
    }
}

#define INTERESTS 300
#define CHANGES   3000

static struct interest *asked[INTERESTS];
static bool joined[INTERESTS];
static enum view_verdict wanted[INTERESTS];

static void ask_all(struct interests *all)
{
    for (int i = 0; i < INTERESTS; i++) {
        struct question q;
        const char *code, *field;
        ask(&q);
        asked[i] = interest_get(all, q.list, q.n, false, &code, &field);
        assert_non_null(asked[i]);
        joined[i] = false;
    }
}

/* Sometimes the same interest was asked for twice: it is one, with more members. */
static int owner_of(const struct interest *i)
{
    int k = 0;
    while (asked[k] != i)
        k++;
    return k;
}

static void judge_naively(struct packed *p)
{
    for (int i = 0; i < INTERESTS; i++)
        wanted[i] = VIEW_NOTHING;
    for (int i = 0; i < INTERESTS; i++)
        if (joined[i])
            wanted[owner_of(asked[i])] = view_judge_facts(&asked[i]->view, &p->events[0].facts);
}

static void compare(struct interests *all, struct packed *p)
{
    struct interest *i;
    judge_naively(p);
    interests_take(all, p);
    while ((i = interests_next(all))) {
        int k = owner_of(i);
        assert_int_equal(i->hits.n, 1);
        assert_int_equal(i->hits.v[0].form, wanted[k]);
        wanted[k] = VIEW_NOTHING;
        interest_done(i);
    }
    for (int k = 0; k < INTERESTS; k++)
        assert_int_equal(wanted[k], VIEW_NOTHING);
}

static struct packed *pack(Qipan__Event *event)
{
    Qipan__JournalReadReply reply = QIPAN__JOURNAL_READ_REPLY__INIT;
    struct journal_rows *rows = calloc(1, sizeof *rows);
    Qipan__Revision revision = QIPAN__REVISION__INIT;
    assert_non_null(rows);
    reply.n_rows = 1;
    rows->refs = 1;
    rows->reply = &reply;
    revision.n_events = 1;
    revision.events = &event;
    struct packed *p = packed_new(rows, &revision);
    journal_drop(rows);
    return p;
}

static void finds_whom_it_concerns(void **state)
{
    struct interests *all = interests_new();
    (void)state;
    ask_all(all);
    size_t met = 0;
    for (int n = 0; n < CHANGES; n++) {
        struct happening h;
        int k = (int)below(INTERESTS);
        if (joined[k])
            interest_part(all, asked[k]);
        else
            assert_true(interest_join(all, asked[k]));
        joined[k] = !joined[k];
        happen(&h);
        struct packed *p = pack(&h.event);
        compare(all, p);
        met += p->n;
        packed_drop(p);
    }
    assert_int_equal(met, CHANGES);
    for (int i = 0; i < INTERESTS; i++) {
        if (joined[i])
            interest_part(all, asked[i]);
        interest_put(all, asked[i]);
    }
    interests_free(all);
}

/* Cost follows those it concerns: of a thousand with their own project, only one is so much as looked at. */
static void others_are_not_touched(void **state)
{
    enum { MANY = 1000 };
    static struct interest *own[MANY];
    static char id[MANY][16];
    struct interests *all = interests_new();
    Qipan__Term term = QIPAN__TERM__INIT, *terms[] = {&term};
    Qipan__Event event = QIPAN__EVENT__INIT;
    const char *code, *field;
    (void)state;
    term.field = (char *)"project";
    term.op = (char *)"=";
    term.n_values = 1;
    for (int i = 0; i < MANY; i++) {
        char *value = id[i];
        snprintf(id[i], sizeof id[i], "p%d", i);
        term.values = &value;
        own[i] = interest_get(all, terms, 1, false, &code, &field);
        assert_true(interest_join(all, own[i]));
    }
    event.kind = (char *)"project";
    event.object = id[77];
    event.version = 2;
    event.last = true;
    struct packed *p = pack(&event);
    interests_take(all, p);
    assert_ptr_equal(interests_next(all), own[77]);
    assert_null(interests_next(all));
    interest_done(own[77]);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(own[i]->stamp != 0, i == 77);
    packed_drop(p);
    for (int i = 0; i < MANY; i++) {
        interest_part(all, own[i]);
        interest_put(all, own[i]);
    }
    interests_free(all);
}

/* An import of three rows, the middle one concerns it: one line, with the last. */
static void one_line_of_an_import(void **state)
{
    struct interests *all = interests_new();
    Qipan__Term term = QIPAN__TERM__INIT, *terms[] = {&term};
    char *value = (char *)"p2";
    const char *code, *field;
    Qipan__Event events[3], *list[3];
    Qipan__JournalReadReply reply = QIPAN__JOURNAL_READ_REPLY__INIT;
    Qipan__Revision revision = QIPAN__REVISION__INIT;
    struct journal_rows *rows = calloc(1, sizeof *rows);
    (void)state;
    term.field = (char *)"project";
    term.op = (char *)"=";
    term.n_values = 1;
    term.values = &value;
    for (int i = 0; i < 3; i++) {
        list[i] = &events[i];
        qipan__event__init(list[i]);
        events[i].kind = (char *)"project";
        events[i].object = (char *)ids[i];
        events[i].batch = (char *)"b1";
        events[i].version = 1;
        events[i].last = i == 2;
    }
    reply.n_rows = 1;
    rows->refs = 1;
    rows->reply = &reply;
    revision.n_events = 3;
    revision.events = list;
    struct packed *p = packed_new(rows, &revision);
    journal_drop(rows);
    struct interest *lines = interest_get(all, terms, 1, false, &code, &field);
    struct interest *summary = interest_get(all, terms, 1, true, &code, &field);
    assert_ptr_not_equal(lines, summary);
    interest_join(all, lines);
    interest_join(all, summary);
    for (int twice = 0; twice < 2; twice++) {
        interests_take(all, p);
        assert_int_equal(lines->hits.n, 1);
        assert_int_equal(lines->hits.v[0].form, PACKED_ENTER);
        assert_ptr_equal(lines->hits.v[0].event, &p->events[1]);
        assert_int_equal(summary->hits.n, 1);
        assert_int_equal(summary->hits.v[0].form, PACKED_SUMMARY);
        assert_ptr_equal(summary->hits.v[0].event, &p->events[2]);
        while (interests_next(all))
            ;
        interest_done(lines);
        interest_done(summary);
    }
    packed_drop(p);
    interest_part(all, lines);
    interest_part(all, summary);
    interest_put(all, lines);
    interest_put(all, summary);
    interests_free(all);
}

int main(void)
{
    const char *text = getenv("QIPAN_SEED");
    seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    printf("QIPAN_SEED=%llu\n", (unsigned long long)seed);
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_whom_it_concerns),
                                       cmocka_unit_test(others_are_not_touched),
                                       cmocka_unit_test(one_line_of_an_import)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
