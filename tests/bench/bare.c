/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine and OpenSSL allow at best: the limits that the daemon and its peers are measured against.
 *
 *   bare broadcast PKI SIZE COALESCE   the thinnest server: messages of SIZE bytes from the publisher to all subscribers,
 *                                      with COALESCE all that came in one go in one record and one write. Prints its port
 *   bare handshakes PKI PERSON SECONDS full mutual handshakes in memory: the server's CPU time for one
 *   bare handshakes-ours …             the same, in the daemon's way
 *   bare memory PKI PERSON LINKS       idle mutual TLS links on sockets; prints its memory in kB before and after them.
 *                                      The other ends are in a child process
 */
#define _GNU_SOURCE
#include "tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINKS 8192

static void die(const char *what)
{
    fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* The daemon's own context: same chain, same lists, same rules; ALPN isn't asked for where the peer has none. */
static SSL_CTX *context(const char *pki, const char *who, bool server)
{
    char err[TLS_ERR_SIZE], ca[512], cert[512], key[512], crl[512];
    snprintf(ca, sizeof ca, "%s/ca.pem", pki);
    snprintf(cert, sizeof cert, "%s/%s.pem", pki, who);
    snprintf(key, sizeof key, "%s/%s.key", pki, who);
    snprintf(crl, sizeof crl, "%s/crl.pem", pki);
    struct tls_files files = {ca, cert, key, crl};
    SSL_CTX *ctx = server ? tls_server_context(&files, err) : tls_client_context(&files, err);
    if (!ctx) {
        fprintf(stderr, "bare: %s\n", err);
        exit(1);
    }
    return ctx;
}

static int listen_anywhere(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    socklen_t n = sizeof a;
    if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(fd, 1024) < 0 ||
        getsockname(fd, (struct sockaddr *)&a, &n) < 0)
        die("listen");
    printf("%d\n", ntohs(a.sin_port));
    fflush(stdout);
    return fd;
}

/* ---------------------------------------------------------------- broadcast */

struct peer {
    int fd;
    SSL *ssl;
    bool secured, known; /* known: it said what it is */
};

static struct peer *subscribers[LINKS];
static int n_subscribers, epoll;
static size_t size;
static bool coalesce;

static void arrive(int listener, SSL_CTX *ctx)
{
    int one = 1, fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct peer *p = calloc(1, sizeof *p);
        if (!p)
            die("memory");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        p->fd = fd;
        p->ssl = SSL_new(ctx);
        SSL_set_fd(p->ssl, fd);
        SSL_set_accept_state(p->ssl);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
    }
}

/* A subscriber that doesn't take it all at once can't happen here: its window is the load's to keep. */
static void broadcast(const char *bytes, size_t n)
{
    size_t step = coalesce ? n : size;
    for (int i = 0; i < n_subscribers; i++)
        for (size_t at = 0; at < n; at += step)
            if (SSL_write(subscribers[i]->ssl, bytes + at, (int)(n - at < step ? n - at : step)) <= 0)
                die("a subscriber doesn't read");
}

static void hear(struct peer *p)
{
    static char pending[1 << 20];
    static size_t n;
    int got;
    char word;
    if (!p->secured) {
        if (SSL_do_handshake(p->ssl) != 1)
            return;
        p->secured = true;
    }
    if (!p->known) {
        if (SSL_read(p->ssl, &word, 1) != 1)
            return;
        p->known = true;
        if (word == 'S')
            subscribers[n_subscribers++] = p;
        if (word == 'S' && SSL_write(p->ssl, "R", 1) != 1)
            die("write");
    }
    while ((got = SSL_read(p->ssl, pending + n, (int)(sizeof pending - n))) > 0)
        n += (size_t)got;
    if (SSL_get_error(p->ssl, got) != SSL_ERROR_WANT_READ)
        exit(0); /* the load has gone: done */
    size_t whole = n - n % size;
    if (!whole)
        return;
    broadcast(pending, whole);
    n -= whole;
    memmove(pending, pending + whole, n);
}

static void run_broadcast(const char *pki)
{
    SSL_CTX *ctx = context(pki, "qipand", true);
    SSL_CTX_set_client_hello_cb(ctx, NULL, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, NULL, NULL);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    SSL_CTX_clear_mode(ctx, SSL_MODE_RELEASE_BUFFERS); /* the fastest, not the smallest */
    int listener = listen_anywhere();
    epoll = epoll_create1(0);
    struct epoll_event e = {.events = EPOLLIN}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < n; i++) {
            ERR_clear_error();
            if (!events[i].data.ptr)
                arrive(listener, ctx);
            else
                hear(events[i].data.ptr);
        }
    }
}

/* ---------------------------------------------------------------- handshakes in memory */

static double cpu(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pass(struct buf *from, struct tls *to, struct buf *plain)
{
    size_t n = buf_len(from);
    static uint8_t bytes[1 << 16];
    memcpy(bytes, buf_head(from), n);
    buf_consume(from, n);
    if (n)
        tls_feed(to, bytes, n, plain);
}

/* The server's share of one handshake, in seconds. */
static double shake_once(SSL_CTX *server_ctx, SSL_CTX *client_ctx)
{
    struct buf to_client, to_server, plain;
    struct tls server = {0}, client = {0};
    double spent = 0;
    buf_init(&to_client, 1 << 20);
    buf_init(&to_server, 1 << 20);
    buf_init(&plain, 1 << 16);
    client.out = &to_server;
    tls_init(&client, client_ctx, "127.0.0.1");
    tls_start(&client);
    double begun = cpu();
    server.out = &to_client;
    tls_init(&server, server_ctx, NULL);
    spent += cpu() - begun;
    while (server.state == TLS_HANDSHAKE) {
        begun = cpu();
        pass(&to_server, &server, &plain);
        spent += cpu() - begun;
        if (server.state != TLS_FAILED && server.state != TLS_OPEN)
            pass(&to_client, &client, &plain);
    }
    if (server.state != TLS_OPEN) {
        fprintf(stderr, "bare: %s / %s\n", server.err, client.err);
        exit(1);
    }
    begun = cpu();
    tls_free(&server);
    spent += cpu() - begun;
    tls_free(&client);
    buf_free(&to_client);
    buf_free(&to_server);
    buf_free(&plain);
    return spent;
}

/* plainly: as OpenSSL does it by itself, the signatures of the lists verified every time */
static int run_handshakes(const char *pki, const char *person, double seconds, bool plainly)
{
    SSL_CTX *server = context(pki, "qipand", true), *client = context(pki, person, false);
    double spent = 0, begun = cpu();
    int n = 0;
    X509_STORE_set_check_crl(SSL_CTX_get_cert_store(server),
                             plainly ? NULL : X509_STORE_get_check_crl(SSL_CTX_get_cert_store(server)));
    SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL); /* only the server's end is looked at */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(client), 0);
    for (; cpu() - begun < seconds; n++)
        spent += shake_once(server, client);
    printf("{\"handshakes\":%d,\"server_s\":%.4f}\n", n, spent);
    return 0;
}

/* ---------------------------------------------------------------- memory */

static void hold_clients(const char *pki, const char *person, int port, int n)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    SSL_CTX *ctx = context(pki, person, false);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < n; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        SSL *ssl = SSL_new(ctx);
        SSL_set_fd(ssl, fd);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0 || SSL_connect(ssl) != 1 ||
            SSL_write(ssl, "x", 1) != 1)
            die("client");
    }
    for (;;)
        pause();
}

static void say_memory(void)
{
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    char line[256];
    long kb, sum = 0;
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "Private_Dirty: %ld", &kb) == 1)
            sum += kb;
    if (file)
        fclose(file);
    printf("%ld\n", sum);
    fflush(stdout);
}

static int run_memory(const char *pki, const char *person, int n)
{
    SSL_CTX *ctx = context(pki, "qipand", true);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size_a = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char byte;
    if (bind(listener, (struct sockaddr *)&a, sizeof a) < 0 || listen(listener, 1024) < 0 ||
        getsockname(listener, (struct sockaddr *)&a, &size_a) < 0)
        die("listen");
    pid_t child = fork();
    if (child == 0)
        hold_clients(pki, person, ntohs(a.sin_port), n + 50);
    for (int i = 0; i < n + 50; i++) { /* the first fifty pay for what all share */
        if (i == 50)
            say_memory();
        int fd = accept(listener, NULL, NULL);
        SSL *ssl = SSL_new(ctx);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) != 1 || SSL_read(ssl, &byte, 1) != 1)
            die("server");
    }
    say_memory();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return 0;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc == 5 && strcmp(argv[1], "broadcast") == 0) {
        size = (size_t)atoi(argv[3]);
        coalesce = atoi(argv[4]);
        run_broadcast(argv[2]);
    }
    if (argc == 5 && strncmp(argv[1], "handshakes", 10) == 0)
        return run_handshakes(argv[2], argv[3], atof(argv[4]), strcmp(argv[1], "handshakes") == 0);
    if (argc == 5 && strcmp(argv[1], "memory") == 0)
        return run_memory(argv[2], argv[3], atoi(argv[4]));
    fprintf(stderr, "usage: bare broadcast|handshakes|handshakes-ours|memory PKI …\n");
    return 2;
}
