/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of the revoked: what a server remembers of them, and a peer that is judged again. */
#include "tls_pair.h"

#include <time.h>
#include <unistd.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_remembered_not_their_answers),
        cmocka_unit_test(a_remembered_list_expires),
        cmocka_unit_test(an_open_peer_is_judged_again),
        cmocka_unit_test(issuers_are_let_go),
    };

    return cmocka_run_group_tests_name("tls lists", tests, tls_set_up, tls_tear_down);
}
