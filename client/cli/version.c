/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include "limits.h"

int cmd_version(struct cli *cli, int argc, char **argv)
{
    static const struct cli_option options[] = {{0}};
    int n, code = cli_options(cli, argc, argv, options, &n);

    if (code)
        return code;
    if (n > 0)
        return cli_usage(cli, _("too many words: \"%s\""), argv[1]);
    if (cli_json(cli))
        printf("{\"version\":\"%s\",\"protocol\":%d}\n", QIPAN_VERSION, QIPAN_PROTOCOL_VERSION);
    else if (cli->output == OUT_NAME)
        puts(QIPAN_VERSION);
    else
        printf(_("qipan %s (protocol %d)\n"), QIPAN_VERSION, QIPAN_PROTOCOL_VERSION);
    return cli_flush(cli);
}
