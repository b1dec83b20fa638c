/* SPDX-License-Identifier: Apache-2.0 */
/* The server's own certificate, as clients see it and before it serves. */
#include "tls_pair.h"

#include <openssl/err.h>
#include <openssl/pem.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_is_who_it_should_be),
        cmocka_unit_test(server_must_be_a_server),
        cmocka_unit_test(contexts_are_whole_or_nothing),
        cmocka_unit_test(a_server_must_be_able_to_serve),
    };

    return cmocka_run_group_tests_name("tls server", tests, tls_set_up, tls_tear_down);
}
