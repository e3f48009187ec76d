/* See process.h. SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* fegetexcept */
#include "core/plug/process.h"
#include "core/base/text.h"

#include <fcntl.h>
#include <fenv.h>
#include <float.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#define MASK_UNKNOWN (~0u)

extern char **environ;

/* The umask, which its own call could only tell by setting it, for all threads. MASK_UNKNOWN where /proc cannot be read. */
static unsigned process_mask(void)
{
    char text[2048];
    unsigned mask = MASK_UNKNOWN;
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *at = strstr(text, "\nUmask:");
    if (at)
        mask = (unsigned)strtoul(at + strlen("\nUmask:"), NULL, 8);
    return mask;
}

/* A sum over the variables, whose order says nothing; without those that libraries set for themselves as they begin: LLVM's OpenMP,
 * libvips. */
static uint64_t process_environment(void)
{
    uint64_t sum = 0;
    for (char **at = environ; at && *at; at++) {
        uint64_t h = 1469598103934665603ULL;
        if (strncmp(*at, "__KMP_", 6) == 0 || strncmp(*at, "VIPSHOME=", 9) == 0)
            continue;
        for (const char *c = *at; *c; c++)
            h = (h ^ (uint8_t)*c) * 1099511628211ULL;
        sum += h;
    }
    return sum;
}

void tessi_plug_process_look(struct tessi_process *p)
{
    static const int timers[3] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
    memset(p, 0, sizeof *p);
    for (int s = 1; s < NSIG; s++) {
        struct sigaction action;
        if (sigaction(s, NULL, &action) == 0)
            p->handler[s] = action.sa_handler;
    }
    (void)pthread_sigmask(SIG_SETMASK, NULL, &p->blocked);
    const char *locale = setlocale(LC_ALL, NULL);
    snprintf(p->locale, sizeof p->locale, "%s", locale ? locale : "");
    if (!getcwd(p->folder, sizeof p->folder))
        *p->folder = '\0';
    p->mask = process_mask();
    p->environment = process_environment();
    for (int r = 0; r < TESSI_PROCESS_LIMITS; r++)
        (void)getrlimit((__rlimit_resource_t)r, &p->limit[r]);
    for (int t = 0; t < 3; t++) {
        struct itimerval now;
        p->timer[t] = getitimer((__itimer_which_t)timers[t], &now) == 0 && (now.it_value.tv_sec || now.it_value.tv_usec);
    }
    for (int fd = 0; fd < 3; fd++) {
        struct stat st;
        p->standard[fd].open = fstat(fd, &st) == 0;
        p->standard[fd].device = p->standard[fd].open ? st.st_dev : 0;
        p->standard[fd].inode = p->standard[fd].open ? st.st_ino : 0;
    }
    p->user = geteuid();
    p->group = getegid();
    p->process = getpid();
    p->session = getsid(0);
}

static const char *changed_signal(const struct tessi_process *a, const struct tessi_process *b, char *text, size_t capacity)
{
    for (int s = 1; s < NSIG; s++)
        if (a->handler[s] != b->handler[s]) {
            snprintf(text, capacity, "takes signal %d (%s) for itself", s, strsignal(s));
            return text;
        }
    for (int s = 1; s < NSIG; s++)
        if (sigismember(&a->blocked, s) != sigismember(&b->blocked, s)) {
            snprintf(text, capacity, "blocks or unblocks signal %d (%s)", s, strsignal(s));
            return text;
        }
    return NULL;
}

static const char *changed_standard(const struct tessi_process *a, const struct tessi_process *b, char *text, size_t capacity)
{
    static const char *const name[3] = {"stdin", "stdout", "stderr"};
    for (int fd = 0; fd < 3; fd++)
        if (a->standard[fd].open != b->standard[fd].open || a->standard[fd].device != b->standard[fd].device ||
            a->standard[fd].inode != b->standard[fd].inode) {
            snprintf(text, capacity, "%s %s, which is the program's", b->standard[fd].open ? "puts another file in the place of" : "closes",
                     name[fd]);
            return text;
        }
    return NULL;
}

int tessi_plug_process_changed(const struct tessi_process *before, char *text, size_t capacity)
{
    struct tessi_process now;
    char words[200];
    const char *what;
    tessi_plug_process_look(&now);
    if (now.process != before->process)
        what = "made a second process that goes on as this program does";
    else if (strcmp(now.locale, before->locale) != 0)
        what = "sets the locale, and so how numbers are read";
    else if (strcmp(now.folder, before->folder) != 0)
        what = "changes the current folder";
    else if (now.mask != before->mask && now.mask != MASK_UNKNOWN && before->mask != MASK_UNKNOWN)
        what = "changes the permissions that new files get (umask)";
    else if (memcmp(now.limit, before->limit, sizeof now.limit) != 0)
        what = "changes the process's limits (setrlimit)";
    else if (memcmp(now.timer, before->timer, sizeof now.timer) != 0)
        what = "sets a timer, whose signal would end the program";
    else if (now.user != before->user || now.group != before->group)
        what = "changes the user or the group";
    else if (now.session != before->session)
        what = "starts a session of its own (setsid)";
    else if (now.environment != before->environment)
        what = "changes the environment";
    else if (!(what = changed_standard(before, &now, words, sizeof words)))
        what = changed_signal(before, &now, words, sizeof words);
    snprintf(text, capacity, "%s", what ? what : "");
    return what != NULL;
}

/* ---- numbers ------------------------------------------------------------------------------------------------------- */

#ifdef __SSE2__
/* Bits of MXCSR beside the flags, as a process begins: round to nearest, no traps, small numbers as they are. */
enum { MXCSR_KEPT = 0xffc0, MXCSR_FIRST = 0x1f80, MXCSR_SMALL = 0x8040, MXCSR_ROUNDING = 0x6000 };
#endif

int tessi_plug_numbers_changed(char *text, size_t capacity)
{
    int small, rounding = fegetround() != FE_TONEAREST, traps;
#ifdef __SSE2__
    const unsigned now = _mm_getcsr() & MXCSR_KEPT;
    small = (now & MXCSR_SMALL) != 0;
    rounding |= (now & MXCSR_ROUNDING) != 0;
    traps = (now & MXCSR_FIRST) != MXCSR_FIRST;
#else
    volatile double smallest = DBL_MIN;
    small = !(smallest / 2 > 0);
    traps = fegetexcept() != 0;
#endif
    if (!small && !rounding && !traps)
        return 0;
    (void)fesetenv(FE_DFL_ENV);
    snprintf(text, capacity, "%s",
             small      ? "makes the smallest numbers 0 in all of the program: link it without -ffast-math"
             : rounding ? "changes how numbers are rounded in all of the program"
                        : "has the program end at a number that is not exact or not finite (feenableexcept)");
    return 1;
}
