/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "out.h"

static const struct out_label labels[] = {{"kind", N_("Kind")},        {"code", N_("Code")},
                                          {"text", N_("Label")},       {"rank", N_("Order")},
                                          {"next", N_("May move to")}, {NULL, NULL}};

static const struct out_style style = {.desc = &qipan__label__descriptor,
                                       .table = "kind,code,text,next",
                                       .wide = "kind,rank,code,text,next",
                                       .name = "code",
                                       .labels = labels,
                                       .kind = "label"};

static int rules_show(struct cli *cli, int argc, char **argv)
{
    const char *prefix = NULL;
    const struct cli_option options[] = {{"--prefix", &prefix, NULL}, {0}};
    Qipan__GlossaryRequest request = QIPAN__GLOSSARY_REQUEST__INIT;
    const Qipan__GlossaryReply *reply;
    struct qipan_result r;
    struct out o;
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 1)
        return cli_usage(cli, _("too many words: \"%s\""), argv[2]);
    request.kind = n == 1 ? argv[1] : NULL;
    request.prefix = (char *)prefix;
    if ((code = out_open(&o, cli, &style)) || (code = cli_call(cli, OP_glossary, &request.base, NULL, &r)))
        return code;
    reply = (const Qipan__GlossaryReply *)r.message;
    if (cli->output <= OUT_WIDE && reply->rule_set)
        printf(_("Rule set: %s\n"), cli_safe(&cli->arena, reply->rule_set));
    if (cli->output <= OUT_WIDE && reply->live_on)
        printf(_("Live since: %s\n"), cli_safe(&cli->arena, reply->live_on));
    if (cli->output <= OUT_WIDE && reply->rule_set)
        putchar('\n');
    for (size_t i = 0; i < reply->n_rows; i++)
        out_row(&o, &reply->rows[i]->base);
    qipan_result_free(&r);
    return out_close(&o);
}

int cmd_rules(struct cli *cli, int argc, char **argv)
{
    static const char *const words[] = {"show", NULL};
    int i, code = cli_subcommand(cli, argc, argv, words, &i);

    return code ? code : rules_show(cli, argc - 1, argv + 1);
}
