/* Tests for components of every kind: their descriptions, opening and closing, and side effects on the process.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* memfd_create */
#include "core/judge/judge_private.h"
#include "core/base/memory.h"
#include "core/plug/kinds.h"
#include "core/plug/object_file.h"
#include "core/plug/process.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- its description ----------------------------------------------------------------------------------------------- */

struct symbols {
    int64_t count;
    char other[128];
};

/* Tells symbols of the C++ standard library's headers by their mangled names (Itanium C++ ABI): namespaces std and __gnu_cxx, placement
 * new. Those headers make all they have visible, whatever a plugin is compiled with, and what is not inlined is left in each file that uses
 * it. */
static int component_of_cxx(const char *name)
{
    static const char *const begins[] = {"St", "Sa", "Sb", "Ss", "Si", "So", "Sd", "9__gnu_cxx", "nw", "na", "dl", "da"};
    if (strncmp(name, "_Z", 2) != 0)
        return 0;
    for (name += 2; *name == 'Z' || strncmp(name, "GV", 2) == 0 || (*name == 'T' && name[1] && strchr("VTIS", name[1]));)
        name += *name == 'Z' ? 1 : 2; /* a function's own variable, its guard, a class's tables */
    name += *name == 'N';
    name += strspn(name, "rVK");
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(name, begins[i], strlen(begins[i])) == 0)
            return 1;
    return 0;
}

static void component_symbol(void *user, const char *name, int once)
{
    struct symbols *s = user;
    if (!once && component_of_cxx(name))
        return;
    s->count++;
    if (strcmp(name, "tess_plugin_1") != 0 && *s->other == '\0')
        snprintf(s->other, sizeof s->other, "%s", name);
}

static int component_one_symbol(struct judge *j)
{
    struct symbols s = {0, ""};
    if (!*j->file)
        return judge_skip(j, "it is in no file of its own");
    if (!tessi_plug_object_exports(j->file, component_symbol, &s))
        return judge_fail(j, "the symbols of %s cannot be read", j->file);
    return *s.other ? judge_fail(j,
                                 "wanted tess_plugin_1 as the only exported symbol, found %lld, `%s` among them: build with "
                                 "-fvisibility=hidden",
                                 (long long)s.count, s.other)
                    : TESS_OK;
}

/* Checks a text of a description: one line, not empty. */
static int component_text(struct judge *j, const char *what, const char *of, const char *text)
{
    if (!text || !*text)
        return judge_fail(j, "wanted the %s of `%s` to say something, found none", what, of);
    for (const char *at = text; *at; at++)
        if (iscntrl((unsigned char)*at))
            return judge_fail(j, "wanted the %s of `%s` to be one line, found the control character %d", what, of, (int)(unsigned char)*at);
    return TESS_OK;
}

static int component_texts(struct judge *j)
{
    const struct tess_param *p;
    JUDGE_TRY(component_text(j, "version", j->plugin->id, j->plugin->version));
    JUDGE_TRY(component_text(j, "license", j->plugin->id, j->plugin->license));
    JUDGE_TRY(component_text(j, "summary", j->component->name, j->component->summary));
    for (int64_t i = 0; (p = tessi_plug_param_at(j->component, i)); i++)
        JUDGE_TRY(component_text(j, "help", p->name, p->help));
    return TESS_OK;
}

/* Checks that members of two parameters share no byte, and all lie in the struct. */
static int component_members(struct judge *j)
{
    const struct tess_param *p, *q;
    size_t align;
    for (int64_t i = 0; (p = tessi_plug_param_at(j->component, i)); i++) {
        size_t end = p->offset + tessi_plug_param_bytes(p->type, &align);
        if (end > j->component->self_size)
            return judge_fail(j, "wanted `%s` within the struct of %zu bytes, found it to end at %zu", p->name, j->component->self_size,
                              end);
        for (int64_t k = 0; k < i && (q = tessi_plug_param_at(j->component, k)); k++)
            if (q->offset < end && p->offset < q->offset + tessi_plug_param_bytes(q->type, &align))
                return judge_fail(j, "wanted a member of its own for each parameter, found `%s` and `%s` at bytes %zu and %zu", q->name,
                                  p->name, q->offset, p->offset);
    }
    return TESS_OK;
}

/* ---- opening and closing ------------------------------------------------------------------------------------------- */

/* Opens the component with its defaults; JUDGE_SKIP where it refuses those, which the test `opens` is about. */
static int component_open(struct judge *j, struct tess_instance **i)
{
    int status = judge_open(j, j->ctx, 1, i);
    return status == TESS_OK ? TESS_OK : judge_skip(j, "it does not open: %s", tess_message(j->ctx));
}

static int component_opens(struct judge *j)
{
    struct tess_instance *i;
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    int status = judge_open(j, j->ctx, 1, &i);
    JUDGE_TRY(judge_ok(j, j->ctx, "opening it with its defaults", status));
    tess_instance_close(i);
    return TESS_OK;
}

static int component_functions(struct judge *j)
{
    struct tess_instance *i;
    const struct tessi_kind *kind = tessi_plug_kind_find(j->component->kind);
    int status = TESS_OK;
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    JUDGE_TRY(component_open(j, &i));
    const void *ops = tess_instance_ops(i, j->component->kind);
    for (int n = 0; status == TESS_OK && kind && kind->function[n].name; n++)
        if (!kind->function[n].optional && !tessi_plug_kind_has(&kind->function[n], ops))
            status = judge_fail(j, "wanted the function `%s` in its table, found none", kind->function[n].name);
    if (status == TESS_OK && tess_instance_ops(i, "no-such-kind/1"))
        status = judge_fail(j, "wanted no functions of a kind that it is not");
    tess_instance_close(i);
    return status;
}

static int component_closes(struct judge *j)
{
    int64_t before = 0;
    struct tess_instance *i;
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    for (int n = 0; n < 3; n++) {
        JUDGE_TRY(component_open(j, &i));
        tess_instance_close(i);
        if (n && tessi_base_memory_in_use() != before)
            return judge_fail(j, "wanted all memory back after close, found %lld bytes more in use each time",
                              (long long)(tessi_base_memory_in_use() - before));
        before = tessi_base_memory_in_use();
    }
    return TESS_OK;
}

/* Two instances at once: the first is closed while the second is open, which then must close as well. */
static int component_two_at_once(struct judge *j)
{
    struct tess_instance *a, *b = NULL;
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    JUDGE_TRY(component_open(j, &a));
    int status = judge_open(j, j->ctx, 1, &b);
    if (status != TESS_OK) {
        tess_instance_close(a);
        return judge_fail(j, "wanted a second instance beside the first, found: %s", tess_message(j->ctx));
    }
    char text[2048];
    snprintf(text, sizeof text, "%s", tess_instance_config_text(b));
    tess_instance_close(a);
    int kept = strncmp(text, tess_instance_config_text(b), sizeof text - 1) == 0;
    tess_instance_close(b);
    return kept ? TESS_OK : judge_fail(j, "wanted the second instance as it was after the first was closed, found other parameters");
}

/* Closes a struct with its parameters alone, as `close` gets it when `open` failed at once. */
static int component_half_opened(struct judge *j)
{
    struct tess_instance *i;
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    if (judge_open(j, j->ctx, 0, &i) != TESS_OK)
        return judge_skip(j, "its parameters cannot be filled: %s", tess_message(j->ctx));
    if (i->component->close)
        i->component->close(i->self);
    tess_instance_close(i);
    return TESS_OK;
}

static int component_allocations(struct judge *j)
{
    struct tess_instance *i;
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    JUDGE_TRY(component_open(j, &i));
    tess_instance_close(i);
    for (int64_t n = 1; n < 10000; n++) {
        int64_t before = tessi_base_memory_in_use();
        tess_forget(j->ctx);
        tessi_base_memory_fail_at(n);
        int status = judge_open(j, j->ctx, 1, &i);
        int64_t left = tessi_base_memory_fail_left();
        tessi_base_memory_fail_at(0);
        tess_instance_close(i);
        if (left > 0)
            return TESS_OK; /* fewer allocations than that */
        JUDGE_TRY(judge_status(j, j->ctx, "opening it", status));
        if (status != TESS_OK && status != TESS_E_MEMORY)
            return judge_fail(j, "allocation %lld failed: wanted TESS_E_MEMORY (%d), found %d: %s", (long long)n, TESS_E_MEMORY, status,
                              tess_message(j->ctx));
        if (tessi_base_memory_in_use() != before)
            return judge_fail(j, "allocation %lld failed: wanted all memory back, found %lld bytes more in use", (long long)n,
                              (long long)(tessi_base_memory_in_use() - before));
    }
    return TESS_OK;
}

enum { COMPONENT_FENCE = 512 };

/* Runs its functions on a struct with guard bytes behind it. */
static int component_bounds(struct judge *j)
{
    struct tess_instance *i;
    int status = TESS_OK;
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    if (tessi_plug_component_module(j->plugin, j->component, NULL))
        return judge_skip(j, "its functions are in a library of their own");
    if (judge_open(j, j->ctx, 0, &i) != TESS_OK)
        return judge_skip(j, "its parameters cannot be filled: %s", tess_message(j->ctx));
    size_t bytes = j->component->self_size;
    uint8_t *self = malloc(bytes + COMPONENT_FENCE);
    if (self) {
        memcpy(self, i->self, bytes);
        memset(self + bytes, 0xa5, COMPONENT_FENCE);
        if (j->component->open)
            (void)j->component->open(self, j->ctx);
        if (j->component->close)
            j->component->close(self);
        for (size_t at = bytes; status == TESS_OK && at < bytes + COMPONENT_FENCE; at++)
            if (self[at] != 0xa5)
                status = judge_fail(j, "wanted nothing written behind its struct of %zu bytes, found byte %zu changed", bytes, at);
    }
    free(self);
    tess_instance_close(i);
    return status;
}

static int component_config(struct judge *j)
{
    struct tess_instance *a, *b;
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    JUDGE_TRY(component_open(j, &a));
    snprintf(j->verdict->config, sizeof j->verdict->config, "%s", tessi_plug_instance_resolved(a));
    int status = judge_ok(j, j->ctx, "opening it with what it says of itself", judge_open(j, j->ctx, 1, &b));
    if (status == TESS_OK && strcmp(tessi_plug_instance_resolved(a), tessi_plug_instance_resolved(b)) != 0)
        status = judge_fail(j, "wanted the same parameters again, found %.600s", tessi_plug_instance_resolved(b));
    tess_instance_close(b);
    tess_instance_close(a);
    return status;
}

/* ---- side effects on the process ------------------------------------------------------------------------------------ */

static int64_t component_entries(const char *folder)
{
    int64_t n = 0;
    DIR *d = opendir(folder);
    while (d && readdir(d))
        n++;
    if (d)
        (void)closedir(d);
    return n;
}

static int component_resources(struct judge *j)
{
    struct tess_instance *i;
    int64_t files = 0, threads = 0;
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    for (int n = 0; n < 2; n++) {
        JUDGE_TRY(component_open(j, &i));
        tess_instance_close(i);
        int64_t now = component_entries("/proc/self/fd"), running = component_entries("/proc/self/task");
        if (n && now > files)
            return judge_fail(j, "wanted no file open after close, found %lld more each time", (long long)(now - files));
        if (n && running > threads)
            return judge_fail(j, "wanted no thread running after close, found %lld more each time", (long long)(running - threads));
        files = now;
        threads = running;
    }
    return TESS_OK;
}

/* Records the process's output while the component opens and closes. */
static int component_quiet(struct judge *j)
{
    struct tess_instance *i = NULL;
    char text[200] = "";
    int memory = memfd_create("output", MFD_CLOEXEC), kept[2] = {dup(1), dup(2)};
    (void)fflush(NULL);
    if (memory < 0 || kept[0] < 0 || kept[1] < 0 || dup2(memory, 1) < 0 || dup2(memory, 2) < 0)
        return judge_fail(j, "the test's output cannot be taken down");
    int status = judge_variant(j, 0, JUDGE_NEAR);
    if (status == TESS_OK)
        status = component_open(j, &i);
    tess_instance_close(i);
    (void)fflush(NULL);
    ssize_t bytes = pread(memory, text, sizeof text - 1, 0);
    for (int fd = 1; fd <= 2; fd++) {
        (void)dup2(kept[fd - 1], fd);
        close(kept[fd - 1]);
    }
    close(memory);
    if (status == TESS_OK && bytes > 0)
        return judge_fail(j, "wanted nothing on the terminal, which is the host's, found: %s", text);
    return status;
}

/* Calls `open` and `close` as they are, since the host refuses to open what changes the process. */
static int component_process(struct judge *j)
{
    struct tessi_process before;
    struct tess_instance *i;
    char what[300];
    int status = TESS_OK;
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    if (tessi_plug_component_module(j->plugin, j->component, NULL))
        return judge_skip(j, "its functions are in a library of their own");
    if (judge_open(j, j->ctx, 0, &i) != TESS_OK)
        return judge_skip(j, "its parameters cannot be filled: %s", tess_message(j->ctx));
    tessi_plug_process_look(&before);
    if (j->component->open)
        (void)j->component->open(i->self, j->ctx);
    if (j->component->close)
        j->component->close(i->self);
    if (tessi_plug_numbers_changed(what, sizeof what) || tessi_plug_process_changed(&before, what, sizeof what))
        status = judge_fail(j, "wanted the process left as it was, found that opening and closing it %s", what);
    tess_instance_close(i);
    return status;
}

const struct judge_test judge_component_tests[] = {
    {"one-symbol", 1, "the file exports tess_plugin_1 and nothing else of its own", component_one_symbol},
    {"texts", 1, "version, license, summary and every help are one line that says something", component_texts},
    {"members", 1, "each parameter has a member of its own, within the struct", component_members},
    {"opens", 1, "it opens with its defaults", component_opens},
    {"functions", 1, "the functions that its kind requires are there, and none of another kind", component_functions},
    {"closes", 1, "open, close, open, close: all memory comes back", component_closes},
    {"two-at-once", 1, "closing one instance leaves another as it is", component_two_at_once},
    {"half-opened", 1, "close accepts an instance whose open did nothing", component_half_opened},
    {"open-allocations", 1, "whichever allocation fails, opening gives TESS_E_MEMORY and all memory comes back", component_allocations},
    {"bounds", 1, "open and close write nothing behind the struct", component_bounds},
    {"config", 1, "what an instance says of its parameters opens the same again", component_config},
    {"resources", 1, "no file stays open and no thread runs after close", component_resources},
    {"quiet", 1, "opening writes nothing to the terminal", component_quiet},
    {"process", 1, "folder, locale, umask, limits, timers, rounding, environment, signals and terminal stay as they are",
     component_process},
    {NULL, 0, NULL, NULL}};
