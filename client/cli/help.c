/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "filter.h"
#include "record.h"

#include <string.h>

#define PROJECT_USAGE                                                                                        \
    "qipan project list [TEXT] [--filter EXPR] [--sort [-]FIELD] [-n N]\n"                                   \
    "qipan project show ID [--full] [-n N]\n"                                                                \
    "qipan project add FIELD=VALUE… [--reason TEXT]\n"                                                     \
    "qipan project edit ID FIELD=VALUE… [--base VERSION] [--reason TEXT] [--force]\n"                      \
    "qipan project advance ID STAGE [--on DATE] [--evidence FILE]… [--reason TEXT]\n"                      \
    "qipan project log ID [--field FIELD]\n"

const struct command help_commands[] = {
    {"project", cmd_project, PROJECT_USAGE,
     N_("projects: list, show, add, edit, advance, log, counts, idle, pipeline"),
     N_("ID is the number people say (2026-0042) or the registry's id. TEXT finds any part of name, investor "
        "or number.\n"
        "A list begins with what was registered last; --sort -changed_at: with what was changed last.\n"
        "FIELD= empties a field. Amounts: 3.5亿元, 1200万, 12000000. Dates: 2026, 2026-05, 2026-05-01.\n"
        "An edit is made on the version the command reads first, or on --base; other people's changes of "
        "other fields are\n"
        "kept, the same field is a conflict (exit 6). --force overwrites and needs --reason.\n"
        "--request ID makes a repeated command the same request: it happens once, the answer comes again.\n"
        "--full: everything there is about it, the newest N (5) of each kind. \"counts\" by tag, method, "
        "region, "
        "industry, division,\n"
        "class, stage, office, park, node, node_role, tier or month; \"idle\": without a talk for too long.\n"
        "\"pipeline\": what stands behind each coming quarter, of large projects, and where that is thin.\n"),
     "qipan project add name=光伏组件项目 investor=示例新能源有限公司 amount_total=3.5亿元 industry=C38\n"
     "qipan project edit 2026-0042 amount_total=4亿元 --reason 追加投资\n"
     "qipan project advance 2026-0042 signed --on 2026-05-01\n"
     "qipan project list --filter 'stage=talks,signed amount_total>=1亿' --sort -amount_total\n"
     "qipan project show 2026-0042 --full\nqipan project log 2026-0042 --field amount_total\n"
     "qipan project counts method\nqipan project pipeline\nqipan project idle --days 30 office=chengguan\n"},
    {"watch", cmd_watch,
     "qipan watch [--since now|0|CURSOR] [--cursor-file FILE] [--filter EXPR] [--echo] [-n N]\n"
     "            [--timeout SECONDS] [--exec COMMAND] [--summary] [--snapshot]\n",
     N_("every change, as it happens"),
     N_("With -o jsonl one JSON object a line. A line's cursor is where to start again: nothing is missed, "
        "nothing comes\n"
        "twice. --cursor-file keeps it; a missing file starts at --since. --exec runs a command for each "
        "change, with\n"
        "the line on its input; the cursor moves when it ends with 0, otherwise the watch stops.\n"
        "-n ends after N changes, --timeout after that many seconds (exit 124). --summary: one line per "
        "import.\n"
        "--snapshot: first what there is now, a line enter for each, then the changes; from a cursor it only "
        "goes "
        "on.\n"
        "Should the registry fall back to an earlier state (a failover that lost something), a line diverged "
        "says "
        "so; what\n"
        "was shown since the fork comes again as it is now, enter or leave, and with fork null everything "
        "does: "
        "drop the rest.\n"),
     "qipan watch -o jsonl --cursor-file ~/.qipan.cursor --filter 'stage=signed'\n"},
    {"board", cmd_board, "qipan board [--filter EXPR]\n", N_("a live list of projects on the terminal"),
     N_("Keys: q ends, arrows and Page keys scroll, Home goes to the newest change.\n"),
     "qipan board --filter 'office=chengguan'\n"},
    {"import", cmd_import,
     "qipan import FILE [--commit] [--kind K] [--sheet S] [--profile NAME] [--map FILE] [--encoding E]\n"
     "             [--without COLUMN] [--keep-going] [--opening] [--reason T] [--report FILE] "
     "[--exit-code]\n",
     N_("a sheet into the registry: previewed, then with --commit"),
     N_("A workbook, CSV in UTF-8 or GB18030, or JSON Lines. Without --commit nothing is changed: each row "
        "is judged as new, updated,\n"
        "unchanged, duplicate, in conflict, rejected or skipped, with the reason; counts first, then the "
        "first rows of each, all of them\n"
        "with -o wide or in --report FILE. With --commit one row that is refused stops everything, unless "
        "--keep-going takes the good\n"
        "ones (exit 9). An export that comes back changes only what was edited in it; where others edited "
        "the same, it is a conflict.\n"
        "Titles, headers of several levels, headings and sums are recognised. Columns called like fields "
        "(name, 项目名称,\n"
        "总投资(万元)) need no mapping file; others are explained by one: --map FILE, or --profile NAME; "
        "--without leaves a column out. What\n"
        "a commit confirms is remembered for the next sheet with these headings (qipan profile). --kind says "
        "what the rows\n"
        "are (arrival, activity, enterprise …; default project), --sheet which sheet of a workbook. "
        "--opening is the bureau's: projects\n"
        "with the days of their stages, arrivals or steps of before the county went live; --reason says why "
        "a "
        "day is corrected. A batch can be\n"
        "taken back: qipan batch.\n"),
     "qipan import 2026年5月.csv --map chengguan.map\nqipan import 2026年5月.csv --map chengguan.map "
     "--commit\n"},
    {"export", cmd_export,
     "qipan export [KIND] [FILE] [--filter EXPR] [--sort [-]FIELD] [--fields a,b] [--layout FILE] [-o "
     "xlsx|csv|tsv|jsonl]\n",
     N_("a list as a file: projects, or another kind of record"),
     N_("KIND is the word of any family with a list (arrival, activity, enterprise …), by default project. "
        "The form follows "
        "from -o or from\n"
        "the ending of FILE. A workbook is for people: labels, amounts in 万元, id and version in hidden "
        "columns; the others "
        "have the\n"
        "names and codes of programs. Whichever comes back unedited through an import changes nothing; but "
        "in a TSV, which has none,\n"
        "line breaks of a summary became blanks, and come back as such.\n"),
     "qipan export 项目.xlsx --filter 'stage=signed'\nqipan export arrival -o csv > arrivals.csv\n"},
    {"template", cmd_template, "qipan template KIND [FILE.xlsx]\n",
     N_("an empty workbook to fill in and import"),
     N_("Headings with notes, required ones red; lists to choose from, as the registry has them now; days "
        "and amounts are "
        "looked at. The\n"
        "example below the headings is passed over by an import as long as it begins with 示例:. Without "
        "FILE: KIND.xlsx.\n"),
     "qipan template project 项目登记表.xlsx\nqipan template arrival\n"},
    {"office", cmd_office, "qipan office list\n", N_("the offices of the county, and how they change"),
     N_("An office is renamed, moved to another ranking group, merged into another or split, from a day on. "
        "A merger gives\n"
        "all that is open to the other office and ends the roles held in this one; whom the security officer "
        "may give which\n"
        "in the other it says, and gives none. Large ones go on in the background: \"changes\" tells how "
        "far.\n"),
     "qipan office list -o json\nqipan office rename xichen 西城街道 --on 2027-01-01 --note "
     "县编办〔2026〕3号\n"
     "qipan office merge xichen chengguan\nqipan office split chengguan xicheng 2026-0042 2026-0051 --name "
     "西城新区\n"},
    {"account", cmd_account,
     "qipan account list [TEXT]\n"
     "qipan account add CODE name=NAME office=OFFICE [holder=machine] [--reason TEXT]\n"
     "qipan account edit CODE [name=NAME] [office=OFFICE] [enabled=false] [--reason TEXT]\n"
     "qipan account roles [CODE] [--ended]\n"
     "qipan account grant CODE ROLE [--office OFFICE] [--from DAY] [--until DAY] [--deputy-of CODE] "
     "[--reason "
     "TEXT]\n"
     "qipan account end ID [--reason TEXT]\n",
     N_("accounts and their roles, for the officers"),
     N_("The system officer adds, edits and disables accounts; the security officer gives and ends roles; "
        "neither does\n"
        "anything for himself, and the auditor sees both. Roles of an office: viewer, clerk, approver, "
        "importer; of the\n"
        "county: bureau, leader, supervisor; officers, who hold no other: sysadmin, secadmin, auditor.\n"
        "\"handover\" gives all that a person holds (projects led or served, open matters) to another: the "
        "promotion office\n"
        "anywhere, an approver within the own office.\n"),
     "qipan account add li.xiaomu name=李小目 office=chengguan\nqipan account grant li.xiaomu clerk --office "
     "chengguan\n"
     "qipan account grant wang.yi clerk --office chengguan --deputy-of li.xiaomu --from 2026-12-01 --until "
     "2026-12-10\nqipan account handover 王敏 li.xiaomu --on 2026-12-01\n"},
    {"cert", cmd_cert,
     "qipan cert renew [--wait SECONDS] [--if-due]\n"
     "qipan cert list [TEXT] [--person CODE] [--ended]\n"
     "qipan cert map IDENTITY CODE [--reason TEXT]\n"
     "qipan cert approve IDENTITY CODE [--reason TEXT]\n"
     "qipan cert unmap IDENTITY [--reason TEXT]\n",
     N_("certificates: renew one's own; whose they are, for the officers"),
     N_("\"renew\" makes a fresh key, asks the authority over the connection for a certificate, and puts "
        "both in the\n"
        "place of the old files; exit 124: asked, not answered yet, run it again. --if-due: only in the last "
        "30 days.\n"
        "The system officer says with \"map\" whose an identity (qipan:person:li.xiaomu) is, the security "
        "officer approves;\n"
        "either ends it with \"unmap\", and its sessions with it. Nobody does so for himself.\n"),
     "qipan cert renew\nqipan cert map qipan:person:li.xiaomu li.xiaomu\nqipan cert approve "
     "qipan:person:li.xiaomu li.xiaomu\n"},
    {"rules", cmd_rules, "qipan rules show [KIND] [--prefix CODE]\n",
     N_("the rule set in force: stages, codes and their labels"),
     N_("KIND is stage, office, park, region, method, class, tag, firm_class, role or industry. For a "
        "stage, where it\n"
        "may move to. \"live\" sets the day on which the county goes live: what was before it is entered "
        "with "
        "\"backdate\".\n"),
     "qipan rules live 2027-01-01\nqipan rules show stage\nqipan rules show industry --prefix C38\n"},
    {"due", cmd_due,
     "qipan due set PROJECT at=TIME text=TEXT [office=OFFICE] [--reason TEXT]\n"
     "qipan due set ID FIELD=VALUE… [--base VERSION] [--reason TEXT] [--force]\n"
     "qipan due clear ID [--base VERSION] [--reason TEXT] [--force]\n"
     "qipan due list [PROJECT] [--office OFFICE] [--state open|fired|cleared]\n",
     N_("deadlines: set, clear, list"),
     N_("TIME is 2026-12-01, '2026-12-01 09:30' or +3d (m, h, d, w from now). office= is who must act, by "
        "default the\n"
        "project's owner. When the time comes the registry itself writes deadline.fired, and every watch of "
        "the project\n"
        "or office is told. Two people may change different fields; the same one since --base is a "
        "conflict.\n"),
     "qipan due set 2026-0042 at=2026-12-01 text=报送开工材料\nqipan due list 2026-0042\n"},
    {"receipt", cmd_receipt,
     "qipan receipt show REQUEST\n"
     "qipan receipt sign REVISION [OBJECT]\n"
     "qipan receipt list REVISION [OBJECT]\n",
     N_("requests of yours and what became of them; who has signed for a revision"),
     N_("After exit 10 (outcome unknown) \"show\" says whether the change happened. \"sign\" says that you "
        "have taken note of\n"
        "a revision, or of one object in it; \"list\" who has and who hasn't.\n"),
     "qipan receipt show 5f0c2a9e11d3b870-1\nqipan receipt sign 10542\n"},
    {"audit", cmd_audit,
     "qipan audit list [--person CODE] [--project ID] [--office OFFICE] [--since TIME] [--until TIME]\n",
     N_("who changed, read or tried what; for the audit administrator"),
     N_("Changes of the registry and the rows beside them (sign-ins, refusals, exports, reads of contact "
        "data) "
        "in one order of\n"
        "time, oldest first. TIME is 2026-12-01 or '2026-12-01 09:30'. Reading the audit is audited too.\n"),
     "qipan audit list --person li.xiaomu --since 2026-12-01\nqipan audit list --project 2026-0042 -o "
     "jsonl\n"},
    {"evidence", cmd_evidence,
     "qipan evidence add PROJECT FILE… [of=ID] [stage=STAGE] [media=TYPE] [note=TEXT]\n"
     "qipan evidence get ID [FILE|-]\n",
     N_("files that show that something was done: add, get, list, show, withdraw"),
     N_("Up to 20 MB each: pdf, jpeg, png, docx, xlsx, doc, xls, ofd, zip, csv, txt; the content must be "
        "what "
        "the name says,\n"
        "or media=. of= is what it shows (an arrival, activity, matter or case of the project; default the "
        "project itself),\n"
        "stage= the stage it shows to be reached. Broken off, the same command goes on where it was. \"get\" "
        "writes ID.pdf,\n"
        "or FILE, which must not exist yet, and compares the hash. Nothing is deleted: \"withdraw\" needs "
        "--reason.\n"),
     "qipan evidence add 2026-0042 投资合同.pdf 银行回单.jpg stage=signed\nqipan evidence list "
     "project=2026-0042\n"
     "qipan evidence get ev0123456789abcde 合同副本.pdf\n"},
#define FAMILY(name, summary, text, example) {#name, cmd_record, "", summary, text, example},
#include "families.def"
#undef FAMILY
    {"whoami", cmd_whoami, "qipan whoami\n", N_("your account, office and rights"), NULL, "qipan whoami\n"},
    {"version", cmd_version, "qipan version\n", N_("version of program and protocol"), NULL,
     "qipan version\n"},
    {"help", cmd_help, "qipan help [FAMILY]\n", N_("this, or more about one family"), NULL,
     "qipan help project\n"},
    {0},
};

const struct command *help_find(const char *name)
{
    for (const struct command *c = help_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

int help_unknown(struct cli *cli, const char *word)
{
    const char *words[sizeof help_commands / sizeof *help_commands] = {NULL};

    for (size_t i = 0; help_commands[i].name; i++)
        words[i] = help_commands[i].name;
    return cli_unknown(cli, N_("command"), word, words);
}

static void print_options(void)
{
    fputs(_("Options of every command:\n"
            "  --context NAME      which context of the settings (QIPAN_CONTEXT)\n"
            "  --lang zh|en        language (QIPAN_LANG); Chinese unless said otherwise\n"
            "  -o MODE             table wide json jsonl csv tsv xlsx name\n"
            "  --fields a,b        which fields\n"
            "  --color WHEN        auto always never\n"
            "  --request ID        request id of a change: the same id is the same request for ever\n"
            "  -h, --help\n"),
          stdout);
}

static void print_exit_codes(void)
{
    fputs(_("Exit codes: 0 fine, 1 failure, 2 usage, 3 unreachable or busy, 4 not authenticated, 5 not "
            "found, 6 conflict,\n"
            "  7 not valid, 8 no permission, 9 partial, 10 outcome unknown, 124 time is up, 130/143 "
            "interrupted\n"),
          stdout);
}

int help_overview(struct cli *cli)
{
    printf("%s\n\n", _("qipan: one registry of investment projects for all offices of a county"));
    printf("%s\n", _("Commands (qipan help FAMILY says more):"));
    for (const struct command *c = help_commands; c->name; c++)
        printf("  %-12s %s\n", c->name, gettext(c->summary));
    putchar('\n');
    print_options();
    putchar('\n');
    print_exit_codes();
    return cli_flush(cli);
}

static void print_filter(bool watch)
{
    printf("\n%s\n", _("Conditions of --filter, all of them must hold:"));
    for (const struct filter_help *h = filter_help; h->op; h++)
        if (!watch || h->watch)
            printf("  %-4s %s (%s)\n", h->op, gettext(h->meaning), watch ? h->watch : h->example);
    if (!watch)
        return;
    fputs(_("Fields a watch knows, >= <= > < for amount_total alone:"), stdout);
    for (const char *const *f = filter_watchable; *f; f++)
        printf(" %s", *f);
    putchar('\n');
}

/* Fields that people write words into. */
static bool is_wordy(const char *field)
{
    static const char *const fields[] = {"subject", "name",  "firm", "origin_name",
                                         "result",  "basis", "note", NULL};

    for (size_t i = 0; fields[i]; i++)
        if (strcmp(fields[i], field) == 0)
            return true;
    return false;
}

/* What stands behind an operator of the example: days, amounts, numbers or words. "" for a field that is none of these. */
static const char *example_value(const ProtobufCFieldDescriptor *f, const char *op)
{
    bool text = strchr("~", *op) != NULL, order = strchr("<>", *op) != NULL;

    if (strcmp(f->name, "office") == 0)
        return text || order ? "" : "chengguan,dongshan";
    switch (value_kind(f)) {
    case VALUE_DATE:
        return !order ? "" : op[1] ? (*op == '>' ? "2026-01-01" : "2026-06-30") : "2026-06";
    case VALUE_MONEY:
        return order ? "1000万" : "";
    case VALUE_AREA:
    case VALUE_INT:
        return order && strcmp(f->name, "version") != 0 && strcmp(f->name, "rank") != 0 ? "10" : "";
    case VALUE_TEXT:
        return text && is_wordy(f->name) ? "光伏" : "";
    default:
        return "";
    }
}

/* The operators with fields of that message; those it has no use for are left out. */
static void print_operators(const ProtobufCMessageDescriptor *desc)
{
    for (const struct filter_help *h = filter_help; h->op; h++) {
        const char *value = "";
        unsigned i = 0;

        while (i < desc->n_fields && !*(value = example_value(&desc->fields[i], h->op)))
            i++;
        if (*value)
            printf("  %-4s %s (%s%s%s)\n", h->op, gettext(h->meaning), desc->fields[i].name, h->op, value);
    }
}

static void print_fields(const struct verb *v, const ProtobufCMessageDescriptor *desc)
{
    printf(_("Fields of %s %s:"), v->family, v->word);
    for (unsigned i = 0; i < desc->n_fields; i++)
        if (value_kind(&desc->fields[i]) != VALUE_OTHER)
            printf(" %s", desc->fields[i].name);
    putchar('\n');
}

/* Conditions of the lists of verbs.def; of projects when no list of the family is of something else. */
static void print_conditions(const char *family)
{
    const ProtobufCMessageDescriptor *shown[8] = {NULL};
    size_t n = 0;

    for (const struct verb *v = record_verbs; v->family; v++) {
        const ProtobufCMessageDescriptor *desc = strcmp(v->family, family) == 0 ? record_terms(v) : NULL;
        size_t i = 0;

        while (i < n && shown[i] != desc)
            i++;
        if (!desc || i < n || n == sizeof shown / sizeof *shown)
            continue;
        if (n == 0) {
            printf("\n%s\n", _("Conditions of --filter, all of them must hold:"));
            print_operators(desc);
        }
        shown[n++] = desc;
        print_fields(v, desc);
    }
    if (n == 0)
        print_filter(false);
}

static void print_mapping(void)
{
    printf("\n%s",
           _("Mapping file, UTF-8 (whole grammar: deploy/examples/README.md):\n"
             "  [source]           name = REGISTER, encoding, separator, header = ROW, skip = HEADER ~ TEXT, "
             "unit, area_unit, empty = keep|clear\n"
             "  [columns]          FIELD = HEADER [after TEXT] [+ 'text' + HEADER] [| FALLBACK] [unit 万元]; "
             "HEADER#2 is the second of that name\n"
             "  [constants]        FIELD = VALUE\n"
             "  [key]              column = HEADER, names a row in its register: it becomes external_id\n"
             "  [values FIELD]     CELL = VALUE, CELL = \"\", CELL = skip row, * = VALUE for all others\n"));
}

/* Forms out of verbs.def; true when one takes conditions. */
static bool print_forms(struct cli *cli, const char *family)
{
    bool filter = false;

    for (const struct verb *v = record_verbs; v->family; v++) {
        const char *form = strcmp(v->family, family) == 0 ? record_form(&cli->scratch, v) : "";

        printf("%s%s", form, *form ? "\n" : "");
        filter |= strstr(form, "--filter") != NULL;
    }
    return filter;
}

int help_command(struct cli *cli, const struct command *c)
{
    bool filter;

    printf("%s: %s\n\n%s", c->name, gettext(c->summary), c->usage);
    filter = print_forms(cli, c->name) || strstr(c->usage, "--filter");
    if (c->text)
        printf("\n%s", gettext(c->text));
    if (filter && (c->run == cmd_record || c->run == cmd_evidence))
        print_conditions(c->name);
    else if (filter)
        print_filter(c->run == cmd_watch || c->run == cmd_board);
    if (strstr(c->usage, "--map"))
        print_mapping();
    printf("\n%s\n%s", _("Example:"), c->example);
    return cli_flush(cli);
}

int cmd_help(struct cli *cli, int argc, char **argv)
{
    const struct command *c;

    if (argc < 2)
        return help_overview(cli);
    c = help_find(argv[1]);
    return c ? help_command(cli, c) : help_unknown(cli, argv[1]);
}
