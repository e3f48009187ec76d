/* Lookup of the checkpoint component by name, and of the file format by first bytes or extension. SPDX-License-Identifier: MIT */
#include "core/base/inject.h"
#include "core/exchange/exchange_private.h"
#include "core/config/yaml.h"
#include "core/plug/plug_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 64 };

/* List "NAME, NAME" of the components of a kind; for writing, only the formats that can write. */
static const char *file_format_names_of(const struct tessi_registry *r, const char *kind, int written, char *text, size_t capacity)
{
    const struct tess_component *k;
    *text = '\0';
    for (int64_t i = 0; (k = tessi_plug_registry_component(r, i, NULL)); i++)
        if (strcmp(k->kind, kind) == 0 && (!written || ((const struct tess_format_1 *)k->ops)->write))
            tessi_base_add(text, capacity, "%s%s", *text ? ", " : "", k->name);
    if (!*text)
        tessi_base_add(text, capacity, "none");
    return text;
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------- */

/* Adds a parameter such as "height=64" as a child of the map. */
static int add_parameter(struct tess_context *ctx, struct tessi_config *map, const char *text)
{
    const char *equals = strchr(text, '=');
    char key[64];
    struct tessi_config *value = NULL;
    if (!equals || equals == text || equals - text >= (int)sizeof key)
        return ctx->fail(ctx, TESS_E_USAGE, "wanted key=value, such as height=64, found `%.64s`", text);
    (void)snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
    for (const struct tessi_config *other = map->child; other; other = other->next)
        if (strcmp(other->key, key) == 0)
            return ctx->fail(ctx, TESS_E_USAGE, "`%s` is given twice", key);
    TESS_TRY(tessi_config_yaml_parse(ctx, equals + 1, strlen(equals + 1), "command line", &value));
    tessi_config_append(map, value);
    return tessi_config_set_key(ctx, value, key);
}

static int spec_of(struct tess_context *ctx, const struct tessi_exchange *x, struct tessi_config *map)
{
    struct tessi_config *use = NULL;
    TESS_TRY(tessi_config_new(ctx, TESSI_SCALAR, "command line", 1, 1, &use));
    tessi_config_append(map, use);
    TESS_TRY(tessi_config_set_key(ctx, use, "use"));
    TESS_TRY(tessi_config_set_text(ctx, use, x->as));
    for (int64_t i = 0; i < x->parameters; i++)
        TESS_TRY(add_parameter(ctx, map, x->parameter[i]));
    return TESS_OK;
}

int tessi_exchange_checkpoint_open(struct tess_context *ctx, const struct tessi_exchange *x, struct tess_instance **out)
{
    struct tessi_runtime *runtime;
    struct tessi_config *map = NULL;
    char text[600];
    *out = NULL;
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    const struct tessi_registry *r = runtime->registry;
    if (!x->as || !*x->as)
        return ctx->fail(ctx, TESS_E_USAGE, "wanted --as NAME, the architecture whose names the file has; there are: %s",
                       file_format_names_of(r, "checkpoint/1", 0, text, sizeof text));
    TESS_TRY(tessi_config_new(ctx, TESSI_MAP, "command line", 1, 1, &map));
    int status = spec_of(ctx, x, map);
    if (status == TESS_OK)
        status = tessi_plug_instance_new(ctx, r, "checkpoint/1", map, NULL, NULL, 1, out);
    tessi_config_free(map);
    return status;
}

/* ---- formats ------------------------------------------------------------------------------------------------------- */

static int read_head(struct tess_context *ctx, const char *path, uint8_t head[HEAD], size_t *bytes)
{
    struct stat st;
    int fd = tessi_base_inject(TESSI_AT_OPEN) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), status = TESS_OK;
    ssize_t got = 0;
    if (fd < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s; check the name", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        status = ctx->fail(ctx, TESS_E_IO, "%s: is no file; the name of a checkpoint was wanted", path);
    else if ((got = tessi_base_inject(TESSI_AT_READ) ? -1 : pread(fd, head, HEAD, 0)) < 0)
        status = ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    close(fd);
    *bytes = got > 0 ? (size_t)got : 0;
    return status;
}

/* {use: NAME, key: KEY}, the key only where there is one. */
static int format_config(struct tess_context *ctx, struct tessi_config *map, const char *name, const char *key)
{
    const char *const part[][2] = {{"use", name}, {"key", key}};
    for (size_t i = 0; i < 2 && part[i][1] && *part[i][1]; i++) {
        struct tessi_config *value = NULL;
        TESS_TRY(tessi_config_new(ctx, TESSI_SCALAR, "command line", 1, 1, &value));
        tessi_config_append(map, value);
        TESS_TRY(tessi_config_set_key(ctx, value, part[i][0]));
        TESS_TRY(tessi_config_set_text(ctx, value, part[i][1]));
    }
    return TESS_OK;
}

static int open_format(struct tess_context *ctx, const char *name, const char *key, struct tess_instance **out)
{
    struct tessi_config *config = NULL;
    struct tessi_runtime *runtime;
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    TESS_TRY(tessi_config_new(ctx, TESSI_MAP, "command line", 1, 1, &config));
    int status = format_config(ctx, config, name, key);
    if (status == TESS_OK)
        status = tessi_plug_instance_new(ctx, runtime->registry, "format/1", config, NULL, NULL, 1, out);
    tessi_config_free(config);
    return status;
}

int tessi_exchange_format_read(struct tess_context *ctx, const char *path, const char *key, struct tess_instance **out)
{
    struct tessi_runtime *runtime;
    const struct tess_component *k;
    uint8_t head[HEAD];
    size_t bytes = 0;
    char text[600];
    *out = NULL;
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    const struct tessi_registry *r = runtime->registry;
    TESS_TRY(read_head(ctx, path, head, &bytes));
    for (int64_t i = 0; (k = tessi_plug_registry_component(r, i, NULL)); i++) {
        const struct tess_format_1 *ops = k->ops;
        if (strcmp(k->kind, "format/1") != 0 || !ops->recognises(head, bytes))
            continue;
        TESS_TRY(open_format(ctx, k->name, key, out));
        return ops->open_file(tess_instance_self(*out), ctx, path);
    }
    return ctx->fail(ctx, TESS_E_DATA,
                   "%s: is of no format that can be read here, of which there are: %s; one is built where its library was there "
                   "(`tessera plugins --why`)",
                   path, file_format_names_of(r, "format/1", 0, text, sizeof text));
}

/* 1 when `endings`, words with blanks between, has the word. */
static int file_format_has_ending(const char *endings, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = endings; at && n && (at = strstr(at, word)); at += n)
        if ((at == endings || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return 1;
    return 0;
}

static int is_written_as(const struct tess_component *k, const char *name, const char *ending)
{
    const struct tess_format_1 *ops = k->ops;
    if (strcmp(k->kind, "format/1") != 0 || !ops->write)
        return 0;
    return name ? strcmp(k->name, name) == 0
                : strcmp(k->name, ending) == 0 || (TESS_HAS(ops, endings) && file_format_has_ending(ops->endings, ending));
}

int tessi_exchange_format_for(struct tess_context *ctx, const char *path, const char *format, struct tess_instance **out)
{
    struct tessi_runtime *runtime;
    const struct tess_component *k;
    char text[600];
    const char *dot = strrchr(path, '.'), *ending = dot && !strchr(dot, '/') ? dot + 1 : "";
    *out = NULL;
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    const struct tessi_registry *r = runtime->registry;
    for (int64_t i = 0; (k = tessi_plug_registry_component(r, i, NULL)); i++)
        if (is_written_as(k, format, ending))
            return open_format(ctx, k->name, NULL, out);
    if (format)
        return ctx->fail(ctx, TESS_E_USAGE, "--format %s: can be: %s", format, file_format_names_of(r, "format/1", 1, text, sizeof text));
    return ctx->fail(ctx, TESS_E_USAGE, "%s: the ending says the format, or --format does, which can be: %s", path,
                     file_format_names_of(r, "format/1", 1, text, sizeof text));
}

const char *tessi_exchange_plugins(const struct tess_instance *checkpoint, const struct tess_instance *format, char *text, size_t capacity)
{
    const struct tess_instance *const part[] = {checkpoint, format};
    *text = '\0';
    for (size_t i = 0; i < 2; i++) {
        const struct tess_plugin *p = tessi_plug_instance_plugin(part[i]);
        const struct tess_component *k = tessi_plug_instance_component(part[i]);
        tessi_base_add(text, capacity, "%s%s %s, %s %s", i ? "; " : "", k->kind, k->name, p->id, p->version);
    }
    return text;
}
