/* SPDX-License-Identifier: Apache-2.0 */
#include "tls.h"
#include "limits.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RECORD_MOST (size_t)16384
#define CHAIN_MOST  (12 * 1024) /* of the peer, on the wire: two P-256 certificates take less than two KiB */

/* No finite-field groups: OpenSSL offers them up to 8192 bits, and a stranger would make us compute them. */
#define GROUPS "X25519:P-256:P-384"

static const unsigned char alpn_wire[] = "\x07" QIPAN_ALPN; /* length, then the name */
#define ALPN_WIRE_SIZE (sizeof(alpn_wire) - 1)
#define ALPN_SIZE      (ALPN_WIRE_SIZE - 1)
_Static_assert(sizeof(QIPAN_ALPN) - 1 == 7, "the length byte of alpn_wire");

/* ---------------------------------------------------------------- contexts */

/* A key with a password is refused: nobody is there to type it. */
static int no_password(char *buffer, int size, int writing, void *data)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)data;
    return -1;
}

EVP_PKEY *tls_private_key(const char *path, char err[TLS_ERR_SIZE])
{
    FILE *file = fopen(path, "re");
    struct stat st;
    EVP_PKEY *key;

    if (!file || fstat(fileno(file), &st) < 0) {
        snprintf(err, TLS_ERR_SIZE, "%s: %s", path, strerror(errno));
        if (file)
            fclose(file);
        return NULL;
    }
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077)) {
        fclose(file);
        snprintf(err, TLS_ERR_SIZE, "%s: the key can be read by others than its owner: chmod 600 it", path);
        return NULL;
    }
    key = PEM_read_PrivateKey(file, NULL, no_password, NULL);
    fclose(file);
    if (!key)
        trust_complain(err, path, "no private key, or one with a password");
    return key;
}

static bool load_key(SSL_CTX *ctx, const char *path, char err[TLS_ERR_SIZE])
{
    EVP_PKEY *key = tls_private_key(path, err);
    bool good;

    if (!key)
        return false;
    good = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    return good || trust_complain(err, path, "not the key of the certificate");
}

static bool load_files(SSL_CTX *ctx, const struct tls_files *files, char err[TLS_ERR_SIZE])
{
    SSL_CTX_set_default_passwd_cb(ctx, no_password);
    if (SSL_CTX_load_verify_file(ctx, files->ca) != 1)
        return trust_complain(err, files->ca, "no CA certificate");
    if (SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1)
        return trust_complain(err, files->cert, "no certificate");
    if (!load_key(ctx, files->key, err))
        return false;
    return !files->crl || trust_load_lists(SSL_CTX_get_cert_store(ctx), files->crl, err);
}

/* What both ends share. No tickets and no cache: a resumed session would skip the look at the certificate.
 * No early data: it can be replayed. */
static bool set_rules(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify_depth(ctx, TRUST_DEPTH);
    SSL_CTX_set_security_level(ctx, TRUST_LEVEL);
    SSL_CTX_set_max_cert_list(ctx, CHAIN_MOST);
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set1_groups_list(ctx, GROUPS) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 && SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
           SSL_CTX_set_max_early_data(ctx, 0) == 1 && SSL_CTX_set_recv_max_early_data(ctx, 0) == 1;
}

static SSL_CTX *make_context(const SSL_METHOD *method, const struct tls_files *files, char err[TLS_ERR_SIZE])
{
    SSL_CTX *ctx;

    ERR_clear_error();
    ctx = SSL_CTX_new(method);
    if (!ctx || !set_rules(ctx)) {
        trust_complain(err, NULL, "no context");
    } else if (load_files(ctx, files, err)) {
        ERR_clear_error();
        return ctx;
    }
    SSL_CTX_free(ctx);
    return NULL;
}

/* OpenSSL asks for a choice only when the peer sent the extension: its absence is seen here. */
static int require_alpn(SSL *ssl, int *alert, void *data)
{
    const unsigned char *bytes;
    size_t n;

    (void)data;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &bytes, &n) == 1)
        return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
    return SSL_CLIENT_HELLO_ERROR;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_size, const unsigned char *in,
                       unsigned in_size, void *data)
{
    (void)ssl;
    (void)data;
    for (unsigned i = 0; i < in_size; i += 1u + in[i]) {
        if (in[i] != ALPN_SIZE || in_size - i - 1 < ALPN_SIZE ||
            memcmp(in + i + 1, QIPAN_ALPN, ALPN_SIZE) != 0)
            continue;
        *out = in + i + 1;
        *out_size = ALPN_SIZE;
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* OpenSSL lets a certificate without extended key usage pass for any purpose. */
static bool for_servers(X509 *leaf)
{
    return leaf && (X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) &&
           (X509_get_extended_key_usage(leaf) & XKU_SSL_SERVER);
}

/* Would a client accept us, and can we judge one? A daemon with less would refuse everybody, or worse. */
static bool is_whole(SSL_CTX *ctx, const struct tls_files *files, char err[TLS_ERR_SIZE])
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509 *leaf = SSL_CTX_get0_certificate(ctx);
    STACK_OF(X509) *issuers = NULL;
    long verdict;

    if (!trust_check_store(store, files->crl != NULL, err))
        return false;
    SSL_CTX_get0_chain_certs(ctx, &issuers);
    verdict = trust_verify(store, leaf, issuers, false);
    if (verdict == X509_V_OK && for_servers(leaf))
        return true;
    snprintf(err, TLS_ERR_SIZE, "%s: %s", files->cert,
             verdict == X509_V_OK ? "not for servers" : trust_text(verdict));
    return false;
}

SSL_CTX *tls_server_context(const struct tls_files *files, char err[TLS_ERR_SIZE])
{
    SSL_CTX *ctx = make_context(TLS_server_method(), files, err);

    if (ctx && !is_whole(ctx, files, err)) {
        SSL_CTX_free(ctx);
        ctx = NULL;
    }
    if (!ctx)
        return NULL;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, trust_judge_client);
    SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
    SSL_CTX_set_client_hello_cb(ctx, require_alpn, NULL);
    SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, NULL);
    return ctx;
}

SSL_CTX *tls_client_context(const struct tls_files *files, char err[TLS_ERR_SIZE])
{
    SSL_CTX *ctx = make_context(TLS_client_method(), files, err);

    if (!ctx)
        return NULL;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, trust_judge);
    SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_SERVER);
    if (SSL_CTX_set_alpn_protos(ctx, alpn_wire, ALPN_WIRE_SIZE) == 0) /* 0 is success here */
        return ctx;
    trust_complain(err, NULL, "no context");
    SSL_CTX_free(ctx);
    return NULL;
}

int64_t tls_own_ends_in(SSL_CTX *ctx)
{
    STACK_OF(X509) *issuers = NULL;
    int64_t leaf = trust_ends_in(SSL_CTX_get0_certificate(ctx)), others;

    SSL_CTX_get0_chain_certs(ctx, &issuers);
    others = trust_chain_ends_in(issuers);
    return leaf < others ? leaf : others;
}

/* ---------------------------------------------------------------- the engine's two ends of bytes */

static size_t take_from_rest(struct tls *t, char *out, size_t n)
{
    size_t have = buf_len(&t->rest);

    n = n < have ? n : have;
    memcpy(out, buf_head(&t->rest), n);
    buf_consume(&t->rest, n);
    if (n == have) /* idle connections keep no memory for it */
        buf_free(&t->rest);
    return n;
}

static size_t take_from_call(struct tls *t, char *out, size_t n)
{
    n = n < t->in_left ? n : t->in_left;
    memcpy(out, t->in, n);
    t->in += n;
    t->in_left -= n;
    return n;
}

static int engine_read(BIO *bio, char *out, size_t size, size_t *ret_n)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *ret_n = 0;
    if (buf_len(&t->rest))
        *ret_n = take_from_rest(t, out, size);
    else if (t->in_left)
        *ret_n = take_from_call(t, out, size);
    if (*ret_n)
        return 1;
    BIO_set_retry_read(bio);
    return 0;
}

static int engine_write(BIO *bio, const char *bytes, size_t n, size_t *ret_n)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    *ret_n = 0;
    if (!t->out || !buf_append(t->out, bytes, n)) {
        t->out_full = true;
        return 0;
    }
    *ret_n = n;
    return 1;
}

static long engine_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static const BIO_METHOD *engine_method(void)
{
    static BIO_METHOD *method; /* one for the life of the process */

    if (method)
        return method;
    method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "qipan");
    if (!method)
        return NULL;
    BIO_meth_set_read_ex(method, engine_read);
    BIO_meth_set_write_ex(method, engine_write);
    BIO_meth_set_ctrl(method, engine_ctrl);
    return method;
}

/* ---------------------------------------------------------------- life */

static bool expect_host(SSL *ssl, const char *host)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

    X509_VERIFY_PARAM_set_hostflags(param,
                                    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
        return true;
    return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

static bool tls_wire_up(struct tls *t)
{
    const BIO_METHOD *method = engine_method();
    BIO *bio = method ? BIO_new(method) : NULL;

    if (!bio)
        return false;
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio); /* owns it from here on */
    return true;
}

bool tls_init(struct tls *t, SSL_CTX *ctx, const char *host)
{
    struct buf *out = t->out, held = t->rest;
    bool good;

    ERR_clear_error();
    *t = (struct tls){.out = out, .rest = held};
    t->rest.limit = TLS_REST;
    t->ssl = SSL_new(ctx);
    good = t->ssl && tls_wire_up(t) && (!host || expect_host(t->ssl, host));
    ERR_clear_error();
    if (!good) {
        tls_free(t);
        return false;
    }
    if (host)
        SSL_set_connect_state(t->ssl);
    else
        SSL_set_accept_state(t->ssl);
    return true;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    t->ssl = NULL;
    buf_free(&t->rest);
}

/* ---------------------------------------------------------------- failures */

/* Alerts by which a peer says that our certificate won't do. */
static bool alert_on_certificate(int reason)
{
    switch (reason - SSL_AD_REASON_OFFSET) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED:
        return true;
    default:
        return false;
    }
}

static const char *word_of(const struct tls *t, int reason, long verify)
{
    if (t->out_full)
        return "flood";
    if (verify != X509_V_OK)
        return trust_word(verify);
    switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return "cert_none";
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_CALLBACK_FAILED: /* require_alpn() */
        return "alpn";
    default:
        return alert_on_certificate(reason) ? "refused_us" : "tls";
    }
}

static void explain(struct tls *t, unsigned long error)
{
    long verify = SSL_get_verify_result(t->ssl);
    int reason = ERR_GET_REASON(error);
    const char *text = ERR_reason_error_string(error);

    t->cert_refused = alert_on_certificate(reason) || reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE ||
                      verify != X509_V_OK;
    t->word = word_of(t, reason, verify);
    if (t->out_full)
        snprintf(t->err, sizeof(t->err), "no room for what must be sent");
    else if (verify != X509_V_OK) /* whatever was said first: a bad signature is first of all a bad number */
        snprintf(t->err, sizeof(t->err), "certificate refused: %s", trust_text(verify));
    else if (alert_on_certificate(reason))
        snprintf(t->err, sizeof(t->err), "the peer refused our certificate: %s", text ? text : "no reason");
    else
        snprintf(t->err, sizeof(t->err), "%s", text ? text : "TLS failed without a reason");
}

static void tls_fail(struct tls *t, const char *why)
{
    t->state = TLS_FAILED;
    t->word = "tls";
    snprintf(t->err, sizeof(t->err), "%s", why);
}

/* After a call that didn't succeed. True: it only wants more bytes. */
static bool tls_settle(struct tls *t, int ret)
{
    int what = SSL_get_error(t->ssl, ret);
    unsigned long error = ERR_peek_error();

    if (what == SSL_ERROR_WANT_READ && !t->out_full) {
        ERR_clear_error();
        return true;
    }
    if (what == SSL_ERROR_ZERO_RETURN || ERR_GET_REASON(error) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        t->state = TLS_PEER_CLOSED;
    } else {
        t->state = TLS_FAILED;
        explain(t, error);
    }
    ERR_clear_error();
    return false;
}

/* ---------------------------------------------------------------- work */

static bool right_protocol(const struct tls *t)
{
    const unsigned char *chosen;
    unsigned n;

    SSL_get0_alpn_selected(t->ssl, &chosen, &n);
    return n == ALPN_SIZE && memcmp(chosen, QIPAN_ALPN, ALPN_SIZE) == 0;
}

/* The certificates a client sent beside its own have served: the verified chain is of our own copies. They are a sixth
 * of an idle link's memory, and OpenSSL keeps them as long as the link. */
static void forget_issuers(const struct tls *t)
{
    STACK_OF(X509) *sent =
        SSL_get_peer_cert_chain(t->ssl); /* the session's own stack, at a server without the leaf */

    while (sk_X509_num(sent) > 0)
        X509_free(sk_X509_pop(sent));
}

static void tls_shake(struct tls *t)
{
    int ret;

    ERR_clear_error();
    ret = SSL_do_handshake(t->ssl);
    if (ret != 1) {
        tls_settle(t, ret);
    } else if (!right_protocol(t)) {
        tls_fail(t, "the peer does not speak " QIPAN_ALPN);
    } else if (!SSL_is_server(t->ssl) && !for_servers(SSL_get0_peer_certificate(t->ssl))) {
        tls_fail(t, "certificate refused: not for servers");
        t->cert_refused = true;
    } else {
        t->state = TLS_OPEN;
        if (SSL_is_server(t->ssl))
            forget_issuers(t);
    }
}

enum tls_state tls_start(struct tls *t)
{
    if (t->state == TLS_HANDSHAKE)
        tls_shake(t);
    return t->state;
}

/* True: call again. */
static bool tls_read_some(struct tls *t, struct buf *plain)
{
    char piece[RECORD_MOST];
    size_t room = plain->limit - buf_len(plain);
    size_t n;
    int ret;

    if (room == 0)
        return false;
    ERR_clear_error();
    ret = SSL_read_ex(t->ssl, piece, room < sizeof(piece) ? room : sizeof(piece), &n);
    if (ret != 1) {
        tls_settle(t, ret);
        return false;
    }
    if (buf_append(plain, piece, n))
        return true;
    tls_fail(t, "out of memory");
    return false;
}

static void keep_rest(struct tls *t)
{
    if (t->in_left && (t->state == TLS_OPEN || t->state == TLS_HANDSHAKE) &&
        !buf_append(&t->rest, t->in, t->in_left))
        tls_fail(t, "the peer sends more than it may");
    t->in = NULL;
    t->in_left = 0;
}

enum tls_state tls_feed(struct tls *t, const uint8_t *bytes, size_t n, struct buf *plain)
{
    if (t->state != TLS_HANDSHAKE && t->state != TLS_OPEN)
        return t->state;
    t->in = bytes;
    t->in_left = n;
    if (t->state == TLS_HANDSHAKE)
        tls_shake(t);
    while (t->state == TLS_OPEN && tls_read_some(t, plain))
        ;
    keep_rest(t);
    return t->state;
}

bool tls_hold(struct tls *t, const uint8_t *bytes, size_t n)
{
    t->rest.limit = TLS_REST;
    return buf_append(&t->rest, bytes, n);
}

bool tls_pending(const struct tls *t)
{
    return t->state == TLS_OPEN && (buf_len(&t->rest) || SSL_pending(t->ssl) > 0);
}

bool tls_write(struct tls *t, const uint8_t *bytes, size_t n)
{
    while (n && (t->state == TLS_OPEN || t->state == TLS_PEER_CLOSED)) {
        size_t piece = n < RECORD_MOST ? n : RECORD_MOST, done;
        int ret;

        if (ERR_peek_error()) /* clearing costs, and here it counts: once for each delivery */
            ERR_clear_error();
        ret = SSL_write_ex(t->ssl, bytes, piece, &done);
        if (ret != 1) {
            tls_settle(t, ret);
            return false;
        }
        bytes += done;
        n -= done;
    }
    return n == 0;
}

void tls_close(struct tls *t)
{
    if (!t->ssl || (t->state != TLS_OPEN && t->state != TLS_PEER_CLOSED))
        return;
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    ERR_clear_error();
}

/* ---------------------------------------------------------------- who is it */

static X509 *leaf_of(const struct tls *t)
{
    return t->ssl ? SSL_get0_peer_certificate(t->ssl) : NULL;
}

bool tls_peer_identity(const struct tls *t, char *uri, size_t size)
{
    return trust_identity(leaf_of(t), uri, size);
}

bool tls_peer_serial(const struct tls *t, char *hex, size_t size)
{
    return trust_serial(leaf_of(t), hex, size);
}

long tls_peer_verify(const struct tls *t, SSL_CTX *ctx)
{
    return trust_verify(SSL_CTX_get_cert_store(ctx), leaf_of(t), SSL_get0_verified_chain(t->ssl), true);
}

int64_t tls_peer_ends_in(const struct tls *t)
{
    return trust_chain_ends_in(SSL_get0_verified_chain(t->ssl));
}
