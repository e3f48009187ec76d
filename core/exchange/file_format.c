/* Which checkpoint was asked for, and which format a file has. SPDX-License-Identifier: MIT */
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

/* "NAME, NAME": all of a kind, but of formats to be written only those that can. */
static const char *names_of(const struct tessi_registry *r, const char *kind, int written, char *text, size_t room)
{
    const struct tess_component *k;
    *text = '\0';
    for (int64_t i = 0; (k = tessi_registry_component(r, i, NULL)); i++)
        if (strcmp(k->kind, kind) == 0 && (!written || ((const struct tess_format_1 *)k->ops)->write))
            tessi_add(text, room, "%s%s", *text ? ", " : "", k->name);
    if (!*text)
        tessi_add(text, room, "none");
    return text;
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------- */

/* "height=64" as a child of the map. */
static int add_parameter(struct tess_call *c, struct tessi_spec *map, const char *text)
{
    const char *equals = strchr(text, '=');
    char key[64];
    struct tessi_spec *value = NULL;
    if (!equals || equals == text || equals - text >= (int)sizeof key)
        return c->fail(c, TESS_E_USAGE, "wanted key=value, such as height=64, found `%.64s`", text);
    (void)snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
    for (const struct tessi_spec *other = map->child; other; other = other->next)
        if (strcmp(other->key, key) == 0)
            return c->fail(c, TESS_E_USAGE, "`%s` is given twice", key);
    TESS_TRY(tessi_yaml_parse(c, equals + 1, strlen(equals + 1), "command line", &value));
    tessi_spec_append(map, value);
    return tessi_spec_set_key(c, value, key);
}

static int spec_of(struct tess_call *c, const struct tessi_exchange *x, struct tessi_spec *map)
{
    struct tessi_spec *use = NULL;
    TESS_TRY(tessi_spec_new(c, TESSI_SCALAR, "command line", 1, 1, &use));
    tessi_spec_append(map, use);
    TESS_TRY(tessi_spec_set_key(c, use, "use"));
    TESS_TRY(tessi_spec_set_text(c, use, x->as));
    for (int64_t i = 0; i < x->parameters; i++)
        TESS_TRY(add_parameter(c, map, x->parameter[i]));
    return TESS_OK;
}

int tessi_checkpoint_open(struct tess_call *c, const struct tessi_exchange *x, struct tess_instance **out)
{
    struct tessi_runtime *runtime;
    struct tessi_spec *map = NULL;
    char text[600];
    *out = NULL;
    TESS_TRY(tessi_runtime_need(c, &runtime));
    const struct tessi_registry *r = runtime->registry;
    if (!x->as || !*x->as)
        return c->fail(c, TESS_E_USAGE, "wanted --as NAME, the architecture whose names the file has; there are: %s",
                       names_of(r, "checkpoint/1", 0, text, sizeof text));
    TESS_TRY(tessi_spec_new(c, TESSI_MAP, "command line", 1, 1, &map));
    int status = spec_of(c, x, map);
    if (status == TESS_OK)
        status = tessi_instance_new(c, r, "checkpoint/1", map, NULL, NULL, 1, out);
    tessi_spec_free(map);
    return status;
}

/* ---- formats ------------------------------------------------------------------------------------------------------- */

static int read_head(struct tess_call *c, const char *path, uint8_t head[HEAD], size_t *bytes)
{
    struct stat st;
    int fd = tessi_inject(TESSI_AT_OPEN) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), status = TESS_OK;
    ssize_t got = 0;
    if (fd < 0)
        return c->fail(c, TESS_E_IO, "%s: cannot be opened: %s; check the name", path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        status = c->fail(c, TESS_E_IO, "%s: is no file; the name of a checkpoint was wanted", path);
    else if ((got = tessi_inject(TESSI_AT_READ) ? -1 : pread(fd, head, HEAD, 0)) < 0)
        status = c->fail(c, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    close(fd);
    *bytes = got > 0 ? (size_t)got : 0;
    return status;
}

static int open_format(struct tess_call *c, const char *name, struct tess_instance **out)
{
    struct tessi_spec *spec = NULL;
    TESS_TRY(tessi_spec_new(c, TESSI_SCALAR, "command line", 1, 1, &spec));
    int status = tessi_spec_set_text(c, spec, name);
    if (status == TESS_OK)
        status = tessi_instance_new(c, tessi_runtime_of(c)->registry, "format/1", spec, NULL, NULL, 1, out);
    tessi_spec_free(spec);
    return status;
}

int tessi_format_read(struct tess_call *c, const char *path, struct tess_instance **out)
{
    struct tessi_runtime *runtime;
    const struct tess_component *k;
    uint8_t head[HEAD];
    size_t bytes = 0;
    char text[600];
    *out = NULL;
    TESS_TRY(tessi_runtime_need(c, &runtime));
    const struct tessi_registry *r = runtime->registry;
    TESS_TRY(read_head(c, path, head, &bytes));
    for (int64_t i = 0; (k = tessi_registry_component(r, i, NULL)); i++) {
        const struct tess_format_1 *ops = k->ops;
        if (strcmp(k->kind, "format/1") != 0 || !ops->recognises(head, bytes))
            continue;
        TESS_TRY(open_format(c, k->name, out));
        return ops->open_file(tess_instance_self(*out), c, path);
    }
    return c->fail(c, TESS_E_DATA,
                   "%s: is of no format that can be read here, of which there are: %s; one is built where its library was there "
                   "(`tessera plugins --why`)",
                   path, names_of(r, "format/1", 0, text, sizeof text));
}

int tessi_format_for(struct tess_call *c, const char *path, struct tess_instance **out)
{
    struct tessi_runtime *runtime;
    char text[600];
    *out = NULL;
    TESS_TRY(tessi_runtime_need(c, &runtime));
    const struct tessi_registry *r = runtime->registry;
    const char *dot = strrchr(path, '.');
    const struct tess_component *k = dot && !strchr(dot, '/') ? tessi_registry_find(r, "format/1", dot + 1, NULL) : NULL;
    if (!k || !((const struct tess_format_1 *)k->ops)->write)
        return c->fail(c, TESS_E_USAGE, "%s: the ending says the format, and can be: %s", path, names_of(r, "format/1", 1, text,
                                                                                                         sizeof text));
    return open_format(c, k->name, out);
}

const char *tessi_exchange_plugins(const struct tess_instance *checkpoint, const struct tess_instance *format, char *text, size_t room)
{
    const struct tess_instance *const part[] = {checkpoint, format};
    *text = '\0';
    for (size_t i = 0; i < 2; i++) {
        const struct tess_plugin *p = tessi_instance_plugin(part[i]);
        const struct tess_component *k = tessi_instance_component(part[i]);
        tessi_add(text, room, "%s%s %s, %s %s", i ? "; " : "", k->kind, k->name, p->id, p->version);
    }
    return text;
}
