/* SPDX-License-Identifier: Apache-2.0 */
/* qipand: settings, boot, signals, drain. The boot order is the tour of the daemon. */
#include "dispatch.h"
#include "failpoint.h"
#include "listen.h"
#include "log.h"
#include "utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define DRAIN_SPREAD_MS 2000 /* clients come back spread over this time */
#define RELOAD_REST_MS  200  /* between two reloads, however many signals come */

struct server {
    const char *config_path;
    struct config config;
    struct loop loop;
    struct deadlines deadlines;
    struct dispatch *dispatch;
    struct session_shared sessions;
    struct listen listen;
    uv_signal_t signals[4];
    struct deadline drain, watchdog, reload, look;
    uint64_t reloaded_ms;
    uint64_t watchdog_ms;
    bool stopping;
    int exit_code;
};

/* ---- stopping */

static void close_all(struct server *server)
{
    for (struct session *s = server->sessions.first; s; s = s->next)
        conn_kill(s->conn, "the daemon stops");
    for (int i = 0; i < 4; i++)
        if (!uv_is_closing((uv_handle_t *)&server->signals[i]))
            uv_close((uv_handle_t *)&server->signals[i], NULL);
    uv_stop(&server->loop.uv);
}

static bool calls_open(const struct server *server)
{
    for (const struct session *s = server->sessions.first; s; s = s->next)
        if (s->in_flight)
            return true;
    return false;
}

/* Open calls are answered first, then everybody hears goodbye; what remains after drain_ms is cut. */
static void drain_step(struct deadline *d)
{
    struct server *server = container_of(d, struct server, drain);
    static uint64_t begun;
    uint64_t now = loop_now_ms(&server->loop);
    begun = begun ? begun : now;
    bool late = now - begun > (uint64_t)server->config.drain_ms;
    if (!calls_open(server) || late)
        for (struct session *s = server->sessions.first; s; s = s->next)
            dispatch_goodbye(server->dispatch, s, DRAIN_SPREAD_MS);
    if ((server->sessions.n == 0 && !server->sessions.doorstep.flying) ||
        now - begun > (uint64_t)server->config.drain_ms + 1000)
        close_all(server);
    else
        deadline_set(&server->deadlines, &server->drain, 20);
}

static void stop(struct server *server, int exit_code)
{
    if (server->stopping) { /* a second signal doesn't wait */
        close_all(server);
        return;
    }
    server->stopping = true;
    server->exit_code = exit_code;
    log_info("qipand", "stopping: %d sessions", server->sessions.n);
    sd_notify(0, "STOPPING=1");
    listen_close(&server->listen);
    doorstep_hand_over(&server->sessions.doorstep);
    deadline_set(&server->deadlines, &server->drain, 1);
}

/* ---- reload: a complete new state, checked, or the old one stays */

static void take_over(struct server *server, struct config *fresh, SSL_CTX *ctx)
{
    enum log_level level;
    config_reload(&server->config, fresh);
    session_renew(&server->sessions, ctx);
    if (log_level_parse(server->config.log_level, &level))
        log_set_level(level);
    if (!log_open(server->config.log_file))
        log_error("config", "cannot open log_file, the old one stays");
    log_info("config", "reloaded");
    deadline_set(&server->deadlines, &server->look, 1);
}

static void reload(struct deadline *d)
{
    struct server *server = container_of(d, struct server, reload);
    struct config fresh;
    char err[TLS_ERR_SIZE];
    FAILPOINT("reload");
    server->reloaded_ms = loop_now_ms(&server->loop);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)uv_hrtime() / 1000);
    if (!config_load(server->config_path, &fresh, err)) {
        log_error("config", "ALARM: not reloaded, the old settings stay: %s", err);
    } else {
        SSL_CTX *ctx = auth_context(&fresh, err);
        if (ctx) {
            take_over(server, &fresh, ctx);
        } else {
            log_error("config", "ALARM: not reloaded, the old certificates stay: %s", err);
            config_free(&fresh);
        }
    }
    sd_notify(0, "READY=1");
}

/* A hundred signals in a second are one wish, or a few: the last of them counts. */
static void reload_soon(struct server *server)
{
    uint64_t since = loop_now_ms(&server->loop) - server->reloaded_ms;
    if (!server->reload.slot && !server->stopping)
        deadline_set(&server->deadlines, &server->reload,
                     server->reloaded_ms && since < RELOAD_REST_MS ? RELOAD_REST_MS - since : 1);
}

static void on_look(struct deadline *d)
{
    struct server *server = container_of(d, struct server, look);
    auth_warn(server->sessions.ctx);
    deadline_set(&server->deadlines, &server->look, AUTH_LOOK_MS);
}

static void summarise(const struct server *server)
{
    const struct session_shared *all = &server->sessions;
    log_info(
        "qipand",
        "%d sessions, %d of them not signed in, registry: %s; %lu turned away, %llu bytes of theirs decoded",
        all->n, all->n_unknown, pool_problem(dispatch_pool(server->dispatch)) ? "away" : "there",
        all->doorstep.total, (unsigned long long)all->undue);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct server *server = handle->data;
    if (signum == SIGHUP)
        reload_soon(server);
    else if (signum == SIGUSR1)
        summarise(server);
    else
        stop(server, EXIT_SUCCESS);
}

/* ---- boot */

static void on_arrival(struct listen *l, uv_stream_t *socket)
{
    session_accept(&((struct server *)l->owner)->sessions, socket);
}

static void on_ready(void *owner)
{
    struct server *server = owner;
    session_open_doors(&server->sessions);
    log_info("qipand", "ready: listening on %s", server->config.listen);
    sd_notify(0, "READY=1");
}

static void on_account(void *owner, const char *object)
{
    session_account_changed(&((struct server *)owner)->sessions, object);
}

static void on_fatal(void *owner, const char *why)
{
    struct server *server = owner;
    if (server->stopping)
        return;
    log_error("qipand", "cannot run with this registry: %s", why);
    stop(server, EXIT_FAILURE);
}

/* Tied to progress: the loop must turn for it to be sent. */
static void on_watchdog(struct deadline *d)
{
    struct server *server = container_of(d, struct server, watchdog);
    sd_notify(0, "WATCHDOG=1");
    deadline_set(&server->deadlines, &server->watchdog, server->watchdog_ms);
}

static void start_watchdog(struct server *server)
{
    uint64_t us;
    if (sd_watchdog_enabled(0, &us) <= 0)
        return;
    server->watchdog_ms = us / 2000;
    server->watchdog.fire = on_watchdog;
    deadline_set(&server->deadlines, &server->watchdog, 1);
}

static void start_signals(struct server *server)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    signal(SIGPIPE, SIG_IGN); /* libuv 1.44 writes without MSG_NOSIGNAL */
    for (int i = 0; i < 4; i++) {
        uv_signal_init(&server->loop.uv, &server->signals[i]);
        server->signals[i].data = server;
        uv_signal_start(&server->signals[i], on_signal, numbers[i]);
    }
}

static bool write_pid(const char *path)
{
    char temporary[4096];
    if (!path[0])
        return true;
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *file = fopen(temporary, "w");
    if (!file)
        return false;
    fprintf(file, "%ld\n", (long)getpid());
    return fclose(file) == 0 && rename(temporary, path) == 0;
}

static bool boot(struct server *server, char err[TLS_ERR_SIZE])
{
    struct config *config = &server->config;
    loop_init(&server->loop);
    deadlines_init(&server->deadlines, &server->loop);
    server->drain.fire = drain_step;
    server->reload.fire = reload;
    server->look.fire = on_look;
    session_init(&server->sessions, &server->loop, &server->deadlines, &dispatch_handler);
    server->sessions.max = config->max_connections;
    server->sessions.max_each = config->max_connections_each;
    server->sessions.max_hall = config->max_handshakes;
    server->sessions.max_hall_each = config->max_handshakes_each;
    server->sessions.ctx = auth_context(config, err);
    server->listen = (struct listen){.loop = &server->loop, .arrival = on_arrival, .owner = server};
    if (!server->sessions.ctx || !listen_open(&server->listen, config->listen, err, TLS_ERR_SIZE))
        return false;
    if (!write_pid(config->pid_file)) {
        snprintf(err, TLS_ERR_SIZE, "cannot write pid_file %.150s: %s", config->pid_file, strerror(errno));
        return false;
    }
    start_signals(server);
    start_watchdog(server);
    struct dispatch_events events = {on_ready, on_fatal, on_account, server};
    server->dispatch = dispatch_new(&server->loop, &server->deadlines, config, &events);
    if (!server->dispatch) {
        snprintf(err, TLS_ERR_SIZE, "out of memory");
        return false;
    }
    server->sessions.pool = server->sessions.doorstep.pool = dispatch_pool(server->dispatch);
    deadline_set(&server->deadlines, &server->look, 1);
    return true;
}

static void shut_down(struct server *server)
{
    while (server->sessions.n) /* their close callbacks still look upward */
        uv_run(&server->loop.uv, UV_RUN_ONCE);
    dispatch_free(server->dispatch);
    deadline_clear(&server->deadlines, &server->drain);
    deadline_clear(&server->deadlines, &server->watchdog);
    deadline_clear(&server->deadlines, &server->reload);
    deadline_clear(&server->deadlines, &server->look);
    session_shut(&server->sessions);
    deadlines_free(&server->deadlines);
    loop_free(&server->loop);
    if (server->config.pid_file[0])
        unlink(server->config.pid_file);
    config_free(&server->config);
}

static int usage(FILE *to, int code)
{
    fprintf(to,
            "qipand %s: the registry daemon of Qipan\n\n"
            "  qipand --config FILE [--check-config]\n  qipand --help | --version\n\n"
            "Settings, section [qipand] of FILE:\n",
            QIPAN_VERSION);
    config_help(to);
    return code;
}

/* Keys and registry contents live in this process: no core files, nothing for others to read. */
static const char *harden(void)
{
    if (geteuid() == 0)
        return "must not run as root: use an ordinary user";
    struct rlimit no_core = {0, 0}, files;
    setrlimit(RLIMIT_CORE, &no_core);
#ifndef __SANITIZE_ADDRESS__ /* the leak checker must look into its own process */
    prctl(PR_SET_DUMPABLE, 0);
#endif
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    umask(077);
    return NULL;
}

static int complain(const char *why)
{
    char shown[1024];
    utf8_show(shown, sizeof shown, why);
    fprintf(stderr, "qipand: %s\n", shown);
    return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"check-config", no_argument, NULL, 'k'},
                                            {"help", no_argument, NULL, 'h'},
                                            {"version", no_argument, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    static struct server server;
    bool check = false;
    FAILPOINT_START();
    for (int o; (o = getopt_long(argc, argv, "c:hv", options, NULL)) != -1;) {
        if (o == 'c')
            server.config_path = optarg;
        else if (o == 'k')
            check = true;
        else if (o == 'v')
            return printf("qipand %s\n", QIPAN_VERSION) < 0;
        else
            return usage(o == 'h' ? stdout : stderr, o == 'h' ? EXIT_SUCCESS : 2);
    }
    char err[TLS_ERR_SIZE] = "";
    if (!server.config_path || optind < argc)
        return usage(stderr, 2);
    if (!config_load(server.config_path, &server.config, err))
        return complain(err);
    SSL_CTX *ctx = check ? auth_context(&server.config, err) : NULL;
    if (check) {
        SSL_CTX_free(ctx);
        config_free(&server.config);
        return ctx ? printf("%s: good\n", server.config_path) < 0 : complain(err);
    }
    const char *refused = harden();
    enum log_level level = LOG_INFO;
    if (refused)
        return complain(refused);
    log_level_parse(server.config.log_level, &level);
    log_set_level(level);
    if (!log_open(server.config.log_file))
        return complain("cannot open log_file");
    if (!boot(&server, err))
        return complain(err);
    uv_run(&server.loop.uv, UV_RUN_DEFAULT);
    shut_down(&server);
    return server.exit_code;
}
