/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the nth allocation or system call of a program fail, as LD_PRELOAD.
 *
 *   QIPAN_SHIM=alloc:N[:on]         the Nth malloc, calloc, realloc, strdup or strndup that Qipan's own code or protobuf-c
 *                                   makes gives NULL; with `on` all behind it, too
 *   QIPAN_SHIM=CALL:N:ERRNO[:on]    the Nth accept, read, write, epoll_ctl, open, rename, fsync, socket or getrandom fails
 *   QIPAN_SHIM=CALL:N:short[:on]    … or does only one byte of its work (read, write, getrandom)
 *   QIPAN_SHIM_WAIT=1               counting begins at SIGUSR2
 *   QIPAN_SHIM_SAY=FILE             what was counted, and what failed, stands there at once
 *
 * Not in the program itself, and built for tests only. Whoever called is told by the return address: OpenSSL, libpq and libuv are
 * tested by others. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define EARLY 65536 /* for dlsym's own wishes */

static struct {
    uintptr_t from, to;
} own[16];
static size_t n_own;

static char what[24];
static long nth;
static int fault; /* errno; 0: short */
static bool on, armed;
static long *seen; /* shared, so that a child of the program counts on */
static int say = -1;

static void *(*real_malloc)(size_t);
static void *(*real_calloc)(size_t, size_t);
static void *(*real_realloc)(void *, size_t);
static void (*real_free)(void *);

static char early[EARLY];
static size_t early_used;

static void *early_alloc(size_t n)
{
    size_t at = (early_used + 15) & ~(size_t)15;

    if (at + n > EARLY)
        _exit(99);
    early_used = at + n;
    return early + at;
}

static bool is_early(const void *p)
{
    return (const char *)p >= early && (const char *)p < early + EARLY;
}

static void find_real(void)
{
    static bool looking;

    if (real_malloc || looking)
        return;
    looking = true;
    real_calloc = (void *(*)(size_t, size_t))dlsym(RTLD_NEXT, "calloc");
    real_realloc = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    real_free = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    real_malloc = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
    looking = false;
}

/* ---- what to do */

static int find_own(struct dl_phdr_info *info, size_t size, void *arg)
{
    bool program = !info->dlpi_name[0], protobuf = strstr(info->dlpi_name, "libprotobuf-c");

    (void)size;
    (void)arg;
    for (int i = 0; (program || protobuf) && i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = &info->dlpi_phdr[i];

        if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || n_own == sizeof own / sizeof *own)
            continue;
        own[n_own].from = info->dlpi_addr + part->p_vaddr;
        own[n_own++].to = info->dlpi_addr + part->p_vaddr + part->p_memsz;
    }
    return 0;
}

static void arm(int signal)
{
    (void)signal;
    armed = true;
}

static int number_of(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } table[] = {
        {"short", 0},       {"ENOMEM", ENOMEM},         {"EAGAIN", EAGAIN}, {"EPIPE", EPIPE},
        {"ENOSPC", ENOSPC}, {"EMFILE", EMFILE},         {"EIO", EIO},       {"EINTR", EINTR},
        {"EACCES", EACCES}, {"ECONNRESET", ECONNRESET}, {"ENOSYS", ENOSYS}, {"ECONNABORTED", ECONNABORTED}};

    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].name, name) == 0)
            return table[i].number;
    _exit(98);
}

__attribute__((constructor)) static void begin(void)
{
    const char *text = getenv("QIPAN_SHIM"), *file = getenv("QIPAN_SHIM_SAY");
    char number[16] = "ENOMEM", tail[8] = "";

    find_real();
    if (!text)
        return;
    dl_iterate_phdr(find_own, NULL);
    seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (file)
        say = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (strncmp(text, "alloc:", 6) == 0) {
        strcpy(what, "alloc");
        sscanf(text + 6, "%ld:%7s", &nth, tail);
    } else if (sscanf(text, "%23[a-z_]:%ld:%15[A-Za-z]:%7s", what, &nth, number, tail) < 3) {
        _exit(97);
    }
    fault = number_of(number);
    on = strcmp(tail, "on") == 0;
    if (getenv("QIPAN_SHIM_WAIT"))
        signal(SIGUSR2, arm);
    else
        armed = true;
}

__attribute__((destructor)) static void end(void)
{
    if (say >= 0 && seen)
        dprintf(say, "counted %ld\n", *seen);
}

/* Is it this one? */
static bool due(const char *call)
{
    long n;

    if (!armed || strcmp(what, call) != 0)
        return false;
    n = __atomic_add_fetch(seen, 1, __ATOMIC_RELAXED);
    if (n != nth && !(on && n > nth))
        return false;
    if (say >= 0 && n == nth) {
        char line[64];
        int k = snprintf(line, sizeof line, "failed %s %ld\n", call, n);

        syscall(SYS_write, say, line, k);
    }
    return true;
}

static bool no_memory(const void *caller)
{
    bool ours = false;

    for (size_t i = 0; armed && i < n_own && !ours; i++)
        ours = (uintptr_t)caller >= own[i].from && (uintptr_t)caller < own[i].to;
    if (!ours || !due("alloc"))
        return false;
    errno = ENOMEM;
    return true;
}

/* ---- memory */

void *malloc(size_t n)
{
    find_real();
    if (!real_malloc)
        return early_alloc(n);
    return no_memory(__builtin_return_address(0)) ? NULL : real_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    find_real();
    if (!real_malloc)
        return early_alloc(n * size);
    return no_memory(__builtin_return_address(0)) ? NULL : real_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    find_real();
    if (!real_malloc || is_early(p)) {
        void *fresh = malloc(n);

        if (p && fresh)
            memcpy(fresh, p, n < EARLY ? n : EARLY);
        return fresh;
    }
    return no_memory(__builtin_return_address(0)) ? NULL : real_realloc(p, n);
}

void free(void *p)
{
    if (!is_early(p) && real_free)
        real_free(p);
}

char *strndup(const char *s, size_t most)
{
    size_t n = strnlen(s, most);
    char *copy;

    if (no_memory(__builtin_return_address(0)))
        return NULL;
    copy = malloc(n + 1);
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

char *strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy;

    if (no_memory(__builtin_return_address(0)))
        return NULL;
    copy = malloc(n);
    return copy ? memcpy(copy, s, n) : NULL;
}

/* ---- system calls */

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int failed(void)
{
    errno = fault;
    return -1;
}

/* Errors that such a file can have. Pipes and event descriptors are libuv's own, to itself. */
static bool can_fail(int fd)
{
    struct stat st;

    if (!armed || fstat(fd, &st) != 0)
        return false;
    if (fault == ENOSPC || fault == EIO)
        return S_ISREG(st.st_mode) || fd <= STDERR_FILENO;
    if (fault == EPIPE || fault == ECONNRESET)
        return S_ISSOCK(st.st_mode) || fd <= STDERR_FILENO;
    return S_ISREG(st.st_mode) || S_ISSOCK(st.st_mode) || fd <= STDERR_FILENO;
}

ssize_t read(int fd, void *to, size_t n)
{
    static ssize_t (*real)(int, void *, size_t);

    real = real ? real : REAL(read);
    if (!can_fail(fd) || !due("read"))
        return real(fd, to, n);
    return fault ? failed() : real(fd, to, n ? 1 : 0);
}

ssize_t write(int fd, const void *from, size_t n)
{
    static ssize_t (*real)(int, const void *, size_t);

    real = real ? real : REAL(write);
    if (fd == say || !can_fail(fd) || !due("write"))
        return real(fd, from, n);
    return fault ? failed() : real(fd, from, n ? 1 : 0);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    static ssize_t (*real)(int, const struct iovec *, int);
    struct iovec one = parts[0];

    real = real ? real : REAL(writev);
    if (!can_fail(fd) || !due("write"))
        return real(fd, parts, n);
    one.iov_len = one.iov_len ? 1 : 0;
    return fault ? failed() : real(fd, &one, 1);
}

/* The library's sockets; libpq's, too. */
ssize_t send(int fd, const void *from, size_t n, int flags)
{
    static ssize_t (*real)(int, const void *, size_t, int);

    real = real ? real : REAL(send);
    if (!can_fail(fd) || !due("write"))
        return real(fd, from, n, flags);
    return fault ? failed() : real(fd, from, n ? 1 : 0, flags);
}

ssize_t recv(int fd, void *to, size_t n, int flags)
{
    static ssize_t (*real)(int, void *, size_t, int);

    real = real ? real : REAL(recv);
    if (!can_fail(fd) || !due("read"))
        return real(fd, to, n, flags);
    return fault ? failed() : real(fd, to, n ? 1 : 0, flags);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
    return due("accept") ? failed() : REAL(accept4)(fd, address, size, flags);
}

int epoll_ctl(int fd, int op, int of, struct epoll_event *event)
{
    return due("epoll_ctl") ? failed() : REAL(epoll_ctl)(fd, op, of, event);
}

int open(const char *path, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = (flags & O_CREAT) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return armed && due("open") ? failed() : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

FILE *fopen(const char *path, const char *mode)
{
    static FILE *(*real)(const char *, const char *);

    real = real ? real : REAL(fopen);
    if (!due("open"))
        return real(path, mode);
    errno = fault;
    return NULL;
}

int rename(const char *from, const char *to)
{
    return due("rename") ? failed() : REAL(rename)(from, to);
}

int fsync(int fd)
{
    return due("fsync") ? failed() : REAL(fsync)(fd);
}

int socket(int domain, int type, int protocol)
{
    return due("socket") ? failed() : REAL(socket)(domain, type, protocol);
}

ssize_t getrandom(void *to, size_t n, unsigned flags)
{
    static ssize_t (*real)(void *, size_t, unsigned);

    real = real ? real : REAL(getrandom);
    if (!due("getrandom"))
        return real(to, n, flags);
    return fault ? failed() : real(to, n ? 1 : 0, flags);
}

int getentropy(void *to, size_t n)
{
    static int (*real)(void *, size_t);

    real = real ? real : REAL(getentropy);
    return due("getrandom") ? failed() : real(to, n);
}
