/* Code of a shared object runs as soon as it is loaded: constructors, its own and those of the libraries it needs. A file that nobody has
 * opened before is therefore opened in a child first, and what it does to that process is what it would have done to this one.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/trial.h"
#include "core/base/child.h"
#include "core/base/text.h"
#include "core/plug/plug_private.h"
#include "core/plug/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- the trial ----------------------------------------------------------------------------------------------------- */

struct trial {
    const char *path;
    const struct tess_host *host;
};

/* Task of the child: 0, the file is fine; 1, refused, and the reason is said; 2, loading changed the process, and the change is said. */
static int trial_task(void *user)
{
    const struct trial *t = user;
    struct tessi_process before;
    char why[1024] = "";
    tessi_plug_process_look(&before);
    if (!tessi_plug_plugin_open(t->path, t->host, why, sizeof why)) {
        tessi_base_child_say("%s", why);
        return 1;
    }
    int changed = tessi_plug_numbers_changed(why, sizeof why) || tessi_plug_process_changed(&before, why, sizeof why);
    tessi_base_child_say("%s", why);
    return changed ? 2 : 0;
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
