/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE /* memmem, pidfd_open, close_range */
#include "xlsx_convert.h"

#include "xlsx_zip.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libintl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define _(text)  dgettext("qipan", text)
#define N_(text) text

#define BLOCK    65536
#define MOST_IN  ((off_t)256 << 20)
#define MOST_OUT ((rlim_t)1 << 30)
#define TIME_MS  60000

int xlsx_convert_ms = 60000;

/* ---------------------------------------------------------------- compound files */

/* Names in the directory of a compound file are UTF-16. */
static const struct {
    const char *name;
    size_t n;
    bool workbook;
    const char *why;
} streams[] = {
#define STREAM(text, workbook, why)                                                                          \
    {                                                                                                        \
        text, sizeof(text) - 1, workbook, why                                                                \
    }
    STREAM("E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0", false,
           N_("the workbook is protected by a password: open it, save it without one, send that")),
    STREAM("W\0o\0r\0d\0D\0o\0c\0u\0m\0e\0n\0t\0", false,
           N_("this is a text document, not a workbook: copy its table into one")),
    STREAM("W\0o\0r\0k\0b\0o\0o\0k\0", true, NULL),
    STREAM("B\0o\0o\0k\0", true, NULL),
};

bool xlsx_is_compound(FILE *file)
{
    char head[4] = "";
    size_t n = fread(head, 1, sizeof(head), file);

    rewind(file);
    return n == sizeof(head) && !memcmp(head, "\xD0\xCF\x11\xE0", 4);
}

bool xlsx_compound_is_workbook(FILE *file, char *why)
{
    enum { N = sizeof(streams) / sizeof(streams[0]), KEEP = 64 };
    char block[BLOCK + KEEP];
    size_t keep = 0, n, first = N; /* the first of `streams` that is there decides */

    while ((n = fread(block + keep, 1, BLOCK, file)) > 0) {
        n += keep;
        for (size_t i = 0; i < first; i++)
            if (memmem(block, n, streams[i].name, streams[i].n))
                first = i;
        keep = n < KEEP ? n : KEEP;
        memmove(block, block + n - keep, keep);
    }
    rewind(file);
    if (first < N && streams[first].workbook)
        return true;
    return xlsx_fail(why, "%s",
                     first < N ? _(streams[first].why) : _("this is no workbook: save the sheet as .xlsx"));
}

/* ---------------------------------------------------------------- a folder that goes away */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    remove(path);
    return 0;
}

static void remove_folder(const char *folder)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static bool copy_into(FILE *file, const char *path, char *why)
{
    FILE *to = fopen(path, "wbxe");
    char block[BLOCK];
    size_t n;

    rewind(file);
    while (to && (n = fread(block, 1, sizeof(block), file)) > 0 && ftello(file) <= MOST_IN)
        if (fwrite(block, 1, n, to) != n)
            break;
    bool whole = to && feof(file) && !ferror(to);
    if (to && fclose(to) != 0)
        whole = false;
    return whole || xlsx_fail(why, _("the workbook can't be converted: %s"),
                              ftello(file) > MOST_IN ? strerror(EFBIG) : strerror(errno));
}

/* ---------------------------------------------------------------- the converter */

static bool find_program(const char *name, char path[PATH_MAX])
{
    const char *p = getenv("PATH");

    for (p = p ? p : "/usr/bin:/bin"; *p;) {
        size_t n = strcspn(p, ":");
        int len = snprintf(path, PATH_MAX, "%.*s/%s", (int)n, p, name);
        if (*p == '/' && len < PATH_MAX && access(path, X_OK) == 0)
            return true;
        p += n + (p[n] == ':');
    }
    return false;
}

static void limit(int resource, rlim_t most)
{
    struct rlimit r = {most, most};

    setrlimit(resource, &r);
}

static void run_child(const char *folder, char *const argv[]) __attribute__((noreturn));

static void run_child(const char *folder, char *const argv[])
{
    char home[PATH_MAX + 8], tmp[PATH_MAX + 8];
    char *const environment[] = {home, tmp, (char[]){"PATH=/usr/local/bin:/usr/bin:/bin"},
                                 (char[]){"LANG=C.UTF-8"}, NULL};

    snprintf(home, sizeof(home), "HOME=%s", folder);
    snprintf(tmp, sizeof(tmp), "TMPDIR=%s", folder);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, MOST_OUT);
    limit(RLIMIT_CPU, (rlim_t)xlsx_convert_ms / 1000 + 1);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int nothing = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++)
        dup2(nothing, fd);
    close_range(3, ~0u, 0);
    if (chdir(folder) == 0)
        execve(argv[0], argv, environment);
    _exit(127);
}

/* With whatever it started. A signal that asks this program to end is left for later, but ends the converter now. */
static bool wait_for(pid_t child, int signals)
{
    int fd = pidfd_open(child, 0), status = 0;
    struct pollfd p[] = {{.fd = fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    int ready;

    do
        ready = fd < 0 ? -1 : poll(p, 2, xlsx_convert_ms);
    while (ready < 0 && fd >= 0 && errno == EINTR);
    kill(-child, SIGKILL); /* before it is reaped: its number is still its own */
    kill(child, SIGKILL);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (fd >= 0)
        close(fd);
    return ready > 0 && (p[0].revents & POLLIN) && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run(const char *folder, char *const argv[], int signals)
{
    pid_t child = fork();

    if (child == 0)
        run_child(folder, argv);
    if (child < 0)
        return false;
    setpgid(child, child);
    return wait_for(child, signals);
}

/* Reads in.ENDING in the folder, writes in.xlsx. False with a sentence. */
static bool convert_in(const char *folder, char *in, int signals, char *why)
{
    char program[PATH_MAX], profile[PATH_MAX + 64];
    char out[] = "in.xlsx";
    bool done;

    if (find_program("ssconvert", program)) {
        char type[] = "--export-type=Gnumeric_Excel:xlsx2";
        done = run(folder, (char *[]){program, type, in, out, NULL}, signals);
    } else if (find_program("soffice", program)) {
        char headless[] = "--headless", no[] = "--norestore", to[] = "--convert-to", xlsx[] = "xlsx";
        snprintf(profile, sizeof(profile), "-env:UserInstallation=file://%s/profile", folder);
        done = run(folder, (char *[]){program, headless, no, profile, to, xlsx, in, NULL}, signals);
    } else {
        return xlsx_fail(
            why, "%s",
            _("this is a workbook of an older or another program: save it as .xlsx, or install the package "
              "gnumeric, which converts it"));
    }
    return done ||
           xlsx_fail(why, _("%s could not convert the workbook: open it and save it as .xlsx"), program);
}

static FILE *convert(FILE *file, const char *folder, const char *ending, int signals, char *why)
{
    char path[PATH_MAX], in[16];
    FILE *out = NULL;

    snprintf(in, sizeof(in), "in.%s", ending);
    snprintf(path, sizeof(path), "%s/%s", folder, in);
    if (!copy_into(file, path, why) || !convert_in(folder, in, signals, why))
        return NULL;
    snprintf(path, sizeof(path), "%s/in.xlsx", folder);
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || !(out = fdopen(fd, "rb")))
        xlsx_fail(why, _("the workbook can't be converted: %s"), strerror(errno));
    return out;
}

FILE *xlsx_convert(FILE *file, const char *ending, char *why)
{
    const char *tmp = getenv("TMPDIR");
    char folder[PATH_MAX - 32];
    sigset_t ends, before;
    FILE *out = NULL;

    /* Whoever ends this program now leaves no folder behind: until it is gone the signal waits. */
    sigemptyset(&ends);
    for (size_t i = 0; i < 3; i++)
        sigaddset(&ends, (int[]){SIGINT, SIGTERM, SIGHUP}[i]);
    sigprocmask(SIG_BLOCK, &ends, &before);
    int signals = signalfd(-1, &ends, SFD_CLOEXEC);
    snprintf(folder, sizeof(folder), "%s/qipan.XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (mkdtemp(folder)) {
        out = convert(file, folder, ending, signals, why);
        remove_folder(folder);
    } else {
        xlsx_fail(why, _("the workbook can't be converted: %s"), strerror(errno));
    }
    if (signals >= 0)
        close(signals);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return out;
}
