/* SPDX-License-Identifier: Apache-2.0 */
/* Two engines in one process, over certificates made here. */
#include "limits.h"
#include "tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define DAY (24 * 3600L)

/* ---------------------------------------------------------------- certificates */

struct holder {
    X509 *cert;
    EVP_PKEY *key;
};

struct wish {
    const char *name;
    const struct holder *issuer; /* NULL: itself */
    const char *san, *eku;       /* NULL: without the extension */
    bool ca;
    long from, to;     /* seconds from now; both 0: a day before to a day after */
    bool rsa, sha1;    /* a small key; an old digest */
    const char *curve; /* of the key; NULL: P-256 */
    const char *more;  /* an extension nobody knows, critical: its value */
};

static char dir[64];
static struct holder root, issuing, other_root, daemon_leaf, person;

static void extend(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void extend_unknown(X509 *cert, const char *value)
{
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.4.1.99999.1", 1);
    ASN1_OCTET_STRING *bytes = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension;

    ASN1_OCTET_STRING_set(bytes, (const unsigned char *)value, (int)strlen(value));
    extension = X509_EXTENSION_create_by_OBJ(NULL, oid, 1, bytes);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(bytes);
    ASN1_OBJECT_free(oid);
}

static X509 *blank_cert(const char *name, EVP_PKEY *key, long from, long to)
{
    static long serial = 1;
    X509 *cert = X509_new();

    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), from);
    X509_gmtime_adj(X509_getm_notAfter(cert), to);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8, (const unsigned char *)name,
                               -1, -1, 0);
    return cert;
}

static struct holder make(const struct wish *wish)
{
    struct holder h = {.key =
                           wish->rsa ? EVP_RSA_gen(1024) : EVP_EC_gen(wish->curve ? wish->curve : "P-256")};
    const struct holder *issuer = wish->issuer ? wish->issuer : &h;
    bool usual = !wish->from && !wish->to;

    h.cert = blank_cert(wish->name, h.key, usual ? -DAY : wish->from, usual ? DAY : wish->to);
    X509_set_issuer_name(h.cert, X509_get_subject_name(issuer->cert));
    if (wish->ca) {
        extend(h.cert, issuer->cert, NID_basic_constraints, "critical,CA:TRUE");
        extend(h.cert, issuer->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    if (wish->san)
        extend(h.cert, issuer->cert, NID_subject_alt_name, wish->san);
    if (wish->eku)
        extend(h.cert, issuer->cert, NID_ext_key_usage, wish->eku);
    if (wish->more)
        extend_unknown(h.cert, wish->more);
    assert_true(X509_sign(h.cert, issuer->key, wish->sha1 ? EVP_sha1() : EVP_sha256()) > 0);
    return h;
}

static void drop(struct holder *h)
{
    X509_free(h->cert);
    EVP_PKEY_free(h->key);
    *h = (struct holder){0};
}

static X509_CRL *make_crl(const struct holder *ca, const X509 *revoked, long until)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = X509_gmtime_adj(NULL, -2 * DAY), *next = X509_gmtime_adj(NULL, until);
    X509_REVOKED *entry;

    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->cert));
    X509_CRL_set1_lastUpdate(crl, now);
    X509_CRL_set1_nextUpdate(crl, next);
    if (revoked) {
        entry = X509_REVOKED_new();
        X509_REVOKED_set_serialNumber(entry, (ASN1_INTEGER *)X509_get0_serialNumber(revoked));
        X509_REVOKED_set_revocationDate(entry, now);
        X509_CRL_add0_revoked(crl, entry);
    }
    assert_true(X509_CRL_sign(crl, ca->key, EVP_sha256()) > 0);
    ASN1_TIME_free(now);
    ASN1_TIME_free(next);
    return crl;
}

/* ---------------------------------------------------------------- files */

/* Path of a file of the test's folder, out of a few that may be in use at once. */
static const char *path_of(const char *name)
{
    static char paths[64][128];
    static unsigned turn;
    char *path = paths[turn++ % 64];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

static const char *write_certs(const char *name, X509 *first, X509 *second)
{
    const char *path = path_of(name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    PEM_write_X509(file, first);
    if (second)
        PEM_write_X509(file, second);
    fclose(file);
    return path;
}

static const char *write_key(const char *name, EVP_PKEY *key, mode_t mode)
{
    const char *path = path_of(name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static const char *write_crls(X509_CRL *of_root, X509_CRL *of_issuing)
{
    const char *path = path_of("crl.pem");
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    PEM_write_X509_CRL(file, of_root);
    PEM_write_X509_CRL(file, of_issuing);
    fclose(file);
    X509_CRL_free(of_root);
    X509_CRL_free(of_issuing);
    return path;
}

/* Files of one end; its chain goes with the leaf. */
static struct tls_files files_of(const struct holder *who, const char *crl)
{
    static unsigned turn;
    char cert[32], key[32];

    snprintf(cert, sizeof(cert), "%u.pem", turn % 4);
    snprintf(key, sizeof(key), "%u.key", turn++ % 4);
    return (struct tls_files){.ca = path_of("ca.pem"),
                              .cert = write_certs(cert, who->cert, issuing.cert),
                              .key = write_key(key, who->key, 0600),
                              .crl = crl};
}

/* ---------------------------------------------------------------- a pair */

struct end {
    SSL_CTX *ctx;
    struct tls tls;
    struct buf out, plain;
};

struct pair {
    struct end server, client;
};

static void open_end(struct end *e, SSL_CTX *ctx, const char *host)
{
    assert_non_null(ctx);
    e->ctx = ctx;
    buf_init(&e->out, 1 << 20);
    buf_init(&e->plain, 1 << 20);
    e->tls = (struct tls){.out = &e->out};
    assert_true(tls_init(&e->tls, ctx, host));
}

static void close_end(struct end *e)
{
    tls_free(&e->tls);
    buf_free(&e->out);
    buf_free(&e->plain);
    SSL_CTX_free(e->ctx);
}

static void close_pair(struct pair *p)
{
    close_end(&p->server);
    close_end(&p->client);
}

static void open_pair(struct pair *p, const struct holder *server, const struct holder *client,
                      const char *crl)
{
    struct tls_files server_files = files_of(&daemon_leaf, crl), client_files = files_of(client, NULL);
    char err[TLS_ERR_SIZE] = "";
    SSL_CTX *ctx = tls_server_context(&server_files, err);

    if (!ctx)
        fail_msg("%s", err);
    if (server != &daemon_leaf) /* one that would not have been made */
        assert_int_equal(SSL_CTX_use_cert_and_key(ctx, server->cert, server->key, NULL, 1), 1);
    open_end(&p->server, ctx, NULL);
    open_end(&p->client, tls_client_context(&client_files, err), "127.0.0.1");
}

static bool carry(struct end *from, struct end *to, size_t most)
{
    size_t n = buf_len(&from->out) < most ? buf_len(&from->out) : most;

    if (n == 0)
        return false;
    tls_feed(&to->tls, buf_head(&from->out), n, &to->plain);
    buf_consume(&from->out, n);
    return true;
}

/* Until both are silent. */
static void pump(struct pair *p, size_t most)
{
    bool moved = true;

    tls_start(&p->client.tls);
    while (moved) {
        moved = carry(&p->client, &p->server, most);
        moved |= carry(&p->server, &p->client, most);
    }
}

static void expect_open(struct pair *p)
{
    if (p->server.tls.state != TLS_OPEN || p->client.tls.state != TLS_OPEN)
        fail_msg("server %d %s, client %d %s", p->server.tls.state, p->server.tls.err, p->client.tls.state,
                 p->client.tls.err);
}

/* The server refuses the client's certificate, says why, and the client knows whose fault it was. */
static void expect_refusal(struct pair *p, const char *why)
{
    pump(p, 1 << 20);
    assert_int_equal(p->server.tls.state, TLS_FAILED);
    if (!strstr(p->server.tls.err, why))
        fail_msg("\"%s\" is not in \"%s\"", why, p->server.tls.err);
    assert_true(p->server.tls.cert_refused);
    assert_int_equal(p->client.tls.state, TLS_FAILED);
    assert_true(p->client.tls.cert_refused);
    assert_int_equal(buf_len(&p->server.plain), 0);
}

static void refuse_client(const struct holder *client, const char *crl, const char *why)
{
    struct pair p;

    open_pair(&p, &daemon_leaf, client, crl);
    expect_refusal(&p, why);
    close_pair(&p);
}

/* ---------------------------------------------------------------- the good way */

static void talks(void **state)
{
    static uint8_t much[300000];
    struct pair p;
    char uri[128];

    (void)state;
    for (size_t i = 0; i < sizeof(much); i++)
        much[i] = (uint8_t)(i * 31 >> 3);
    open_pair(&p, &daemon_leaf, &person, NULL);
    pump(&p, 1 << 20);
    expect_open(&p);
    assert_true(tls_peer_identity(&p.server.tls, uri, sizeof(uri)));
    assert_string_equal(uri, "qipan:person:dongshan");
    assert_int_equal(SSL_version(p.server.tls.ssl), TLS1_3_VERSION);

    assert_true(tls_write(&p.client.tls, much, sizeof(much)));
    assert_true(tls_write(&p.server.tls, (const uint8_t *)"answer", 6));
    pump(&p, 5000);
    assert_int_equal(buf_len(&p.server.plain), sizeof(much));
    assert_memory_equal(buf_head(&p.server.plain), much, sizeof(much));
    assert_memory_equal(buf_head(&p.client.plain), "answer", 6);

    tls_write(&p.client.tls, (const uint8_t *)"last", 4);
    tls_close(&p.client.tls);
    buf_consume(&p.server.plain, sizeof(much));
    pump(&p, 1 << 20);
    assert_int_equal(p.server.tls.state, TLS_PEER_CLOSED);
    assert_memory_equal(buf_head(&p.server.plain), "last", 4);
    tls_close(&p.server.tls);
    assert_true(buf_len(&p.server.out) > 0); /* its close_notify */
    close_pair(&p);
}

static void byte_by_byte(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &person, NULL);
    pump(&p, 1);
    expect_open(&p);
    tls_write(&p.client.tls, (const uint8_t *)"slowly", 6);
    pump(&p, 1);
    assert_memory_equal(buf_head(&p.server.plain), "slowly", 6);
    close_pair(&p);
}

static void no_tickets_and_no_session(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &person, NULL);
    tls_start(&p.client.tls);
    carry(&p.client, &p.server, 1 << 20);
    carry(&p.server, &p.client, 1 << 20);
    carry(&p.client, &p.server, 1 << 20);
    expect_open(&p);
    assert_int_equal(buf_len(&p.server.out), 0); /* a ticket would be here */
    assert_false(SSL_SESSION_is_resumable(SSL_get_session(p.client.tls.ssl)));
    assert_int_equal(SSL_CTX_get_max_early_data(p.server.ctx), 0);
    assert_int_equal(SSL_CTX_get_session_cache_mode(p.server.ctx), SSL_SESS_CACHE_OFF);
    close_pair(&p);
}

static void root_alone_is_enough_to_trust(void **state)
{
    struct pair p;
    struct tls_files files = files_of(&daemon_leaf, NULL);
    char err[TLS_ERR_SIZE];

    (void)state;
    open_pair(&p, &daemon_leaf, &person, NULL);
    close_end(&p.server);
    files.ca = write_certs("root.pem", root.cert, NULL);
    open_end(&p.server, tls_server_context(&files, err), NULL);
    pump(&p, 1 << 20);
    expect_open(&p);
    close_pair(&p);
}

/* ---------------------------------------------------------------- clients that are not let in */

static void client_of_another_ca(void **state)
{
    struct wish wish = {
        .name = "x", .issuer = &other_root, .san = "URI:qipan:person:dongshan", .eku = "clientAuth"};
    struct holder stranger = make(&wish);

    (void)state;
    refuse_client(&stranger, NULL, "issuer");
    drop(&stranger);
}

static void client_signed_by_itself(void **state)
{
    struct wish wish = {.name = "x", .san = "URI:qipan:person:dongshan", .eku = "clientAuth"};
    struct holder stranger = make(&wish);

    (void)state;
    refuse_client(&stranger, NULL, "self-signed");
    drop(&stranger);
}

static void client_signed_by_a_colleague(void **state)
{
    struct wish wish = {
        .name = "x", .issuer = &person, .san = "URI:qipan:person:bureau", .eku = "clientAuth"};
    struct holder stranger = make(&wish);
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &stranger, NULL);
    SSL_clear_chain_certs(p.client.tls.ssl);
    assert_int_equal(SSL_add1_chain_cert(p.client.tls.ssl, person.cert), 1);
    assert_int_equal(SSL_add1_chain_cert(p.client.tls.ssl, issuing.cert), 1);
    expect_refusal(&p, "certificate refused");
    close_pair(&p);
    drop(&stranger);
}

static void client_without_certificate(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &person, NULL);
    SSL_certs_clear(p.client.tls.ssl);
    expect_refusal(&p, "did not return a certificate");
    close_pair(&p);
}

static void client_out_of_its_time(void **state)
{
    struct wish late = {.name = "x",
                        .issuer = &issuing,
                        .san = "URI:qipan:person:a",
                        .eku = "clientAuth",
                        .from = -10 * DAY,
                        .to = -DAY};
    struct wish early = {.name = "x",
                         .issuer = &issuing,
                         .san = "URI:qipan:person:a",
                         .eku = "clientAuth",
                         .from = DAY,
                         .to = 2 * DAY};
    struct holder h = make(&late);

    (void)state;
    refuse_client(&h, NULL, "expired");
    drop(&h);
    h = make(&early);
    refuse_client(&h, NULL, "not yet valid");
    drop(&h);
}

static X509 *deep[2]; /* issuers that a client sends along */

static long verdict_on(const struct holder *client)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *sent = sk_X509_new_null();
    long verdict;

    X509_STORE_add_cert(store, root.cert);
    X509_STORE_add_cert(store, issuing.cert);
    for (int i = 0; i < 2 && deep[i]; i++)
        sk_X509_push(sent, deep[i]);
    verdict = trust_verify(store, client->cert, sent, true);
    sk_X509_free(sent);
    X509_STORE_free(store);
    return verdict;
}

static struct holder clerk(const char *san)
{
    return make(&(struct wish){.name = "x", .issuer = &issuing, .san = san, .eku = "clientAuth"});
}

static void client_revoked(void **state)
{
    struct holder other = clerk("URI:qipan:person:other");
    struct pair p;
    const char *crl;

    (void)state;
    crl = write_crls(make_crl(&root, NULL, DAY), make_crl(&issuing, other.cert, DAY));
    open_pair(&p, &daemon_leaf, &person, crl); /* another one's revocation */
    pump(&p, 1 << 20);
    expect_open(&p);
    close_pair(&p);
    refuse_client(&other, crl, "revoked");
    drop(&other);
}

/* Refused by the handshake: the client's own end has a perfect certificate of the right CA. */
static void refuse_wish(struct wish wish, const char *why)
{
    struct holder h = make(&wish);

    refuse_client(&h, NULL, why);
    drop(&h);
}

static void client_that_names_nobody(void **state)
{
    static const char uri[] = "URI:qipan:person:a", client[] = "clientAuth";
    char many[200 * 16 + 32] = "URI:qipan:person:a";

    (void)state;
    refuse_wish((struct wish){"x", &issuing, uri, NULL, .ca = false}, "purpose");
    refuse_wish((struct wish){"x", &issuing, uri, "clientAuth,emailProtection", .ca = false}, "purpose");
    refuse_wish((struct wish){"x", &issuing, uri, client, .ca = true}, "purpose");
    refuse_wish((struct wish){"qipan:person:a", &issuing, NULL, client, .ca = false}, "names no identity");
    refuse_wish((struct wish){"qipan:person:a", &issuing, "DNS:qipan.person.a", client, .ca = false},
                "names no identity");
    refuse_wish((struct wish){"x", &issuing, "URI:qipan:person:a,URI:qipan:person:a", client, .ca = false},
                "names no identity");
    for (int i = 0; i < 200; i++)
        sprintf(many + strlen(many), ",DNS:h%d.test", i);
    refuse_wish((struct wish){"x", &issuing, many, client, .ca = false}, "names no identity");
}

static void client_of_weak_make(void **state)
{
    struct wish wish = {.name = "x", .issuer = &issuing, .san = "URI:qipan:person:a", .eku = "clientAuth"};
    struct wish middle = {.name = "m", .issuer = &issuing, .ca = true};
    struct holder first, second;

    (void)state;
    wish.more = "?";
    refuse_wish(wish, "unhandled critical extension");
    wish.more = NULL;

    /* A client won't even load the next ones at a good level; what counts is what the server says of them. */
    wish.rsa = true;
    first = make(&wish);
    assert_string_equal(trust_text(verdict_on(&first)), "EE certificate key too weak");
    drop(&first);
    wish.rsa = false, wish.sha1 = true;
    first = make(&wish);
    assert_string_equal(trust_text(verdict_on(&first)), "CA signature digest algorithm too weak");
    drop(&first);

    wish.sha1 = false;
    first = make(&middle);
    middle.name = "n", middle.issuer = &first;
    second = make(&middle);
    wish.issuer = &second;
    deep[0] = first.cert, deep[1] = second.cert;
    struct holder leaf = make(&wish);
    assert_string_equal(trust_text(verdict_on(&leaf)), "certificate chain too long");
    deep[0] = deep[1] = NULL;
    drop(&first), drop(&second), drop(&leaf);
}

static void client_with_another_key(void **state)
{
    struct wish wish = {
        .name = "NIST CURVE: P-256", .issuer = &issuing, .san = "URI:qipan:person:a", .eku = "clientAuth"};
    struct holder h = make(&wish);

    (void)state;
    assert_int_equal(verdict_on(&h), X509_V_OK);
    drop(&h);
    wish.curve = "P-384"; /* good enough for OpenSSL */
    refuse_wish(wish, "its key is no P-256 key");
    h = make(&wish);
    assert_string_equal(trust_word(verdict_on(&h)), "cert_other_key");
    drop(&h);
    h = (struct holder){.key = EVP_RSA_gen(2048)};
    h.cert = blank_cert("x", h.key, -DAY, DAY);
    X509_set_issuer_name(h.cert, X509_get_subject_name(issuing.cert));
    extend(h.cert, issuing.cert, NID_subject_alt_name, wish.san);
    extend(h.cert, issuing.cert, NID_ext_key_usage, wish.eku);
    assert_true(X509_sign(h.cert, issuing.key, EVP_sha256()) > 0);
    refuse_client(&h, NULL, "its key is no P-256 key");
    drop(&h);
}

/* Another client at the same server: what the server remembers is in its context. */
static enum tls_state meet(SSL_CTX *server, const struct holder *client, char why[TLS_ERR_SIZE])
{
    struct tls_files files = files_of(client, NULL);
    struct pair p;
    char err[TLS_ERR_SIZE];

    SSL_CTX_up_ref(server);
    open_end(&p.server, server, NULL);
    open_end(&p.client, tls_client_context(&files, err), "127.0.0.1");
    pump(&p, SIZE_MAX);
    enum tls_state state = p.server.tls.state;
    memcpy(why, p.server.tls.err, TLS_ERR_SIZE);
    close_pair(&p);
    return state;
}

static SSL_CTX *server_with(const char *crl)
{
    struct tls_files files = files_of(&daemon_leaf, crl);
    char err[TLS_ERR_SIZE];
    SSL_CTX *ctx = tls_server_context(&files, err);

    assert_non_null(ctx);
    return ctx;
}

/* The signatures of the lists are verified once; everything else about them every time. */
static void lists_are_remembered_not_their_answers(void **state)
{
    struct holder other = clerk("URI:qipan:person:other");
    char why[TLS_ERR_SIZE];

    (void)state;
    SSL_CTX *server =
        server_with(write_crls(make_crl(&root, NULL, DAY), make_crl(&issuing, other.cert, DAY)));
    for (int i = 0; i < 3; i++) {
        assert_int_equal(meet(server, &person, why), TLS_OPEN);
        assert_int_equal(meet(server, &other, why), TLS_FAILED);
        assert_non_null(strstr(why, "revoked"));
    }
    SSL_CTX_free(server);

    drop(&other);
}

/* After its day of grace. */
static void a_remembered_list_expires(void **state)
{
    time_t until = time(NULL) + 3;
    char why[TLS_ERR_SIZE];
    int met = 0;

    (void)state;
    SSL_CTX *server = server_with(write_crls(make_crl(&root, NULL, DAY), make_crl(&issuing, NULL, 3 - DAY)));
    while (time(NULL) < until - 1)
        met += meet(server, &person, why) == TLS_OPEN;
    while (time(NULL) <= until)
        usleep(10000);
    assert_int_equal(meet(server, &person, why), TLS_FAILED);
    assert_non_null(strstr(why, "CRL has expired"));
    assert_true(met > 1);
    SSL_CTX_free(server);
}

static long verify_again(struct pair *p, const char *crl)
{
    SSL_CTX *ctx = server_with(crl);
    long verdict = tls_peer_verify(&p->server.tls, ctx);

    SSL_CTX_free(ctx);
    return verdict;
}

/* What a live session's certificate is worth when the lists are read anew. */
static void an_open_peer_is_judged_again(void **state)
{
    struct holder brief =
        make(&(struct wish){"x", &issuing, "URI:qipan:person:a", "clientAuth", false, .from = -DAY, .to = 2});
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &brief, NULL);
    pump(&p, SIZE_MAX);
    expect_open(&p);
    assert_in_range(tls_peer_ends_in(&p.server.tls), 0, 2);
    assert_int_equal(verify_again(&p, NULL), X509_V_OK);
    assert_int_equal(verify_again(&p, write_crls(make_crl(&root, NULL, DAY), make_crl(&issuing, NULL, DAY))),
                     X509_V_OK);
    assert_int_equal(
        verify_again(&p, write_crls(make_crl(&root, NULL, DAY), make_crl(&issuing, brief.cert, DAY))),
        X509_V_ERR_CERT_REVOKED);
    while (tls_peer_ends_in(&p.server.tls) >= 0)
        usleep(10000);
    assert_int_equal(verify_again(&p, NULL), X509_V_ERR_CERT_HAS_EXPIRED);
    close_pair(&p);
    drop(&brief);
}

/* An idle link holds no copy of the issuers a client sent along; who it is stays known. */
static void issuers_are_let_go(void **state)
{
    struct pair p;
    char uri[64];

    (void)state;
    open_pair(&p, &daemon_leaf, &person,
              write_crls(make_crl(&root, NULL, DAY), make_crl(&issuing, NULL, DAY)));
    pump(&p, SIZE_MAX);
    expect_open(&p);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(p.server.tls.ssl)), 0);
    assert_true(tls_peer_identity(&p.server.tls, uri, sizeof(uri)));
    assert_int_equal(sk_X509_num(SSL_get0_verified_chain(p.server.tls.ssl)), 3);
    close_pair(&p);
}

static void client_with_a_servers_certificate(void **state)
{
    (void)state;
    refuse_client(&daemon_leaf, NULL, "purpose");
}

/* ---------------------------------------------------------------- protocol */

/* Neither end goes on, and an alert told the client why. */
static void expect_no_talk(struct pair *p, const char *why)
{
    pump(p, 1 << 20);
    if (!strstr(p->client.tls.err, why))
        fail_msg("\"%s\" is not in \"%s\"", why, p->client.tls.err);
    assert_int_equal(p->server.tls.state, TLS_FAILED);
    assert_int_equal(p->client.tls.state, TLS_FAILED);
    assert_false(p->server.tls.cert_refused);
    assert_false(p->client.tls.cert_refused);
    close_pair(p);
}

static void alpn_is_a_must(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &person, NULL);
    SSL_set_alpn_protos(p.client.tls.ssl, NULL, 0);
    expect_no_talk(&p, "no application protocol");

    open_pair(&p, &daemon_leaf, &person, NULL);
    SSL_set_alpn_protos(p.client.tls.ssl, (const unsigned char *)"\x02h2\x08http/1.1\x07qipan/2", 20);
    expect_no_talk(&p, "no application protocol");

    open_pair(&p, &daemon_leaf, &person, NULL); /* among others it is found */
    SSL_set_alpn_protos(p.client.tls.ssl, (const unsigned char *)"\x02h2\x07qipan/1", 11);
    pump(&p, 1 << 20);
    expect_open(&p);
    close_pair(&p);

    open_pair(&p, &daemon_leaf, &person, NULL); /* a server that does not care */
    SSL_CTX_set_client_hello_cb(p.server.ctx, NULL, NULL);
    SSL_CTX_set_alpn_select_cb(p.server.ctx, NULL, NULL);
    pump(&p, 1 << 20);
    assert_int_equal(p.client.tls.state, TLS_FAILED);
    assert_string_equal(p.client.tls.err, "the peer does not speak qipan/1");
    close_pair(&p);
}

static void only_tls_13(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &person, NULL);
    assert_int_equal(SSL_set_min_proto_version(p.client.tls.ssl, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_set_max_proto_version(p.client.tls.ssl, TLS1_2_VERSION), 1);
    expect_no_talk(&p, "version");
    open_pair(&p, &daemon_leaf, &person, NULL);
    assert_int_equal(SSL_set_min_proto_version(p.server.tls.ssl, TLS1_2_VERSION), 1);
    assert_int_equal(SSL_set_max_proto_version(p.server.tls.ssl, TLS1_2_VERSION), 1);
    expect_no_talk(&p, "version");
}

static void not_tls_at_all(void **state)
{
    static const char *const noise[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "\x03\xe8\xff\xff\xff\xff\x01\x02\x03",
                                        "\x16\x03\x01\xff\xff\x01\x02\x03\x04\x05\x06"};
    struct pair p;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        open_pair(&p, &daemon_leaf, &person, NULL);
        assert_int_equal(
            tls_feed(&p.server.tls, (const uint8_t *)noise[i], strlen(noise[i]), &p.server.plain),
            TLS_FAILED);
        assert_false(p.server.tls.cert_refused);
        assert_true(p.server.tls.err[0]);
        assert_int_equal(tls_feed(&p.server.tls, (const uint8_t *)"x", 1, &p.server.plain), TLS_FAILED);
        assert_false(tls_write(&p.server.tls, (const uint8_t *)"x", 1));
        close_pair(&p);
    }
}

static void a_flipped_bit_ends_it(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &person, NULL);
    pump(&p, 1 << 20);
    expect_open(&p);
    tls_write(&p.client.tls, (const uint8_t *)"hello", 5);
    buf_head(&p.client.out)[buf_len(&p.client.out) - 1] ^= 1;
    pump(&p, 1 << 20);
    assert_int_equal(p.server.tls.state, TLS_FAILED);
    assert_int_equal(buf_len(&p.server.plain), 0);
    close_pair(&p);
}

/* ---------------------------------------------------------------- limits */

static void little_room_for_plaintext(void **state)
{
    static uint8_t much[50000];
    struct pair p;
    size_t got = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(much); i++)
        much[i] = (uint8_t)(i * 7 >> 2);
    open_pair(&p, &daemon_leaf, &person, NULL);
    pump(&p, 1 << 20);
    p.server.plain.limit = 10;
    tls_write(&p.client.tls, much, sizeof(much));
    pump(&p, 1 << 20);
    while (buf_len(&p.server.plain)) {
        size_t n = buf_len(&p.server.plain);

        assert_true(n <= 10);
        assert_memory_equal(buf_head(&p.server.plain), much + got, n);
        got += n;
        buf_consume(&p.server.plain, n);
        assert_true(got == sizeof(much) || tls_pending(&p.server.tls));
        tls_feed(&p.server.tls, NULL, 0, &p.server.plain);
    }
    expect_open(&p);
    assert_int_equal(got, sizeof(much));
    assert_false(tls_pending(&p.server.tls));
    assert_null(p.server.tls.rest.data);
    close_pair(&p);
}

static void a_peer_that_is_not_stopped(void **state)
{
    static uint8_t much[TLS_REST + 40000];
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &person, NULL);
    pump(&p, 1 << 20);
    p.server.plain.limit = 10;
    tls_write(&p.client.tls, much, sizeof(much));
    while (p.server.tls.state == TLS_OPEN && carry(&p.client, &p.server, 16384))
        assert_true(buf_len(&p.server.tls.rest) <= TLS_REST);
    assert_int_equal(p.server.tls.state, TLS_FAILED);
    assert_string_equal(p.server.tls.err, "the peer sends more than it may");
    close_pair(&p);
}

static void update_keys(struct pair *p, int times)
{
    for (int i = 0; i < times; i++) {
        assert_int_equal(SSL_key_update(p->client.tls.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(p->client.tls.ssl), 1);
    }
}

static void a_flood_of_key_updates(void **state)
{
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &person, NULL);
    pump(&p, 1 << 20);
    update_keys(&p, 50);
    carry(&p.client, &p.server, 1 << 20);
    assert_true(buf_len(&p.server.out) > 0); /* the answers are where the owner counts them */
    pump(&p, 1 << 20);
    tls_write(&p.client.tls, (const uint8_t *)"still here", 10);
    pump(&p, 1 << 20);
    expect_open(&p);
    assert_memory_equal(buf_head(&p.server.plain), "still here", 10);

    p.server.out.limit = 2000;
    update_keys(&p, 1000);
    carry(&p.client, &p.server, 1 << 20);
    assert_true(buf_len(&p.server.out) <= 2000);
    assert_int_equal(p.server.tls.state, TLS_FAILED);
    assert_string_equal(p.server.tls.err, "no room for what must be sent");
    close_pair(&p);
}

static void no_room_to_write(void **state)
{
    static uint8_t much[40000];
    struct pair p;

    (void)state;
    open_pair(&p, &daemon_leaf, &person, NULL);
    pump(&p, 1 << 20);
    p.server.out.limit = 20000;
    assert_false(tls_write(&p.server.tls, much, sizeof(much)));
    assert_int_equal(p.server.tls.state, TLS_FAILED);
    close_pair(&p);
}

/* ---------------------------------------------------------------- the server's certificate */

static void connect_to(const struct holder *server, const char *host, const char *why)
{
    struct tls_files files = files_of(&person, NULL);
    struct pair p;
    char err[TLS_ERR_SIZE];

    open_pair(&p, server, &person, NULL);
    close_end(&p.client);
    open_end(&p.client, tls_client_context(&files, err), host);
    pump(&p, 1 << 20);
    if (!why) {
        expect_open(&p);
    } else {
        assert_int_equal(p.client.tls.state, TLS_FAILED);
        assert_true(p.client.tls.cert_refused);
        if (!strstr(p.client.tls.err, why))
            fail_msg("\"%s\" is not in \"%s\"", why, p.client.tls.err);
    }
    close_pair(&p);
}

static void server_is_who_it_should_be(void **state)
{
    struct wish wish = {
        .name = "d", .issuer = &issuing, .san = "DNS:*.county.test, DNS:a.test", .eku = "serverAuth"};
    struct wish bare = {
        .name = "bare.test", .issuer = &issuing, .san = "email:a@bare.test", .eku = "serverAuth"};
    struct holder named = make(&wish), subject = make(&bare);

    (void)state;
    connect_to(&daemon_leaf, "127.0.0.1", NULL);
    connect_to(&daemon_leaf, "localhost", NULL);
    connect_to(&daemon_leaf, "127.0.0.2", "IP address mismatch");
    connect_to(&daemon_leaf, "::1", "IP address mismatch");
    connect_to(&daemon_leaf, "county.test", "hostname mismatch");
    connect_to(&subject, "bare.test", "hostname mismatch"); /* the subject's name counts for nothing */
    connect_to(&named, "a.test", NULL);
    connect_to(&named, "b.county.test", "hostname mismatch"); /* nor do wildcards */
    drop(&named);
    drop(&subject);
}

static void server_must_be_a_server(void **state)
{
    struct wish clerk = {.name = "x", .issuer = &issuing, .san = "IP:127.0.0.1", .eku = "clientAuth"};
    struct wish plain = {.name = "x", .issuer = &issuing, .san = "IP:127.0.0.1"};
    struct holder h = make(&clerk);

    (void)state;
    connect_to(&h, "127.0.0.1", "purpose");
    drop(&h);
    h = make(&plain);
    connect_to(&h, "127.0.0.1", "not for servers");
    drop(&h);
}

/* ---------------------------------------------------------------- identity */

static bool identity(const char *san, const char *eku, char *uri, size_t size)
{
    struct wish wish = {.name = "x", .issuer = &issuing, .san = san, .eku = eku};
    struct holder h = make(&wish);
    bool good = trust_identity(h.cert, uri, size);

    drop(&h);
    return good;
}

static void identity_by_usage_and_name(void **state)
{
    char uri[64];

    (void)state;
    assert_true(identity("URI:qipan:machine:robot", "clientAuth", uri, sizeof(uri)));
    assert_string_equal(uri, "qipan:machine:robot");
    assert_true(identity("email:a@b.test, URI:qipan:person:a, DNS:b.test", "clientAuth", uri, sizeof(uri)));
    assert_string_equal(uri, "qipan:person:a");
    assert_false(identity("URI:qipan:person:a, URI:qipan:person:b", "clientAuth", uri, sizeof(uri)));
    assert_string_equal(uri, "");
    assert_false(identity("DNS:qipan.person.a", "clientAuth", uri, sizeof(uri)));
    assert_false(identity(NULL, "clientAuth", uri, sizeof(uri)));
    assert_false(identity("URI:qipan:person:a", NULL, uri, sizeof(uri)));
    assert_false(identity("URI:qipan:person:a", "serverAuth", uri, sizeof(uri)));
    assert_false(identity("URI:qipan:person:a", "clientAuth,serverAuth", uri, sizeof(uri)));
    assert_false(identity("URI:qipan:person:a", "anyExtendedKeyUsage", uri, sizeof(uri)));
    assert_true(identity("URI:1234567", "clientAuth", uri, 8));
    assert_false(identity("URI:12345678", "clientAuth", uri, 8));
    assert_false(trust_identity(NULL, uri, sizeof(uri)));
}

/* A certificate whose URI is these very bytes, `times` SAN extensions of it. */
static bool identity_of_bytes(const char *bytes, int n, int times, char *uri, size_t size)
{
    struct wish wish = {.name = "x", .issuer = &issuing, .eku = "clientAuth"};
    struct holder h = make(&wish);
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    bool good;

    ASN1_STRING_set(text, bytes, n);
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    sk_GENERAL_NAME_push(names, name);
    while (times--)
        assert_int_equal(X509_add1_ext_i2d(h.cert, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND), 1);
    assert_true(X509_sign(h.cert, issuing.key, EVP_sha256()) > 0);
    good = trust_identity(h.cert, uri, size);
    GENERAL_NAMES_free(names);
    drop(&h);
    return good;
}

static void identity_with_bytes_that_lie(void **state)
{
    char uri[64];

    (void)state;
    assert_true(identity_of_bytes("qipan:person:bureau", 19, 1, uri, sizeof(uri)));
    assert_false(identity_of_bytes("qipan:person:bureau", 19, 2, uri, sizeof(uri)));
    assert_false(identity_of_bytes("qipan:person:bureau\0x", 21, 1, uri, sizeof(uri)));
    assert_false(identity_of_bytes("qipan:person:bureau\0", 20, 1, uri, sizeof(uri)));
    assert_false(identity_of_bytes("qipan:person:bureau ", 20, 1, uri, sizeof(uri)));
    assert_false(identity_of_bytes("qipan:person:\xe5\xb1\x80", 16, 1, uri, sizeof(uri)));
    assert_false(identity_of_bytes("qipan:person:a\n", 15, 1, uri, sizeof(uri)));
    assert_false(identity_of_bytes("", 0, 1, uri, sizeof(uri)));
}

static void no_identity_without_a_peer(void **state)
{
    struct tls nobody = {0};
    char uri[8];

    (void)state;
    assert_false(tls_peer_identity(&nobody, uri, sizeof(uri)));
    tls_close(&nobody);
    tls_free(&nobody);
    tls_free(NULL);
}

/* ---------------------------------------------------------------- contexts */

static void expect_no_context(const struct tls_files *files, const char *why)
{
    char err[TLS_ERR_SIZE] = "";

    assert_null(tls_server_context(files, err));
    if (!strstr(err, why))
        fail_msg("\"%s\" is not in \"%s\"", why, err);
    assert_null(strchr(err, '\n'));
    assert_null(tls_client_context(files, err));
    assert_int_equal(ERR_peek_error(), 0);
}

static void contexts_are_whole_or_nothing(void **state)
{
    struct tls_files good = files_of(&daemon_leaf, NULL), bad;
    const char *shared = write_key("shared.key", daemon_leaf.key, 0640);
    const char *open_key = write_key("open.key", daemon_leaf.key, 0604);
    const char *alien = write_key("alien.key", person.key, 0600);
    const char *locked = path_of("locked.key");
    FILE *file = fopen(locked, "w");

    (void)state;
    PEM_write_PrivateKey(file, daemon_leaf.key, EVP_aes_128_cbc(), (const unsigned char *)"pw", 2, NULL,
                         NULL);
    fclose(file);
    chmod(locked, 0600);
    bad = good, bad.ca = "/nowhere/ca.pem";
    expect_no_context(&bad, "/nowhere/ca.pem: no CA");
    bad = good, bad.cert = alien;
    expect_no_context(&bad, "no certificate");
    bad = good, bad.key = "/nowhere/key";
    expect_no_context(&bad, "No such file");
    bad = good, bad.key = shared;
    expect_no_context(&bad, "chmod 600");
    bad = good, bad.key = open_key;
    expect_no_context(&bad, "chmod 600");
    bad = good, bad.key = dir;
    expect_no_context(&bad, "chmod 600");
    bad = good, bad.key = alien;
    expect_no_context(&bad, "not the key");
    bad = good, bad.key = locked; /* and nobody is asked for the password */
    expect_no_context(&bad, "with a password");
    bad = good, bad.crl = good.ca;
    expect_no_context(&bad, "no revocation list");
}

static void expect_no_server(struct tls_files files, const char *why)
{
    char err[TLS_ERR_SIZE] = "";

    assert_null(tls_server_context(&files, err));
    if (!strstr(err, why))
        fail_msg("\"%s\" is not in \"%s\"", why, err);
    assert_int_equal(ERR_peek_error(), 0);
}

static void expect_no_server_with(struct wish wish, const char *why)
{
    struct holder h;

    wish.name = "qipand";
    wish.issuer = wish.issuer ? wish.issuer : &issuing;
    h = make(&wish);
    expect_no_server(files_of(&h, NULL), why);
    drop(&h);
}

/* A daemon that nobody would accept, or that could judge nobody, isn't made. */
static void a_server_must_be_able_to_serve(void **state)
{
    struct wish server = {.san = "IP:127.0.0.1", .eku = "serverAuth"}, wish = server;
    struct tls_files files;
    struct holder impostor = {.cert = issuing.cert, .key = other_root.key};
    X509_CRL *good[2] = {make_crl(&root, NULL, DAY), make_crl(&issuing, NULL, DAY)};
    SSL_CTX *ctx;
    FILE *file;

    (void)state;
    wish.from = -2 * DAY, wish.to = -DAY;
    expect_no_server_with(wish, "expired");
    wish.from = DAY, wish.to = 2 * DAY;
    expect_no_server_with(wish, "not yet valid");
    wish = server, wish.eku = "clientAuth";
    expect_no_server_with(wish, "purpose");
    wish = server, wish.eku = NULL;
    expect_no_server_with(wish, "not for servers");
    wish = server, wish.issuer = &other_root;
    expect_no_server_with(wish, "unable to get local issuer");

    files =
        files_of(&daemon_leaf, write_crls(X509_CRL_dup(good[0]), make_crl(&issuing, daemon_leaf.cert, DAY)));
    expect_no_server(files, "revoked");
    write_crls(make_crl(&root, issuing.cert, DAY), X509_CRL_dup(good[1]));
    expect_no_server(files, "revoked");
    write_crls(X509_CRL_dup(good[0]), X509_CRL_dup(good[0]));
    expect_no_server(files, "no revocation list");
    write_crls(X509_CRL_dup(good[0]), make_crl(&impostor, NULL, DAY));
    expect_no_server(files, "revocation list"); /* in the issuer's name, by another's key */
    write_crls(X509_CRL_dup(good[0]), make_crl(&issuing, NULL, -DAY - 60));
    expect_no_server(files, "day of grace is over");
    fclose(fopen(files.crl, "w"));
    expect_no_server(files, "no revocation list");
    write_crls(X509_CRL_dup(good[0]), X509_CRL_dup(good[1]));
    file = fopen(files.crl, "a");
    fputs("-----BEGIN X509 CRL-----\nMIIB", file); /* a third one, cut short */
    fclose(file);
    expect_no_server(files, "no revocation list");

    write_crls(good[0], good[1]);
    files.ca = write_certs("root.pem", root.cert, issuing.cert);
    file = fopen(files.ca, "a");
    PEM_write_X509(file, other_root.cert); /* a CA without a list */
    fclose(file);
    expect_no_server(files, "no revocation list");
    write_certs("root.pem", root.cert, person.cert);
    expect_no_server(files, "is no CA");
    write_certs("root.pem", root.cert, NULL); /* lists of a CA that isn't there */
    expect_no_server(files, "no CA that is known");

    files.ca = path_of("ca.pem");
    write_crls(make_crl(&root, NULL, DAY), make_crl(&issuing, NULL, -DAY + 600));
    ctx = server_with(files.crl); /* its last ten minutes */
    assert_in_range(-trust_lists_end_in(SSL_CTX_get_cert_store(ctx)), DAY - 610, DAY - 590);
    SSL_CTX_free(ctx);
}

/* ---------------------------------------------------------------- frame */

static int set_up(void **state)
{
    struct wish top = {.name = "root", .ca = true}, alien = {.name = "alien", .ca = true};
    struct wish middle = {.name = "issuing", .issuer = &root, .ca = true};
    struct wish server = {
        .name = "qipand", .issuer = &issuing, .san = "IP:127.0.0.1, DNS:localhost", .eku = "serverAuth"};
    struct wish clerk = {
        .name = "东山镇", .issuer = &issuing, .san = "URI:qipan:person:dongshan", .eku = "clientAuth"};

    (void)state;
    snprintf(dir, sizeof(dir), "/tmp/qipan-tls-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    root = make(&top);
    other_root = make(&alien);
    issuing = make(&middle);
    daemon_leaf = make(&server);
    person = make(&clerk);
    write_certs("ca.pem", root.cert, issuing.cert);
    return 0;
}

static int tear_down(void **state)
{
    static const char *const files[] = {"ca.pem",    "root.pem",   "crl.pem", "shared.key", "open.key",
                                        "alien.key", "locked.key", "0.pem",   "0.key",      "1.pem",
                                        "1.key",     "2.pem",      "2.key",   "3.pem",      "3.key"};

    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
        unlink(path_of(files[i]));
    drop(&root);
    drop(&other_root);
    drop(&issuing);
    drop(&daemon_leaf);
    drop(&person);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(no_tickets_and_no_session),
        cmocka_unit_test(root_alone_is_enough_to_trust),
        cmocka_unit_test(client_of_another_ca),
        cmocka_unit_test(client_signed_by_itself),
        cmocka_unit_test(client_signed_by_a_colleague),
        cmocka_unit_test(client_without_certificate),
        cmocka_unit_test(client_out_of_its_time),
        cmocka_unit_test(client_revoked),
        cmocka_unit_test(client_that_names_nobody),
        cmocka_unit_test(client_of_weak_make),
        cmocka_unit_test(client_with_another_key),
        cmocka_unit_test(lists_are_remembered_not_their_answers),
        cmocka_unit_test(a_remembered_list_expires),
        cmocka_unit_test(an_open_peer_is_judged_again),
        cmocka_unit_test(issuers_are_let_go),
        cmocka_unit_test(client_with_a_servers_certificate),
        cmocka_unit_test(alpn_is_a_must),
        cmocka_unit_test(only_tls_13),
        cmocka_unit_test(not_tls_at_all),
        cmocka_unit_test(a_flipped_bit_ends_it),
        cmocka_unit_test(little_room_for_plaintext),
        cmocka_unit_test(a_peer_that_is_not_stopped),
        cmocka_unit_test(a_flood_of_key_updates),
        cmocka_unit_test(no_room_to_write),
        cmocka_unit_test(server_is_who_it_should_be),
        cmocka_unit_test(server_must_be_a_server),
        cmocka_unit_test(identity_by_usage_and_name),
        cmocka_unit_test(identity_with_bytes_that_lie),
        cmocka_unit_test(no_identity_without_a_peer),
        cmocka_unit_test(contexts_are_whole_or_nothing),
        cmocka_unit_test(a_server_must_be_able_to_serve),
    };

    return cmocka_run_group_tests_name("tls", tests, set_up, tear_down);
}
