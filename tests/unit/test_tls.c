/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends talk, under any cut of the bytes, and within their limits. */
#include "limits.h"
#include "tls_pair.h"

#include <openssl/err.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(no_tickets_and_no_session),
        cmocka_unit_test(root_alone_is_enough_to_trust),
        cmocka_unit_test(alpn_is_a_must),
        cmocka_unit_test(only_tls_13),
        cmocka_unit_test(not_tls_at_all),
        cmocka_unit_test(a_flipped_bit_ends_it),
        cmocka_unit_test(little_room_for_plaintext),
        cmocka_unit_test(a_peer_that_is_not_stopped),
        cmocka_unit_test(a_flood_of_key_updates),
        cmocka_unit_test(no_room_to_write),
    };

    return cmocka_run_group_tests_name("tls", tests, tls_set_up, tls_tear_down);
}
