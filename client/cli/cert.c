/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "limits.h"
#include "out.h"
#include "renewal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S      (24 * 3600)
#define WAIT_S     60 /* for the authority, if nothing else is said */
#define WAIT_MAX_S (7 * DAY_S)
#define LOOK_S     1 /* between two looks */

static const struct out_label labels[] = {{"identity", N_("Identity")},
                                          {"account", N_("Account")},
                                          {"state", N_("State")},
                                          {"asked_by", N_("Asked by")},
                                          {"asked_at", N_("Asked at")},
                                          {"approved_by", N_("Approved by")},
                                          {"approved_at", N_("Approved at")},
                                          {"ended_by", N_("Ended by")},
                                          {"ended_at", N_("Ended at")},
                                          {"before", N_("Was before")},
                                          {NULL, NULL}};

static const struct out_style style = {
    .desc = &qipan__certificate__descriptor,
    .table = "identity,account,before,state,asked_by,approved_by",
    .wide = "identity,account,before,state,asked_by,asked_at,approved_by,approved_at,ended_by,ended_at",
    .name = "identity",
    .labels = labels,
    .kind = "certificate"};

/* ---------------------------------------------------------------- officers */

static int send_change(struct cli *cli, unsigned op, const ProtobufCMessage *request)
{
    struct qipan_call_options call = {.request = cli->request};
    const Qipan__CertReply *reply;
    struct qipan_result r;
    int code = cli_call(cli, op, request, &call, &r);

    if (code)
        return code;
    reply = (const Qipan__CertReply *)r.message;
    if (reply->certificate)
        code = out_object(cli, &style, &reply->certificate->base, reply->has_rev ? reply->rev : 0, r.request);
    qipan_result_free(&r);
    return code;
}

/* Words and --reason, the same for all three. */
static int take_words(struct cli *cli, int argc, char **argv, int wanted, const char **reason,
                      const char *usage)
{
    const struct cli_option options[] = {{"--reason", reason, NULL}, {0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    return code || n == wanted ? code : cli_usage(cli, "%s", usage);
}

static int cert_map(struct cli *cli, int argc, char **argv)
{
    Qipan__CertMapRequest request = QIPAN__CERT_MAP_REQUEST__INIT;
    const char *reason = NULL;
    int code = take_words(cli, argc, argv, 2, &reason, _("cert map needs an identity and an account"));

    if (code)
        return code;
    request.identity = argv[1];
    request.account = argv[2];
    request.reason = (char *)reason;
    return send_change(cli, OP_cert_map, &request.base);
}

static int cert_approve(struct cli *cli, int argc, char **argv)
{
    Qipan__CertApproveRequest request = QIPAN__CERT_APPROVE_REQUEST__INIT;
    const char *reason = NULL;
    int code = take_words(cli, argc, argv, 2, &reason, _("cert approve needs an identity and an account"));

    if (code)
        return code;
    request.identity = argv[1];
    request.account = argv[2];
    request.reason = (char *)reason;
    return send_change(cli, OP_cert_approve, &request.base);
}

static int cert_unmap(struct cli *cli, int argc, char **argv)
{
    Qipan__CertUnmapRequest request = QIPAN__CERT_UNMAP_REQUEST__INIT;
    const char *reason = NULL;
    int code = take_words(cli, argc, argv, 1, &reason, _("cert unmap needs an identity"));

    if (code)
        return code;
    request.identity = argv[1];
    request.reason = (char *)reason;
    return send_change(cli, OP_cert_unmap, &request.base);
}

static int cert_list(struct cli *cli, int argc, char **argv)
{
    Qipan__CertListRequest request = QIPAN__CERT_LIST_REQUEST__INIT;
    bool ended = false, more = true;
    const char *account = NULL;
    const struct cli_option options[] = {{"--ended", NULL, &ended}, {"--person", &account, NULL}, {0}};
    struct out o;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 1)
        return cli_usage(cli, _("too many words: \"%s\""), argv[2]);
    if ((code = out_open(&o, cli, &style)))
        return code;
    request.search = n == 1 ? argv[1] : NULL;
    request.account = (char *)account;
    request.has_ended = request.ended = ended;
    while (more) {
        const Qipan__CertListReply *page;
        struct qipan_result r;

        if ((code = cli_call(cli, OP_cert_list, &request.base, NULL, &r)))
            return code;
        page = (const Qipan__CertListReply *)r.message;
        for (size_t i = 0; i < page->n_rows; i++)
            out_row(&o, &page->rows[i]->base);
        more = page->next != NULL;
        request.after = more ? arena_strdup(&cli->arena, page->next) : NULL;
        qipan_result_free(&r);
    }
    return out_close(&o);
}

/* ---------------------------------------------------------------- one's own */

static int cannot(struct cli *cli, const struct renewal *r)
{
    return cli_fail(cli, "FAILED_PRECONDITION", NULL, NULL, "%s", cli_safe(&cli->arena, r->err));
}

static int ask(struct cli *cli, struct renewal *r, char *ret_id, size_t size)
{
    struct qipan_call_options call = {.request = cli->request};
    Qipan__CertRequestRequest request = QIPAN__CERT_REQUEST_REQUEST__INIT;
    uint8_t csr[RENEWAL_CSR_MOST];
    struct qipan_result result;
    int code;

    if (!renewal_begin(r, csr, &request.csr.len))
        return cannot(cli, r);
    request.has_csr = true;
    request.csr.data = csr;
    if ((code = cli_call(cli, OP_cert_request, &request.base, &call, &result)))
        return code;
    snprintf(ret_id, size, "%s", ((const Qipan__CertRequestReply *)result.message)->id);
    qipan_result_free(&result);
    return renewal_note(r, ret_id) ? 0 : cannot(cli, r);
}

/* 0 and an answer in *ret, or an exit code. */
static int fetch(struct cli *cli, const char *id, time_t until, struct qipan_result *ret)
{
    Qipan__CertFetchRequest request = QIPAN__CERT_FETCH_REQUEST__INIT;
    int code;

    request.id = (char *)id;
    for (;;) {
        const Qipan__CertFetchReply *reply;

        if ((code = cli_call(cli, OP_cert_fetch, &request.base, NULL, ret)))
            return code;
        reply = (const Qipan__CertFetchReply *)ret->message;
        if (reply->state && strcmp(reply->state, "asked") != 0)
            return 0;
        qipan_result_free(ret);
        if (time(NULL) >= until)
            return EXIT_TIMEOUT;
        nanosleep(&(struct timespec){.tv_sec = LOOK_S}, NULL);
        if (cli_signal)
            return 128 + (int)cli_signal;
    }
}

static int take_answer(struct cli *cli, struct renewal *r, const Qipan__CertFetchReply *reply)
{
    int64_t seconds;

    if (!reply->chain) {
        renewal_forget(r);
        return cli_fail(cli, "FAILED_PRECONDITION", NULL, NULL, _("the authority refused: %s"),
                        cli_safe(&cli->arena, reply->note ? reply->note : reply->state));
    }
    if (!renewal_finish(r, reply->chain))
        return cannot(cli, r);
    if (!cli_json(cli) && renewal_ends_in(r->cert, &seconds))
        printf(_("renewed: %s, for %lld days\n"), cli_safe(&cli->arena, r->cert), (long long)seconds / DAY_S);
    return cli_flush(cli);
}

static int renew(struct cli *cli, struct renewal *r, long wait_s)
{
    struct qipan_result result;
    char id[64];
    int code = renewal_asked(r, id, sizeof id) ? 0 : ask(cli, r, id, sizeof id);

    if (code)
        return code;
    code = fetch(cli, id, time(NULL) + wait_s, &result);
    if (code == EXIT_TIMEOUT)
        cli_warn("%s", _("asked; the authority has not answered yet: run it again later"));
    if (code == EXIT_NOT_FOUND)
        renewal_forget(r);
    if (code)
        return code;
    code = take_answer(cli, r, (const Qipan__CertFetchReply *)result.message);
    qipan_result_free(&result);
    return code;
}

static int cert_renew(struct cli *cli, int argc, char **argv)
{
    const char *wait = NULL;
    bool if_due = false;
    const struct cli_option options[] = {{"--wait", &wait, NULL}, {"--if-due", NULL, &if_due}, {0}};
    struct renewal r;
    long wait_s = WAIT_S;
    int64_t seconds;
    char *end = NULL;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n)
        return cli_usage(cli, _("too many words: \"%s\""), argv[1]);
    if (wait && ((wait_s = strtol(wait, &end, 10)) < 0 || *end || end == wait || wait_s > WAIT_MAX_S))
        return cli_usage(cli, _("not a number of seconds: \"%s\""), wait);
    if ((code = cli_choose(cli)))
        return code;
    r = (struct renewal){.ca = cli->context->ca, .cert = cli->context->cert, .key = cli->context->key};
    if (!renewal_recover(&r))
        return cannot(cli, &r);
    if (if_due && renewal_ends_in(r.cert, &seconds) && seconds > CLI_CERT_WARN_S)
        return 0;
    return renew(cli, &r, wait_s);
}

int cmd_cert(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"renew", "list", "map", "approve", "unmap", NULL};
    static int (*const commands[])(struct cli *, int, char **) = {cert_renew, cert_list, cert_map,
                                                                  cert_approve, cert_unmap};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    return code ? code : commands[i](cli, argc - 1, argv + 1);
}
