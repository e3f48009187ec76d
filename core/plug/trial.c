/* Code of a shared object runs as soon as it is loaded: constructors, its own and those of the libraries it needs. A file that nobody has
 * opened before is therefore opened in a child first, and what it does to that process is what it would have done to this one.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/trial.h"
#include "core/base/child.h"
#include "core/base/text.h"
#include "core/plug/plug_private.h"

#include <errno.h>
#include <fcntl.h>
#include <fenv.h>
#include <float.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the process ------------------------------------------------------------------------------------------------- */

/* State of the process that loading a file has to leave as it is: results, signals, paths and numbers in texts depend on it. */
struct process {
    int rounding, denormal;
    int signal_set[NSIG]; /* 1: a disposition other than the default */
    char locale[256], folder[PATH_MAX];
    mode_t mask;
};

static void process_look(struct process *p)
{
    struct sigaction action;
    volatile double smallest = DBL_MIN;
    memset(p, 0, sizeof *p);
    p->rounding = fegetround();
    p->denormal = smallest / 2 > 0;
    for (int s = 1; s < NSIG; s++)
        p->signal_set[s] = sigaction(s, NULL, &action) == 0 && ((action.sa_flags & SA_SIGINFO) || action.sa_handler != SIG_DFL);
    const char *locale = setlocale(LC_ALL, NULL);
    snprintf(p->locale, sizeof p->locale, "%s", locale ? locale : "");
    if (!getcwd(p->folder, sizeof p->folder))
        *p->folder = '\0';
    p->mask = umask(0);
    (void)umask(p->mask);
}

/* The change that loading made to the process, in words that follow "that loading it"; "" for none. */
static void process_compare(const struct process *before, char *text, size_t capacity)
{
    struct process now;
    process_look(&now);
    *text = '\0';
    if (now.denormal != before->denormal)
        tessi_base_add(text, capacity, "makes the smallest numbers 0 in all of the program: link it without -ffast-math");
    else if (now.rounding != before->rounding)
        tessi_base_add(text, capacity, "changes how numbers are rounded in all of the program");
    else if (strcmp(now.locale, before->locale) != 0)
        tessi_base_add(text, capacity, "sets the locale, and so how numbers are read");
    else if (strcmp(now.folder, before->folder) != 0)
        tessi_base_add(text, capacity, "changes the current folder");
    else if (now.mask != before->mask)
        tessi_base_add(text, capacity, "changes the permissions that new files get (umask)");
    for (int s = 1; s < NSIG && !*text; s++)
        if (now.signal_set[s] != before->signal_set[s])
            tessi_base_add(text, capacity, "takes signal %d (%s) for itself", s, strsignal(s));
}

/* ---- the trial ----------------------------------------------------------------------------------------------------- */

struct trial {
    const char *path;
    const struct tess_host *host;
};

/* Task of the child: 0, the file is fine; 1, refused, and the reason is said; 2, loading changed the process, and the change is said. */
static int trial_task(void *user)
{
    const struct trial *t = user;
    struct process before;
    char why[1024] = "";
    process_look(&before);
    if (!tessi_plug_plugin_open(t->path, t->host, why, sizeof why)) {
        tessi_base_child_say("%s", why);
        return 1;
    }
    process_compare(&before, why, sizeof why);
    tessi_base_child_say("%s", why);
    return *why ? 2 : 0;
}

/* Appends the last line that the child wrote to stderr: an assertion, a message of its runtime. */
static void add_last_words(const struct tessi_child *c, char *why, size_t capacity)
{
    char shown[200];
    const char *text = c->err.text;
    size_t end = strlen(text);
    while (end > 0 && text[end - 1] == '\n')
        end--;
    size_t start = end;
    while (start > 0 && text[start - 1] != '\n')
        start--;
    char line[sizeof c->err.text];
    memcpy(line, text + start, end - start);
    line[end - start] = '\0';
    tess_shown_text(line, shown, sizeof shown);
    if (*shown)
        tessi_base_add(why, capacity, "; it said: %s", shown);
}

static int trial_judge(const struct tessi_child *c, char *why, size_t capacity)
{
    char words[200], shown[100];
    *why = '\0';
    if (c->how == TESSI_CHILD_LATE)
        tessi_base_add(why, capacity,
                       "wanted a file that loads, found that loading it took more than %g s: code of it runs before any is asked for",
                       c->seconds);
    else if (c->how != TESSI_CHILD_RETURNED)
        tessi_base_add(why, capacity, "wanted a file that loads, found one that %s while it was loaded and looked at",
                       tessi_base_child_words(c, words, sizeof words));
    if (*why)
        add_last_words(c, why, capacity);
    else if (c->value == 1)
        tessi_base_add(why, capacity, "%s", c->said.text);
    else if (c->value == 2)
        tessi_base_add(why, capacity, "wanted a file that leaves the process as it is, found that loading it %s", c->said.text);
    else if (c->out.bytes > 0) {
        tess_shown_text(c->out.text, shown, sizeof shown);
        tessi_base_add(why, capacity, "wanted a file that loads in silence, found that it writes to stdout: \"%s\"", shown);
    }
    return *why == '\0';
}

int tessi_plug_trial(struct tess_context *ctx, const char *path, const struct tess_host *host, double seconds, int *good, char *why,
                     size_t capacity)
{
    struct tessi_child child;
    struct trial t = {path, host};
    TESS_TRY(tessi_base_child_run(ctx, trial_task, &t, seconds, &child));
    *good = trial_judge(&child, why, capacity);
    return TESS_OK;
}

int tessi_plug_file_digest(const char *path, char digest[TESS_DIGEST_TEXT], char *why, size_t capacity)
{
    struct tess_digest d;
    char piece[65536];
    ssize_t n = -1;
    *digest = '\0';
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    tess_digest_start(&d);
    while (fd >= 0 && ((n = read(fd, piece, sizeof piece)) > 0 || (n < 0 && errno == EINTR)))
        if (n > 0)
            tess_digest_add(&d, piece, (size_t)n);
    if (n < 0)
        snprintf(why, capacity, "wanted a file that can be read, found: %s", strerror(errno));
    else
        tess_digest_end(&d, digest);
    if (fd >= 0)
        close(fd);
    return n == 0;
}
