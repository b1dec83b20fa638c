/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that are not let in, and who the others are. */
#include "tls_pair.h"

#include <openssl/x509v3.h>

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

static void client_with_a_servers_certificate(void **state)
{
    (void)state;
    refuse_client(&daemon_leaf, NULL, "purpose");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(client_of_another_ca),         cmocka_unit_test(client_signed_by_itself),
        cmocka_unit_test(client_signed_by_a_colleague), cmocka_unit_test(client_without_certificate),
        cmocka_unit_test(client_out_of_its_time),       cmocka_unit_test(client_revoked),
        cmocka_unit_test(client_that_names_nobody),     cmocka_unit_test(client_of_weak_make),
        cmocka_unit_test(client_with_another_key),      cmocka_unit_test(client_with_a_servers_certificate),
        cmocka_unit_test(identity_by_usage_and_name),   cmocka_unit_test(identity_with_bytes_that_lie),
        cmocka_unit_test(no_identity_without_a_peer),
    };

    return cmocka_run_group_tests_name("tls clients", tests, tls_set_up, tls_tear_down);
}
