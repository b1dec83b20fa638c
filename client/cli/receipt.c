/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "limits.h"
#include "out.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const struct out_label labels[] = {{"op", N_("Operation")},
                                          {"status", N_("Outcome")},
                                          {"object", N_("Object")},
                                          {"version", N_("Version")},
                                          {"rev", N_("Revision")},
                                          {"done_at", N_("Done")},
                                          {NULL, NULL}};

static const struct out_style style = {.desc = &qipan__receipt_show_reply__descriptor,
                                       .table = "",
                                       .wide = "",
                                       .name = "object",
                                       .labels = labels};

static int receipt_show(struct cli *cli, int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    Qipan__ReceiptShowRequest request = QIPAN__RECEIPT_SHOW_REQUEST__INIT;
    struct qipan_result r;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n != 1)
        return cli_usage(cli, "%s", _("receipt show needs one request id"));
    request.id = argv[1];
    if ((code = cli_call(cli, OP_receipt_show, &request.base, NULL, &r)))
        return code;
    code = out_object(cli, &style, r.message, 0, NULL);
    qipan_result_free(&r);
    return code;
}

/* REVISION [OBJECT] */
static int take_place(struct cli *cli, int argc, char **argv, int64_t *ret_rev, char **ret_object)
{
    static const struct cli_option options[] = {{0}};
    char *end;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n < 1 || n > 2)
        return cli_usage(cli, "%s", _("needs a revision, and the object in it if only that is meant"));
    errno = 0;
    *ret_rev = strtoll(argv[1], &end, 10);
    if (errno || *end || end == argv[1])
        return cli_usage(cli, _("not a revision: \"%s\""), argv[1]);
    *ret_object = n == 2 ? argv[2] : NULL;
    return 0;
}

static const struct out_label receipt_labels[] = {
    {"id", N_("Id")},          {"version", N_("Version")},  {"of_rev", N_("Revision")},
    {"project", N_("Object")}, {"no", N_("Number")},        {"account", N_("Account")},
    {"office", N_("Office")},  {"signed_at", N_("Signed")}, {NULL, NULL}};

static const struct out_style receipt_style = {
    .desc = &qipan__receipt__descriptor, .table = "", .wide = "", .name = "id", .labels = receipt_labels};

static int receipt_sign(struct cli *cli, int argc, char **argv)
{
    Qipan__ReceiptSignRequest request = QIPAN__RECEIPT_SIGN_REQUEST__INIT;
    struct qipan_call_options options = {.request = cli->request};
    const Qipan__ReceiptReply *reply;
    struct qipan_result r;
    int code = take_place(cli, argc, argv, &request.of_rev, &request.object);

    request.has_of_rev = true;
    if (code || (code = cli_call(cli, OP_receipt_sign, &request.base, &options, &r)))
        return code;
    reply = (const Qipan__ReceiptReply *)r.message;
    if (reply->receipt)
        code = out_object(cli, &receipt_style, &reply->receipt->base, reply->has_rev ? reply->rev : 0,
                          r.request);
    qipan_result_free(&r);
    return code;
}

static const struct out_label signature_labels[] = {{"account", N_("Account")},
                                                    {"person", N_("Name")},
                                                    {"office", N_("Office")},
                                                    {"signed_at", N_("Signed")},
                                                    {NULL, NULL}};

static const struct out_style signature_style = {.desc = &qipan__signature__descriptor,
                                                 .table = "account,person,office,signed_at",
                                                 .wide = "account,person,office,signed_at",
                                                 .name = "account",
                                                 .labels = signature_labels};

static int receipt_list(struct cli *cli, int argc, char **argv)
{
    Qipan__ReceiptListRequest request = QIPAN__RECEIPT_LIST_REQUEST__INIT;
    struct out o;
    bool more = true;
    int code = take_place(cli, argc, argv, &request.of_rev, &request.object);

    if (code || (code = out_open(&o, cli, &signature_style)))
        return code;
    request.has_of_rev = request.has_limit = true;
    request.limit = LIMIT_PAGE_ROWS;
    while (more) {
        const Qipan__ReceiptListReply *page;
        struct qipan_result r;

        if ((code = cli_call(cli, OP_receipt_list, &request.base, NULL, &r)))
            return code;
        page = (const Qipan__ReceiptListReply *)r.message;
        for (size_t i = 0; i < page->n_rows && !code; i++)
            code = out_row(&o, &page->rows[i]->base);
        more = page->next != NULL;
        if (!more && cli->output <= OUT_WIDE && isatty(STDERR_FILENO))
            fprintf(stderr, _("%d have signed, %d have not\n"), page->signed_count, page->missing_count);
        request.after = more ? arena_strdup(&cli->arena, page->next) : NULL;
        if (more && !request.after && !code)
            code = cli_no_memory(cli);
        qipan_result_free(&r);
        if (code)
            return code;
    }
    return out_close(&o);
}

int cmd_receipt(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"show", "sign", "list", NULL};
    static int (*const commands[])(struct cli *, int, char **) = {receipt_show, receipt_sign, receipt_list};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    return code ? code : commands[i](cli, argc - 1, argv + 1);
}
