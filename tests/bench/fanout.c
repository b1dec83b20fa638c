/* SPDX-License-Identifier: Apache-2.0 */
/* How long until a change is seen elsewhere: one office edits at a steady rate, many watch, each over its own link.
 *
 *   fanout ADDRESSES PKI WATCHERS EDITS-PER-SECOND SECONDS
 *
 * Prints one JSON object; times in microseconds. `sent` counts from the edit's first byte, `acked` from the moment
 * the editor holds its acknowledgement (so an event that overtakes it counts 0). */
#include "qipan.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WATCHERS_MAX 2000
#define EDITS_MAX    100000
#define PROJECTS     50

static struct edit {
    uint64_t sent_us, acked_us;
} edits[EDITS_MAX];

static struct sample {
    uint32_t edit;
    uint64_t at_us;
} * samples;

static size_t n_samples, n_edits, n_acked, n_failed, samples_max;
static int live;

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static struct qipan *open_link(const char *addresses, const char *pki, const char *who)
{
    char ca[512], cert[512], key[512], why[QIPAN_WHY_SIZE];
    snprintf(ca, sizeof ca, "%s/ca.pem", pki);
    snprintf(cert, sizeof cert, "%s/%s.pem", pki, who);
    snprintf(key, sizeof key, "%s/%s.key", pki, who);
    struct qipan_settings s = {.addresses = addresses, .ca = ca, .cert = cert, .key = key, .client = "bench"};
    struct qipan *q = qipan_open(&s, why);
    if (!q) {
        fprintf(stderr, "%s: %s\n", who, why);
        exit(1);
    }
    return q;
}

/* Every link gets its turn; returns at the latest at until_us. */
static void run_links(struct qipan **links, int n, uint64_t until_us)
{
    static struct pollfd fds[WATCHERS_MAX + 1];
    do {
        uint64_t now = now_us();
        int wait = until_us > now ? (int)((until_us - now) / 1000) : 0;
        for (int i = 0; i < n; i++) {
            int own = qipan_timeout_ms(links[i]);
            wait = own >= 0 && own < wait ? own : wait;
            fds[i] = (struct pollfd){qipan_fd(links[i]), qipan_events(links[i]), 0};
        }
        poll(fds, (nfds_t)n, wait);
        for (int i = 0; i < n; i++)
            if (fds[i].revents || qipan_timeout_ms(links[i]) == 0)
                qipan_process(links[i], fds[i].revents);
    } while (now_us() < until_us);
}

static void on_notice(const struct qipan_notice *notice, void *arg)
{
    (void)arg;
    if (notice->kind == QIPAN_STATE && strcmp(notice->state, "LIVE") == 0)
        live++;
    if (notice->kind != QIPAN_EVENT || n_samples == samples_max)
        return;
    for (size_t i = 0; i < notice->event->n_changes; i++) {
        const char *value = notice->event->changes[i]->new_;
        if (value && strncmp(value, "edit ", 5) == 0)
            samples[n_samples++] = (struct sample){(uint32_t)atoi(value + 5), now_us()};
    }
}

static void on_edited(const struct qipan_reply *reply, void *arg)
{
    struct edit *edit = arg;
    edit->acked_us = now_us();
    n_acked++;
    if (reply->error && n_failed++ == 0)
        fprintf(stderr, "%s: %s\n", reply->error->code, reply->error->message);
}

static void add_projects(struct qipan *q, char ids[PROJECTS][32])
{
    for (int i = 0; i < PROJECTS; i++) {
        Qipan__ProjectAddRequest request = QIPAN__PROJECT_ADD_REQUEST__INIT;
        Qipan__Project set = QIPAN__PROJECT__INIT;
        struct qipan_result result;
        char name[64];
        snprintf(name, sizeof name, "测速项目 %d-%ld", i, (long)time(NULL));
        set.name = set.investor = name;
        set.stage = (char *)"lead";
        request.set = &set;
        if (qipan_call_wait(q, QIPAN_OP_project_add, &request.base, NULL, &result) != QIPAN_DONE) {
            fprintf(stderr, "add: %s\n", result.error ? result.error->message : "interrupted");
            exit(1);
        }
        snprintf(ids[i], 32, "%s", ((const Qipan__ProjectReply *)result.message)->project->id);
        qipan_result_free(&result);
    }
}

static void send_edit(struct qipan *q, char *id)
{
    Qipan__ProjectEditRequest request = QIPAN__PROJECT_EDIT_REQUEST__INIT;
    Qipan__Project set = QIPAN__PROJECT__INIT;
    char text[32];
    snprintf(text, sizeof text, "edit %zu", n_edits);
    set.summary = text;
    request.id = id;
    request.set = &set;
    edits[n_edits].sent_us = now_us();
    qipan_call(q, QIPAN_OP_project_edit, &request.base, NULL, on_edited, &edits[n_edits]);
    n_edits++;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_quantiles(const char *name, int64_t *values, size_t n)
{
    qsort(values, n, sizeof *values, by_value);
    printf("\"%s\":{\"p50\":%lld,\"p99\":%lld,\"max\":%lld}", name, (long long)values[n / 2],
           (long long)values[n * 99 / 100], (long long)values[n - 1]);
}

static void report(size_t expected)
{
    int64_t *sent = malloc((n_samples + 1) * sizeof *sent), *acked = malloc((n_samples + 1) * sizeof *acked);
    if (!sent || !acked || !n_samples)
        exit(1);
    for (size_t i = 0; i < n_samples; i++) {
        const struct edit *e = &edits[samples[i].edit];
        sent[i] = (int64_t)(samples[i].at_us - e->sent_us);
        acked[i] =
            e->acked_us && samples[i].at_us > e->acked_us ? (int64_t)(samples[i].at_us - e->acked_us) : 0;
    }
    printf("{\"edits\":%zu,\"failed\":%zu,\"events\":%zu,\"expected\":%zu,", n_edits, n_failed, n_samples,
           expected);
    print_quantiles("sent", sent, n_samples);
    printf(",");
    print_quantiles("acked", acked, n_samples);
    printf("}\n");
    free(sent);
    free(acked);
}

int main(int argc, char **argv)
{
    static struct qipan *links[WATCHERS_MAX + 1];
    static char ids[PROJECTS][32];
    static const char *const offices[] = {"chengguan", "dongshan", "jingkai", "fagai", "ziran"};
    int watchers = argc > 3 ? atoi(argv[3]) : 0, rate = argc > 4 ? atoi(argv[4]) : 0,
        seconds = argc > 5 ? atoi(argv[5]) : 0;
    if (argc != 6 || watchers < 1 || watchers > WATCHERS_MAX || rate < 1 || seconds < 1 ||
        rate * seconds > EDITS_MAX) {
        fprintf(stderr, "usage: fanout ADDRESSES PKI WATCHERS EDITS-PER-SECOND SECONDS\n");
        return 2;
    }
    samples_max = (size_t)watchers * (size_t)rate * (size_t)seconds;
    samples = calloc(samples_max, sizeof *samples);
    links[0] = open_link(argv[1], argv[2], "bureau");
    add_projects(links[0], ids);
    for (int i = 1; i <= watchers; i++) {
        links[i] = open_link(argv[1], argv[2], offices[i % 5]);
        qipan_watch(links[i], &(struct qipan_watch_options){.since = "now"}, on_notice, NULL);
    }
    for (uint64_t limit = now_us() + 30000000; live < watchers && now_us() < limit;)
        run_links(links, watchers + 1, now_us() + 10000);
    uint64_t begun = now_us();
    for (int i = 0; i < rate * seconds; i++) {
        run_links(links, watchers + 1, begun + (uint64_t)i * 1000000 / (uint64_t)rate);
        send_edit(links[0], ids[i % PROJECTS]);
    }
    for (uint64_t limit = now_us() + 10000000; n_samples < samples_max && now_us() < limit;)
        run_links(links, watchers + 1, now_us() + 10000);
    report(samples_max);
    for (int i = 0; i <= watchers; i++)
        qipan_free(links[i]);
    free(samples);
    return n_samples == samples_max && n_failed == 0 ? 0 : 1;
}
