/* A pipeline's file, the files it extends, and the command line, as one tree.
 *
 * A base is loaded whole before what extends it is laid over it, so a chain of files reads from the oldest to the newest. A
 * base's name is not passed on: a change that forgot to name itself would write into the base's run.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/load.h"

#include "core/base/lookalike.h"
#include "core/base/files.h"
#include "core/config/yaml.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHAIN 16

struct loader {
    struct tess_context *ctx;
    struct tessi_config *dropped;
    int64_t chain;
    char *path[MAX_CHAIN]; /* paths of the files being loaded, without links, the first extending the second ... */
};

static const char *const top_keys[] = {"tessera", "name",    "seed",      "params", "stages",
                                       "extends", "backend", "precision", "sweep",  "references"};
#define TOP_KEYS ((int64_t)(sizeof top_keys / sizeof *top_keys))

static int is_top_key(const char *key)
{
    for (int64_t i = 0; i < TOP_KEYS; i++)
        if (strcmp(top_keys[i], key) == 0)
            return 1;
    return 0;
}

/* Checks a file by itself. */
static int check_file(struct tess_context *ctx, const struct tessi_config *root)
{
    char found[200], words[100];
    if (root->kind != TESSI_MAP)
        return tessi_config_fail(ctx, root, TESS_E_USAGE, "wanted a pipeline, a map beginning with `tessera: 1`, found %s",
                               tessi_config_found(root, found, sizeof found));
    for (const struct tessi_config *key = root->child; key; key = key->next) {
        if (is_top_key(key->key))
            continue;
        const char *nearest = tessi_base_nearest_name(key->key, top_keys, TOP_KEYS);
        return tessi_config_key_fail(
            ctx, key, TESS_E_USAGE, "a pipeline has no key `%s`%s; %s%s%s", key->key,
            tessi_base_lookalike_words(key->key, words, sizeof words), nearest ? "did you mean `" : "it takes ",
            nearest ? nearest : "tessera, name, seed, params, stages, extends, backend, precision, sweep, references", nearest ? "`?" : "");
    }
    const struct tessi_config *version = tessi_config_child(root, "tessera");
    int64_t number = 0;
    if (!version)
        return tessi_config_fail(ctx, root, TESS_E_USAGE, "wanted `tessera: 1`, the version of the pipeline language, found no `tessera`");
    TESS_TRY(tessi_config_i64(ctx, version, &number));
    if (number != 1)
        return tessi_config_fail(ctx, version, TESS_E_USAGE,
                               "wanted `tessera: 1`, found %lld; this program reads version 1 of the pipeline language", (long long)number);
    return TESS_OK;
}

/* Checks the top-level keys, after all files and the command line are merged. A null is no value: the key may be left out. */
static int check_settings(struct tess_context *ctx, const struct tessi_config *root)
{
    static const struct {
        const char *key, *wants;
        int32_t kind;
    } setting[] = {
        {"name", "the name of the run's folder", TESSI_SCALAR},
        {"seed", "an integer from 0", TESSI_SCALAR},
        {"backend", "the name of a backend", TESSI_SCALAR},
        {"precision", "auto, f32 or bf16", TESSI_SCALAR},
        {"params", "a map of names and values", TESSI_MAP},
        {"stages", "a map of at least one stage", TESSI_MAP},
        {"sweep", "a map with `axes`", TESSI_MAP},
        {"references", "a map of names and metrics", TESSI_MAP},
    };
    char found[80];
    for (size_t i = 0; i < sizeof setting / sizeof *setting; i++) {
        const struct tessi_config *at = tessi_config_child(root, setting[i].key);
        if (!at || (at->kind == setting[i].kind && !tessi_config_is_null(at)))
            continue;
        return tessi_config_fail(ctx, at, TESS_E_USAGE, "`%s` wants %s, found %s%s", setting[i].key, setting[i].wants,
                               tessi_config_found(at, found, sizeof found),
                               tessi_config_is_null(at) ? "; write a value, or leave the key out" : "");
    }
    return TESS_OK;
}

/* Checks a reference, its metrics and the settings it is for. */
static int check_reference(struct tess_context *ctx, const struct tessi_config *reference)
{
    char found[80];
    double value;
    if (reference->kind != TESSI_MAP || !reference->child)
        return tessi_config_fail(ctx, reference, TESS_E_USAGE,
                                 "`references.%s` wants metrics with their values, as `recall: 0.47`, found %s", reference->key,
                                 tessi_config_found(reference, found, sizeof found));
    for (const struct tessi_config *at = reference->child; at; at = at->next)
        if (strcmp(at->key, "at") != 0)
            TESS_TRY(tessi_config_f64(ctx, at, &value));
        else if (at->kind != TESSI_MAP)
            return tessi_config_fail(ctx, at, TESS_E_USAGE, "`at` wants the settings of the reference, as `samples.steps: 256`, found %s",
                                     tessi_config_found(at, found, sizeof found));
    return TESS_OK;
}

static int check_references(struct tess_context *ctx, const struct tessi_config *root)
{
    const struct tessi_config *references = tessi_config_child(root, "references");
    for (const struct tessi_config *at = references ? references->child : NULL; at; at = at->next)
        TESS_TRY(check_reference(ctx, at));
    return TESS_OK;
}

/* Checks that each stage of a change is one of the base's, or new with a `use`. */
static int check_change(struct tess_context *ctx, const struct tessi_config *base, const struct tessi_config *change, const char *base_path)
{
    char near[300];
    const struct tessi_config *there = tessi_config_child(base, "stages"), *stages = tessi_config_child(change, "stages");
    for (const struct tessi_config *s = stages && stages->kind == TESSI_MAP ? stages->child : NULL; s; s = s->next)
        if (s->kind == TESSI_MAP && !tessi_config_child(s, "use") && !tessi_config_child(there, s->key))
            return tessi_config_key_fail(ctx, s, TESS_E_USAGE, "`%s` is no stage of %s, which is extended, and without `use` no new one%s",
                                         s->key, base_path, tessi_config_suggest(there, s->key, near, sizeof near));
    return TESS_OK;
}

/* Takes a key away from a map; NULL when it is not there. */
static struct tessi_config *load_detach(struct tessi_config *map, const char *key)
{
    for (struct tessi_config **at = &map->child; *at; at = &(*at)->next) {
        struct tessi_config *found = *at;
        if (strcmp(found->key, key) != 0)
            continue;
        *at = found->next;
        found->next = NULL;
        return found;
    }
    return NULL;
}

static int load_enter(struct loader *l, const char *path, const struct tessi_config *from)
{
    char real[PATH_MAX], round[1024] = "";
    if (!realpath(path, real))
        return TESS_OK; /* opening will fail as well, with a better message */
    for (int64_t i = 0; i < l->chain; i++) {
        if (strcmp(l->path[i], real) != 0)
            continue;
        for (; i < l->chain; i++) {
            const char *slash = strrchr(l->path[i], '/');
            size_t used = strlen(round);
            snprintf(round + used, sizeof round - used, "%s -> ", slash ? slash + 1 : l->path[i]);
        }
        const char *slash = strrchr(real, '/');
        return tessi_config_fail(l->ctx, from, TESS_E_USAGE, "`extends` goes in a circle: %s%s", round, slash ? slash + 1 : real);
    }
    if (l->chain == MAX_CHAIN)
        return tessi_config_fail(l->ctx, from, TESS_E_USAGE, "wanted at most %d files that extend one another, found more", MAX_CHAIN);
    TESS_TRY(tessi_base_format(l->ctx, &l->path[l->chain], "%s", real));
    l->chain++;
    return TESS_OK;
}

/* Loads a file and those that it extends. `from`: the node that named the file; NULL for the first one. */
static int load_file(struct loader *l, const char *path, const struct tessi_config *from, struct tessi_config **out)
{
    struct tessi_config *root = NULL, *extends = NULL, *base = NULL;
    char *base_path = NULL;
    *out = NULL;
    TESS_TRY(load_enter(l, path, from));
    int status = tessi_config_yaml_load(l->ctx, path, &root);
    if (status != TESS_OK && from && status == TESS_E_IO)
        tess_prepend_message(l->ctx, "%s:%d:%d: extends", from->file, (int)from->line, (int)from->column);
    if (status != TESS_OK || (status = check_file(l->ctx, root)) != TESS_OK)
        goto done;
    extends = load_detach(root, "extends");
    if (!extends)
        goto done;
    if (extends->kind != TESSI_SCALAR || !*extends->text || strstr(extends->text, "${")) {
        status = tessi_config_fail(l->ctx, extends, TESS_E_USAGE, "`extends` wants the path of one file, without `${...}`");
        goto done;
    }
    if ((status = tessi_base_path_beside(l->ctx, path, extends->text, &base_path)) != TESS_OK ||
        (status = load_file(l, base_path, extends, &base)) != TESS_OK)
        goto done;
    if ((status = check_change(l->ctx, base, root, base_path)) != TESS_OK)
        goto done;
    tessi_config_free(load_detach(base, "name"));
    struct tessi_config *change = root;
    root = base;
    base = NULL;
    status = tessi_config_merge(l->ctx, root, change, l->dropped);
done:
    if (status != TESS_OK) {
        tessi_config_free(root);
        root = NULL;
    }
    tessi_config_free(extends);
    tessi_config_free(base);
    tess_free(base_path);
    *out = root;
    return status;
}

/* Sets the default name, "fashion" of "pipelines/fashion.yaml", where the file does not say one. */
static int default_name(struct tess_context *ctx, struct tessi_config *root, const char *path)
{
    const char *slash = strrchr(path, '/'), *file = slash ? slash + 1 : path, *dot = strrchr(file, '.');
    struct tessi_config *name = NULL;
    char *text = NULL;
    if (tessi_config_child(root, "name"))
        return TESS_OK;
    TESS_TRY(tessi_base_format(ctx, &text, "%.*s", (int)(dot && dot > file ? dot - file : (ptrdiff_t)strlen(file)), file));
    int status = tessi_config_new(ctx, TESSI_SCALAR, path, 1, 1, &name);
    if (status == TESS_OK) {
        name->quoted = 1;
        tessi_config_append(root, name);
        status = tessi_config_set_key(ctx, name, "name");
    }
    if (status == TESS_OK)
        status = tessi_config_set_text(ctx, name, text);
    tess_free(text);
    return status;
}

/* Loads the files and applies the overrides; nothing is interpolated yet. */
static int load_whole(struct loader *l, const struct tessi_pipeline_options *o, struct tessi_config **root)
{
    int status = tessi_config_new(l->ctx, TESSI_SEQUENCE, o->path, 1, 1, &l->dropped);
    if (status == TESS_OK)
        status = load_file(l, o->path, NULL, root);
    for (int64_t i = 0; status == TESS_OK && i < o->overrides; i++)
        status = tessi_config_override(l->ctx, *root, o->override[i], i + 1, l->dropped);
    if (status == TESS_OK)
        status = default_name(l->ctx, *root, o->path);
    return status == TESS_OK ? check_settings(l->ctx, *root) : status;
}

static void load_end(struct loader *l, int status, struct tessi_config *root, struct tessi_config **out)
{
    if (status != TESS_OK)
        tessi_config_free(root);
    while (l->chain)
        tess_free(l->path[--l->chain]);
    tessi_config_free(l->dropped);
    *out = status == TESS_OK ? root : NULL;
}

int tessi_flow_pipeline_load(struct tess_context *ctx, const struct tessi_pipeline_options *o, struct tessi_config **out)
{
    struct loader l = {.ctx = ctx};
    struct tessi_config *root = NULL;
    int status = load_whole(&l, o, &root);
    if (status == TESS_OK) {
        struct tessi_config *sweep = load_detach(root, "sweep"); /* overrides, which are interpolated in their variants */
        status = tessi_config_interpolate(ctx, root, l.dropped);
        if (status == TESS_OK)
            status = check_references(ctx, root);
        if (sweep)
            tessi_config_append(root, sweep);
    }
    load_end(&l, status, root, out);
    return status;
}

int tessi_flow_sweep_load(struct tess_context *ctx, const struct tessi_pipeline_options *o, struct tessi_config **out)
{
    struct loader l = {.ctx = ctx};
    struct tessi_config *root = NULL;
    int status = load_whole(&l, o, &root);
    load_end(&l, status, root, out);
    return status;
}
