/* SPDX-License-Identifier: Apache-2.0 */
/* The load of the benchmarks: thousands of TLS connections from one thread. Prints one JSON object.
 *
 *   load MODE SPEECH --address HOST:PORT [--NAME VALUE]…
 *
 *   fan    a publisher keeps `inflight` messages on their way to `subs` subscribers: the next one leaves when one
 *          has arrived at all of them
 *   rate   `rate` messages a second: when does each subscriber have it, when does the last
 *   put    `pubs` publishers keep `inflight` messages unanswered each; no subscribers
 *   idle   `subs` subscribers that do nothing; says "ready", then waits for the end of its input
 *   shake  `parallel` connections that come, are let in, and go, again and again
 *
 * `server_s` is what the processes named by --server consumed meanwhile, in seconds of one core. */
#include "channel.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define OPENING                                                                                              \
    48 /* connections that shake hands at once, while the others wait: fewer than a daemon lets one address have */
#define RING     65536
#define LINKS    8192
#define OUTSTAND 1024 /* most unanswered messages of one publisher */
#define SERVERS  64

struct options options = {
    .subs = 0, .pubs = 1, .inflight = 1, .size = 250, .seconds = 5, .parallel = 32, .rate = 20};
const struct speech *speech;

static enum mode { FAN, RATE, PUT, IDLE, SHAKE } mode;
static struct channel *subs[LINKS], *pubs[LINKS];
static int n_open, n_ready, n_lost;
static int servers[SERVERS], n_servers;

/* of messages, by number % RING */
static uint32_t reached[RING];
static uint64_t sent_us[RING], acked_us[RING];
static uint32_t issued, completed, n_acked, n_refused;
static uint64_t deliveries, delivered_bytes, handshakes;
static bool measuring, restart;

static struct {
    uint32_t outstanding[OUTSTAND], issued, answered;
} flights[LINKS];

struct samples {
    uint32_t *us;
    size_t n, max;
};
static struct samples each, last, acks, after_ack;

static void note(struct samples *s, uint64_t us)
{
    if (!measuring)
        return;
    if (s->n == s->max) {
        s->max = s->max ? 2 * s->max : 65536;
        if (!(s->us = realloc(s->us, s->max * sizeof *s->us)))
            die("out of memory");
    }
    s->us[s->n++] = us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

/* ---- what speeches tell */

void bench_ready(struct channel *l)
{
    if (l->ready)
        return;
    l->ready = true;
    n_ready++;
    if (mode == SHAKE) {
        handshakes++;
        note(&each, now_us() - l->begun_us);
        restart = true;
        channel_close(l);
    }
}

static int expected_readers(void)
{
    return options.topics ? options.subs / options.topics : options.subs;
}

void bench_arrived(struct channel *l, const uint8_t *bytes, size_t n)
{
    deliveries++;
    delivered_bytes += n;
    uint32_t seq = mode == FAN ? (uint32_t)l->got++ : message_seq(bytes, n); /* others may edit, too */
    if (seq >= issued || l->stopped || l->trickle)
        return;
    bool all = ++reached[seq % RING] == (uint32_t)expected_readers();
    if (all) {
        reached[seq % RING] = 0;
        completed++;
    }
    if (mode != RATE)
        return;
    uint64_t now = now_us();
    note(&each, now - sent_us[seq % RING]);
    if (all)
        note(&last, now - sent_us[seq % RING]);
    uint64_t acked = acked_us[seq % RING];
    note(&after_ack, acked && now > acked ? now - acked : 0);
}

void bench_acked(struct channel *l, uint32_t nth, bool good)
{
    if (nth == UINT32_MAX)
        nth = flights[l->number].answered;
    uint32_t seq = flights[l->number].outstanding[nth % OUTSTAND];
    flights[l->number].answered++;
    n_acked++;
    n_refused += !good;
    acked_us[seq % RING] = now_us();
    note(&acks, acked_us[seq % RING] - sent_us[seq % RING]);
}

void bench_closed(struct channel *l)
{
    n_open--;
    if (mode != SHAKE)
        die("the server hung up on %s %d", l->role == SUBSCRIBER ? "subscriber" : "publisher", l->number);
    if (!l->ready && speech == &speak_none &&
        l->secured) { /* it hangs up after the handshake: that is the answer */
        handshakes++;
        note(&each, now_us() - l->begun_us);
    } else if (!l->ready) {
        n_lost++;
    }
    restart = true;
}

/* ---- the work */

static void issue(struct channel *l)
{
    uint32_t seq = issued++, slot = seq % RING;
    sent_us[slot] = now_us();
    acked_us[slot] = 0;
    flights[l->number].outstanding[flights[l->number].issued++ % OUTSTAND] = seq;
    speech->publish(l, seq);
}

static uint32_t unanswered(int pub)
{
    return flights[pub].issued - flights[pub].answered;
}

static void publish_window(void)
{
    for (int i = 0; issued - completed < (uint32_t)options.inflight; i = (i + 1) % options.pubs)
        issue(pubs[i]);
    for (int i = 0; i < options.pubs; i++)
        channel_flush(pubs[i]);
}

static void publish_unanswered(void)
{
    for (int i = 0; i < options.pubs; i++) {
        while (unanswered(i) < (uint32_t)options.inflight)
            issue(pubs[i]);
        channel_flush(pubs[i]);
    }
}

static uint64_t begun_us;
static uint32_t due;

static uint64_t publish_rate(void)
{
    uint64_t now = now_us(), gap = 1000000 / (uint64_t)options.rate;
    for (; begun_us + due * gap <= now; due++) {
        struct channel *l = pubs[due % (uint32_t)options.pubs];
        if (unanswered(l->number) < 64)
            issue(l);
        channel_flush(l);
    }
    return begun_us + due * gap - now;
}

static void sip(void)
{
    static uint64_t next;
    if (now_us() < next)
        return;
    next = now_us() + 100000;
    for (int i = options.subs + options.stopped; i < options.subs + options.stopped + options.trickle; i++)
        channel_sip(subs[i]);
}

static void turn(void)
{
    uint64_t wait = 20000;
    if (mode == FAN)
        publish_window();
    else if (mode == PUT)
        publish_unanswered();
    else if (mode == RATE)
        wait = publish_rate();
    else if (mode == SHAKE)
        for (; n_open < options.parallel; n_open++)
            channel_open(SUBSCRIBER, 0);
    channels_turn(wait < 20000 ? wait : 20000);
    if (options.trickle)
        sip();
}

static void run_for(double seconds)
{
    for (uint64_t end = now_us() + (uint64_t)(seconds * 1e6); now_us() < end;)
        turn();
}

static void open_channels(struct channel **links, enum role role, int n)
{
    for (int i = 0; i < n; i++) {
        links[i] = channel_open(role, i);
        n_open++;
        for (uint64_t end = now_us() + 60000000; n_ready < n_open - (i + 1 < n ? OPENING : 0);) {
            channels_turn(10000);
            if (now_us() > end)
                die("only %d of %d came in", n_ready, n_open);
        }
    }
}

static double cpu_of(int pid)
{
    char path[64], line[1024];
    unsigned long user, system;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file) ||
        sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) !=
            2)
        die("%s: no process", path);
    fclose(file);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static double servers_cpu(void)
{
    double sum = 0;
    for (int i = 0; i < n_servers; i++)
        sum += cpu_of(servers[i]);
    return sum;
}

static double own_cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void print_samples(const char *name, struct samples *s)
{
    if (!s->n)
        return;
    qsort(s->us, s->n, sizeof *s->us, by_value);
    printf(",\"%s\":{\"n\":%zu,\"p50\":%u,\"p99\":%u,\"max\":%u}", name, s->n, s->us[s->n / 2],
           s->us[s->n * 99 / 100], s->us[s->n - 1]);
}

static void measure(void)
{
    begun_us = now_us();
    run_for(options.seconds < 4 ? options.seconds / 4 : 1); /* warm */
    uint64_t d0 = deliveries, h0 = handshakes, t0 = now_us();
    uint32_t a0 = n_acked, r0 = n_refused;
    double s0 = servers_cpu(), c0 = own_cpu();
    measuring = true;
    run_for(options.seconds);
    measuring = false;
    double t = (double)(now_us() - t0) / 1e6;
    printf("{\"seconds\":%.3f,\"server_s\":%.3f,\"load_s\":%.3f,\"deliveries\":%lu,\"acked\":%u,\"refused\":%"
           "u,\"handshakes\":%lu,"
           "\"lost\":%d,\"message_bytes\":%.0f",
           t, servers_cpu() - s0, own_cpu() - c0, (unsigned long)(deliveries - d0), n_acked - a0,
           n_refused - r0, (unsigned long)(handshakes - h0), n_lost,
           deliveries ? (double)delivered_bytes / (double)deliveries : 0);
    print_samples("each", &each);
    print_samples("last", &last);
    print_samples("ack", &acks);
    print_samples("after_ack", &after_ack);
    printf("}\n");
}

static void idle(void)
{
    char byte;
    printf("ready\n");
    fflush(stdout);
    for (struct timeval none = {0, 0};;) {
        fd_set in;
        FD_ZERO(&in);
        FD_SET(0, &in);
        none = (struct timeval){0, 0};
        if (select(1, &in, NULL, NULL, &none) > 0 && read(0, &byte, 1) <= 0)
            return;
        channels_turn(100000);
    }
}

/* ---- options */

static const struct {
    const char *name;
    enum { TEXT, NUMBER, REAL, SIZE } type;
    void *to;
} names[] = {{"address", TEXT, &options.address},
             {"pub-address", TEXT, &options.pub_address},
             {"cert", TEXT, &options.sub_cert},
             {"key", TEXT, &options.sub_key},
             {"pub-cert", TEXT, &options.pub_cert},
             {"pub-key", TEXT, &options.pub_key},
             {"projects", TEXT, &options.project_file},
             {"subs", NUMBER, &options.subs},
             {"pubs", NUMBER, &options.pubs},
             {"inflight", NUMBER, &options.inflight},
             {"rate", NUMBER, &options.rate},
             {"size", NUMBER, &options.size},
             {"parallel", NUMBER, &options.parallel},
             {"topics", NUMBER, &options.topics},
             {"stopped", NUMBER, &options.stopped},
             {"trickle", NUMBER, &options.trickle},
             {"qos", NUMBER, &options.qos},
             {"seconds", REAL, &options.seconds},
             {"credit", SIZE, &options.credit}};

static void set_option(const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, name) != 0)
            continue;
        if (names[i].type == TEXT)
            *(const char **)names[i].to = value;
        else if (names[i].type == NUMBER)
            *(int *)names[i].to = atoi(value);
        else if (names[i].type == REAL)
            *(double *)names[i].to = atof(value);
        else
            *(uint64_t *)names[i].to = strtoull(value, NULL, 10);
        return;
    }
    if (strcmp(name, "server") != 0 || n_servers == SERVERS)
        die("no option --%s", name);
    servers[n_servers++] = atoi(value);
}

static void read_arguments(int argc, char **argv)
{
    static const char *const modes[] = {"fan", "rate", "put", "idle", "shake"};
    static const struct speech *const all[] = {&speak_qipan, &speak_mqtt, &speak_nats, &speak_resp,
                                               &speak_etcd,  &speak_bare, &speak_none};
    int m = 0;
    while (argc > 2 && m < 5 && strcmp(argv[1], modes[m]) != 0)
        m++;
    for (size_t i = 0; argc > 2 && i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, argv[2]) == 0)
            speech = all[i];
    if (argc < 3 || m == 5 || !speech)
        die("usage: load fan|rate|put|idle|shake SPEECH --address HOST:PORT [--NAME VALUE]...");
    mode = (enum mode)m;
    for (int i = 3; i + 1 < argc; i += 2)
        set_option(argv[i] + (strncmp(argv[i], "--", 2) == 0 ? 2 : 0), argv[i + 1]);
    if (!options.address || options.size < 20 || options.size > 60000 ||
        options.subs + options.stopped > LINKS / 2 || options.pubs > LINKS || options.inflight > OUTSTAND ||
        options.rate < 1)
        die("options out of range, or no --address");
    if (!options.pub_cert) {
        options.pub_cert = options.sub_cert;
        options.pub_key = options.sub_key;
    }
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    channels_init();
    if (mode != SHAKE)
        open_channels(subs, SUBSCRIBER, options.subs + options.stopped + options.trickle);
    if (mode == FAN || mode == RATE || mode == PUT)
        open_channels(pubs, PUBLISHER, options.pubs);
    for (int i = options.subs; i < options.subs + options.stopped + options.trickle; i++)
        channel_slow(subs[i], i < options.subs + options.stopped,
                     i < options.subs + options.stopped ? 0 : 102);
    if (mode == IDLE)
        idle();
    else
        measure();
    return n_refused || n_lost ? 1 : 0;
}
