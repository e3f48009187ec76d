/* The file has lines: its head; `request` and `runtime` with digests; `stages` with their number; for each stage that reads files from
 * outside, `source DIGEST VARIANT STAGE`; for every other file `file PLACE DIGEST PATH`. Both sides work in a child, as they need a
 * runtime.
 *
 * SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "core/sweep/settled.h"
#include "core/sweep/plan_private.h"
#include "core/sweep/process.h"

#include "core/base/files.h"
#include "core/base/text.h"
#include "core/flow/load.h"
#include "core/store/store.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_NAME ".settled"
#define HEAD "tessera sweep settled 1\n"

/* ---- what is asked for --------------------------------------------------------------------------------------------- */

/* Adds a tree with the files that its texts were written in, from where relative paths start. */
static void settled_add_tree(struct tess_digest *d, const struct tessi_config *s)
{
    char kind[] = {(char)('0' + s->kind), s->quoted ? 'q' : 'p', '\0'};
    tess_digest_add_text(d, kind);
    tess_digest_add_text(d, s->key ? s->key : "");
    tess_digest_add_text(d, s->text ? s->text : "");
    tess_digest_add_text(d, tessi_config_beside(s));
    for (const struct tessi_config *child = s->child; child; child = child->next)
        settled_add_tree(d, child);
    tess_digest_add_text(d, ")");
}

int tessi_sweep_settled_request(struct tess_context *ctx, const struct tessi_sweep *s, char digest[65])
{
    const struct tessi_pipeline_options o = {.path = s->pipeline, .overrides = s->overrides, .override = (const char *const *)s->override};
    struct tessi_config *root = NULL;
    struct tess_digest d;
    TESS_TRY(tessi_flow_sweep_load(ctx, &o, &root));
    tess_digest_start(&d);
    settled_add_tree(&d, root);
    tessi_config_free(root);
    for (int64_t v = 0; v < s->variants; v++) {
        tess_digest_add_text(&d, s->variant[v].name);
        for (int64_t i = 0; i < s->variant[v].sets; i++)
            tess_digest_add_text(&d, s->variant[v].set[i]);
    }
    for (int64_t i = 0; i < s->axes; i++) {
        tess_digest_add_text(&d, s->axis[i].name);
        tess_digest_add_text(&d, s->baseline[i] < 0 ? "" : s->axis[i].value[s->baseline[i]].text);
    }
    tess_digest_add_text(&d, s->seed_axis < 0 ? "" : s->axis[s->seed_axis].name);
    tess_digest_end(&d, digest);
    return TESS_OK;
}

/* ---- what it runs with --------------------------------------------------------------------------------------------- */

/* Digest of the program, its plugins' files and the numeric mode. */
static void settled_runtime(const struct tessi_runtime *r, char digest[TESS_DIGEST_TEXT])
{
    struct tess_digest d;
    struct tessi_place at;
    char text[TESSI_SWEEP_PLACE_TEXT] = "";
    tess_digest_start(&d);
    tess_digest_add_text(&d, PACKAGE_VERSION);
    (void)tessi_sweep_place("/proc/self/exe", &at, text);
    tess_digest_add_text(&d, text);
    tess_digest_add_text(&d, r->numeric_mode);
    for (int64_t i = 0; i < tessi_plug_registry_files(r->registry); i++) {
        const struct tessi_found *f = tessi_plug_registry_file(r->registry, i);
        *text = '\0';
        (void)tessi_sweep_place(f->path, &at, text);
        tess_digest_add_text(&d, f->path);
        tess_digest_add_text(&d, f->plugin ? f->plugin->id : "");
        tess_digest_add_text(&d, text);
    }
    tess_digest_end(&d, digest);
}

static int settled_bytes(struct tess_context *ctx, const char *path, char digest[TESS_DIGEST_TEXT])
{
    struct tess_digest d;
    char piece[16384];
    FILE *f = fopen(path, "re");
    size_t n;
    if (!f)
        return ctx->fail(ctx, TESS_E_IO, "%s cannot be read", path);
    tess_digest_start(&d);
    while ((n = fread(piece, 1, sizeof piece, f)) > 0)
        tess_digest_add(&d, piece, n);
    tess_digest_end(&d, digest);
    fclose(f);
    return TESS_OK;
}

/* ---- looking ------------------------------------------------------------------------------------------------------- */

struct settled {
    const struct tessi_sweep *s;
    const struct tessi_sweep_settings *o;
    const struct tessi_sweep_plan *plan;
    const char *request;
    const char *text; /* explanation in the file, for whoever opens it */
};

static int64_t settled_variant(const struct tessi_sweep *s, const char *name)
{
    for (int64_t v = 0; v < s->variants; v++)
        if (strcmp(s->variant[v].name, name) == 0)
            return v;
    return -1;
}

/* 1 where a stage's files are those of the line "DIGEST VARIANT STAGE". */
static int settled_same_source(struct tess_context *ctx, const struct settled *w, struct tessi_runtime *r, char *line)
{
    char digest[TESS_DIGEST_TEXT], *variant = strchr(line, ' '), *stage = variant ? strchr(variant + 1, ' ') : NULL;
    struct tessi_sweep_opened opened = {.runtime = r};
    struct tessi_pipeline_options p;
    if (!stage)
        return 0;
    *variant++ = *stage++ = '\0';
    int64_t v = settled_variant(w->s, variant);
    int same = v >= 0 && tessi_sweep_variant_options(ctx, w->s, w->o, v, &opened, &p) == TESS_OK &&
               tessi_flow_pipeline_files(ctx, r, &p, stage, digest) == TESS_OK && strcmp(digest, line) == 0;
    tessi_sweep_variant_close(&opened, 1);
    return same;
}

/* 1 where a file is that of the line "PLACE DIGEST PATH". */
static int settled_same_file(struct tess_context *ctx, char *line)
{
    char place[TESSI_SWEEP_PLACE_TEXT], found[TESS_DIGEST_TEXT], *digest = strchr(line, ' '),
                                                                 *path = digest ? strchr(digest + 1, ' ') : NULL;
    struct tessi_place at;
    if (!path)
        return 0;
    *digest++ = *path++ = '\0';
    if (!tessi_sweep_place(path, &at, place) || strcmp(place, line) != 0)
        return 0;
    return strcmp(digest, "-") == 0 || (settled_bytes(ctx, path, found) == TESS_OK && strcmp(found, digest) == 0);
}

static int settled_same_line(struct tess_context *ctx, const struct settled *w, struct tessi_runtime *r, const char *runtime, char *line)
{
    if (strncmp(line, "file ", 5) == 0)
        return settled_same_file(ctx, line + 5);
    if (strncmp(line, "source ", 7) == 0)
        return settled_same_source(ctx, w, r, line + 7);
    if (strncmp(line, "runtime ", 8) == 0)
        return strcmp(line + 8, runtime) == 0;
    return strncmp(line, "stages ", 7) == 0;
}

/* A runtime as the variants have it. */
static int settled_open(struct tess_context *ctx, const struct settled *w, struct tessi_sweep_opened *out)
{
    struct tessi_pipeline_options p;
    TESS_TRY(tessi_sweep_variant_options(ctx, w->s, w->o, 0, out, &p));
    TESS_TRY(tessi_sweep_runtime(ctx, w->o, w->o->threads, out));
    return tessi_flow_pipeline_settle_runtime(ctx, out->runtime, &p);
}

static void settled_put(FILE *to, const void *what)
{
    tessi_sweep_put_i64(to, *(const int *)what);
}

/* The child that looks. */
static int settled_look(void *user, int in, int out)
{
    const struct settled *w = user;
    struct tessi_sweep_opened opened = {NULL};
    struct tessi_context context;
    char runtime[TESS_DIGEST_TEXT], *next, *copy = strdup(w->text);
    (void)in;
    tessi_base_context_init(&context, NULL);
    int same = copy && settled_open(&context.context, w, &opened) == TESS_OK;
    if (same)
        settled_runtime(opened.runtime, runtime);
    for (char *line = same ? strtok_r(copy, "\n", &next) : NULL; line && same; line = strtok_r(NULL, "\n", &next))
        same = settled_same_line(&context.context, w, opened.runtime, runtime, line);
    tessi_sweep_child_send(out, settled_put, &same);
    return 0;
}

/* Runs one of the two children; 1 where it says so. */
static int settled_ask(struct tess_context *ctx, int (*task)(void *user, int in, int out), struct settled *w)
{
    struct tessi_sweep_child child;
    struct tessi_sweep_record record;
    char how[400];
    int more = 1, said = 0;
    if (tessi_sweep_child_start(ctx, task, w, SIGKILL, NULL, 0, &child) != TESS_OK)
        return 0;
    while (more && tessi_sweep_child_wait(&child) && tessi_sweep_child_read(ctx, &child, &more) == TESS_OK)
        if (tessi_sweep_child_next(&child, &record))
            said = tessi_sweep_get_i64(&record) == 1;
    if (more)
        (void)kill(child.pid, SIGKILL); /* asked to stop */
    tessi_sweep_child_end(&child, how, sizeof how);
    return said && !more;
}

/* The file's text behind its head and the request, where those are ours; freed with free. */
static char *settled_read(const struct tessi_sweep *s, const char *request)
{
    char path[4400], head[200], *text = NULL;
    struct stat about;
    size_t length = (size_t)snprintf(head, sizeof head, HEAD "request %s\n", request);
    (void)snprintf(path, sizeof path, "%s/" FILE_NAME, s->folder);
    FILE *f = fopen(path, "re");
    if (f && fstat(fileno(f), &about) == 0 && about.st_size > (off_t)length && (text = malloc((size_t)about.st_size + 1))) {
        size_t n = fread(text, 1, (size_t)about.st_size, f);
        text[n] = '\0';
        if (n != (size_t)about.st_size || strncmp(text, head, length) != 0) {
            free(text);
            text = NULL;
        }
    }
    if (f)
        fclose(f);
    if (text)
        memmove(text, text + length, strlen(text + length) + 1);
    return text;
}

int tessi_sweep_settled_is(struct tess_context *ctx, const struct tessi_sweep *s, const struct tessi_sweep_settings *o, const char *request,
                           int64_t *stages)
{
    struct settled w = {.s = s, .o = o, .request = request};
    struct tessi_context own;
    char *text = settled_read(s, request);
    tessi_base_context_init(&own, ctx->host);
    w.text = text;
    const char *number = text ? strstr(text, "stages ") : NULL;
    *stages = number ? strtoll(number + 7, NULL, 10) : 0;
    int same = number && settled_ask(&own.context, settled_look, &w);
    free(text);
    return same;
}

/* ---- leaving ------------------------------------------------------------------------------------------------------- */

struct leaving {
    struct tess_context *ctx;
    const struct settled *w;
    struct tessi_sweep_opened opened;
    FILE *to;
    int64_t seen, capacity; /* inodes of results that were checked */
    uint64_t *inode;
};

/* Writes the line of a file; 0 where it is gone. */
static int settled_leave_file(struct leaving *l, const char *path, const char *as)
{
    char place[TESSI_SWEEP_PLACE_TEXT], digest[TESS_DIGEST_TEXT] = "-";
    struct tessi_place at;
    if (!tessi_sweep_place(path, &at, place) || (as && strcmp(place, as) != 0))
        return 0;
    if (tessi_host_place_lately(&at, tessi_host_file_clock()) && settled_bytes(l->ctx, path, digest) != TESS_OK)
        return 0;
    fprintf(l->to, "file %s %s %s\n", place, digest, path);
    return 1;
}

static int settled_seen(struct leaving *l, uint64_t inode)
{
    for (int64_t i = l->seen - 1; i >= 0; i--)
        if (l->inode[i] == inode)
            return 1;
    if (tess_reserve(l->ctx, &l->inode, &l->capacity, l->seen + 1, sizeof *l->inode, "files of a sweep") == TESS_OK)
        l->inode[l->seen++] = inode;
    return 0;
}

/* Checks the content of a result, once each, and leaves a line for its name in the cache. */
static int settled_leave_result(struct leaving *l, const char *path)
{
    struct tess_artefact *a = NULL;
    struct tessi_place at, cached;
    char text[TESSI_SWEEP_PLACE_TEXT], name[4400];
    if (!tessi_sweep_place(path, &at, text))
        return 0;
    if (settled_seen(l, at.inode))
        return 1;
    int fine = tessi_store_artefact_open(l->ctx, path, &a) == TESS_OK && tessi_host_artefact_check(l->ctx, a) == TESS_OK;
    const char *key = fine ? tessi_store_artefact_provenance(a, "key") : NULL;
    (void)snprintf(name, sizeof name, "%.*s.cache/%s.h5", (int)(strlen(l->w->s->folder) - strlen(l->w->s->name)), l->w->s->folder,
                   key ? key : ""); /* beside the sweep's folder in runs/ */
    fine = key && tessi_sweep_place(name, &cached, text) && cached.size == at.size && settled_leave_file(l, name, NULL);
    tessi_store_artefact_close(a);
    return fine;
}

static int settled_leave_folder(struct leaving *l, const char *folder)
{
    DIR *d = opendir(folder);
    int fine = d != NULL;
    for (struct dirent *e; fine && (e = readdir(d));) {
        char path[4400];
        struct stat about;
        size_t length = strlen(e->d_name);
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (*e->d_name == '.' || strcmp(e->d_name, "log.jsonl") == 0 || stat(path, &about) != 0 || !S_ISREG(about.st_mode))
            continue;
        if (length > 3 && strcmp(e->d_name + length - 3, ".h5") == 0)
            fine = settled_leave_result(l, path);
        fine = fine && settled_leave_file(l, path, NULL);
    }
    if (d)
        closedir(d);
    return fine;
}

/* Leaves the lines of what the stages read from outside: files by their stages' digests, artefacts by themselves. */
static int settled_leave_sources(struct leaving *l)
{
    const struct tessi_sweep_plan *p = l->w->plan;
    int fine = 1;
    for (int64_t v = 0; v < l->w->s->variants && fine; v++) {
        for (int64_t i = 0; i < p->variant[v].stages; i++) {
            struct tessi_sweep_stage *s = &p->stage[p->variant[v].stage[i]];
            if (!*s->files || s->users < 0)
                continue;
            fprintf(l->to, "source %s %s %s\n", s->files, l->w->s->variant[v].name, s->name);
            s->users = -1; /* in this child alone: told */
        }
        for (int64_t i = 0; i < p->variant[v].outsides && fine; i++)
            fine = settled_leave_file(l, p->variant[v].outside[2 * i], p->variant[v].outside[2 * i + 1]);
    }
    return fine;
}

static int settled_leave_all(struct leaving *l)
{
    const struct settled *w = l->w;
    char runtime[TESS_DIGEST_TEXT], path[4400];
    settled_runtime(l->opened.runtime, runtime);
    fprintf(l->to, HEAD "request %s\nruntime %s\nstages %" PRId64 "\n", w->request, runtime, w->plan->stages);
    (void)snprintf(path, sizeof path, "%s/sweep.yaml", w->s->folder);
    int fine = settled_leave_file(l, path, NULL) && settled_leave_sources(l);
    for (int64_t v = 0; v < w->s->variants && fine; v++)
        fine = settled_leave_folder(l, w->plan->variant[v].folder);
    return fine;
}

/* The child that leaves the file. */
static int settled_write(void *user, int in, int out)
{
    struct settled *w = user;
    struct tessi_context context;
    struct leaving l = {.ctx = &context.context, .w = w};
    char *text = NULL, path[4400];
    size_t bytes = 0;
    (void)in;
    tessi_base_context_init(&context, NULL);
    l.to = open_memstream(&text, &bytes);
    int fine = l.to && settled_open(l.ctx, w, &l.opened) == TESS_OK && settled_leave_all(&l);
    (void)snprintf(path, sizeof path, "%s/" FILE_NAME, w->s->folder);
    if (l.to && fclose(l.to) == 0 && fine)
        fine = tessi_base_write_text(l.ctx, path, text, bytes) == TESS_OK;
    if (fine)
        tessi_host_file_digests_save(l.opened.runtime->files);
    tessi_sweep_child_send(out, settled_put, &fine);
    return 0;
}

void tessi_sweep_settled_leave(struct tess_context *ctx, const struct tessi_sweep_plan *p, const struct tessi_sweep_settings *o,
                               const char *request)
{
    struct settled w = {.s = p->sweep, .o = o, .plan = p, .request = request};
    struct tessi_context own;
    tessi_base_context_init(&own, ctx->host);
    for (int64_t v = 1; v < p->sweep->variants; v++)
        if (!tessi_sweep_same_runtime(p->sweep, 0, v))
            return; /* one runtime does not tell of the others */
    (void)settled_ask(&own.context, settled_write, &w);
}
