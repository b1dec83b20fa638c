/* SPDX-License-Identifier: Apache-2.0 */
#include "tls_pair.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

char dir[64];
struct holder root, issuing, other_root, daemon_leaf, person;

/* ---------------------------------------------------------------- certificates */

void extend(X509 *cert, X509 *issuer, int nid, const char *value)
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

X509 *blank_cert(const char *name, EVP_PKEY *key, long from, long to)
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

struct holder make(const struct wish *wish)
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

void drop(struct holder *h)
{
    X509_free(h->cert);
    EVP_PKEY_free(h->key);
    *h = (struct holder){0};
}

X509_CRL *make_crl(const struct holder *ca, const X509 *revoked, long until)
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

struct holder clerk(const char *san)
{
    return make(&(struct wish){.name = "x", .issuer = &issuing, .san = san, .eku = "clientAuth"});
}

/* ---------------------------------------------------------------- files */

const char *path_of(const char *name)
{
    static char paths[64][128];
    static unsigned turn;
    char *path = paths[turn++ % 64];

    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    return path;
}

const char *write_certs(const char *name, X509 *first, X509 *second)
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

const char *write_key(const char *name, EVP_PKEY *key, mode_t mode)
{
    const char *path = path_of(name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

const char *write_crls(X509_CRL *of_root, X509_CRL *of_issuing)
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

struct tls_files files_of(const struct holder *who, const char *crl)
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

SSL_CTX *server_with(const char *crl)
{
    struct tls_files files = files_of(&daemon_leaf, crl);
    char err[TLS_ERR_SIZE];
    SSL_CTX *ctx = tls_server_context(&files, err);

    assert_non_null(ctx);
    return ctx;
}

/* ---------------------------------------------------------------- a pair */

void open_end(struct end *e, SSL_CTX *ctx, const char *host)
{
    assert_non_null(ctx);
    e->ctx = ctx;
    buf_init(&e->out, 1 << 20);
    buf_init(&e->plain, 1 << 20);
    e->tls = (struct tls){.out = &e->out};
    assert_true(tls_init(&e->tls, ctx, host));
}

void close_end(struct end *e)
{
    tls_free(&e->tls);
    buf_free(&e->out);
    buf_free(&e->plain);
    SSL_CTX_free(e->ctx);
}

void close_pair(struct pair *p)
{
    close_end(&p->server);
    close_end(&p->client);
}

void open_pair(struct pair *p, const struct holder *server, const struct holder *client, const char *crl)
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

bool carry(struct end *from, struct end *to, size_t most)
{
    size_t n = buf_len(&from->out) < most ? buf_len(&from->out) : most;

    if (n == 0)
        return false;
    tls_feed(&to->tls, buf_head(&from->out), n, &to->plain);
    buf_consume(&from->out, n);
    return true;
}

void pump(struct pair *p, size_t most)
{
    bool moved = true;

    tls_start(&p->client.tls);
    while (moved) {
        moved = carry(&p->client, &p->server, most);
        moved |= carry(&p->server, &p->client, most);
    }
}

void expect_open(struct pair *p)
{
    if (p->server.tls.state != TLS_OPEN || p->client.tls.state != TLS_OPEN)
        fail_msg("server %d %s, client %d %s", p->server.tls.state, p->server.tls.err, p->client.tls.state,
                 p->client.tls.err);
}

void expect_refusal(struct pair *p, const char *why)
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

void refuse_client(const struct holder *client, const char *crl, const char *why)
{
    struct pair p;

    open_pair(&p, &daemon_leaf, client, crl);
    expect_refusal(&p, why);
    close_pair(&p);
}

/* ---------------------------------------------------------------- frame */

int tls_set_up(void **state)
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

int tls_tear_down(void **state)
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
