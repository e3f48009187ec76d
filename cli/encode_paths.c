/* Paths in the stage of an encoding. The command has them absolute; the recipe of an archive has them relative to the archive's folder, so
 * that nothing in it says where on which machine it was made. SPDX-License-Identifier: MIT */
#include "cli/encode.h"
#include "core/base/files.h"
#include "core/config/merge.h"
#include "core/config/scalar.h"
#include "core/plug/registry.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Real path of `path`, but for its last component, which may be a link that somebody names on purpose; `path` where there is no such. */
static void real_folder(const char *path, char out[PATH_MAX])
{
    char folder[PATH_MAX], real[PATH_MAX];
    const char *last = strrchr(path, '/');
    int length = last ? (int)(last - path) : 0;
    (void)snprintf(folder, sizeof folder, "%.*s", length ? length : 1, path);
    if (!last || !realpath(folder, real))
        (void)snprintf(out, PATH_MAX, "%s", path);
    else
        (void)snprintf(out, PATH_MAX, "%s%s", strcmp(real, "/") == 0 ? "" : real, last);
}

/* Path from the real folder to an absolute path: as many `../` as lead to what both have in common. */
static int path_relative(struct tess_context *ctx, const char *folder, const char *path, char **out)
{
    char to[PATH_MAX], up[PATH_MAX] = "";
    size_t common = 0;
    real_folder(path, to);
    for (size_t i = 0;; i++) {
        if ((folder[i] == '/' || !folder[i]) && (to[i] == '/' || !to[i]))
            common = i;
        if (!folder[i] || !to[i] || folder[i] != to[i])
            break;
    }
    for (const char *c = folder + common; *c && strlen(up) + 4 < sizeof up; c++)
        if (*c == '/' && c[1])
            strcat(up, "../");
    const char *rest = to[common] == '/' ? to + common + 1 : to + common;
    return tessi_base_format(ctx, out, "%s%s", up, *rest || *up ? rest : ".");
}

/* Absolute path of one that is relative to the real folder: each `../` at its beginning takes a component away. */
static int path_from(struct tess_context *ctx, const char *folder, const char *path, char **out)
{
    size_t length = strlen(folder);
    for (; strncmp(path, "../", 3) == 0 && length; path += 3)
        while (length && folder[--length] != '/')
            ;
    return tessi_base_format(ctx, out, "%.*s/%s", (int)length, folder, path);
}

static int change(struct tess_context *ctx, struct tessi_config *s, const char *folder, int to)
{
    char *path = NULL;
    int status = TESS_OK;
    if (!s || s->kind != TESSI_SCALAR || !s->text || !*s->text || tessi_config_scalar_is(s->text, s->quoted) == TESSI_IS_NULL)
        return TESS_OK;
    if (to == CLI_PATHS_NONE)
        return tessi_config_set_text(ctx, s, "");
    if (to == CLI_PATHS_RELATIVE && *s->text == '/')
        status = path_relative(ctx, folder, s->text, &path);
    else if (to == CLI_PATHS_ABSOLUTE && *s->text != '/')
        status = folder ? path_from(ctx, folder, s->text, &path) : tessi_base_path_absolute(ctx, s->text, &path);
    if (status == TESS_OK && path) {
        status = tessi_config_set_text(ctx, s, path);
        s->quoted = 1;
    }
    tess_free(path);
    return status;
}

/* Changes the paths among a component's parameters, and those of components within it. */
static int change_all(struct tess_context *ctx, const struct tessi_registry *r, const char *kind, struct tessi_config *map,
                      const char *folder, int to)
{
    const struct tessi_config *use = map->kind == TESSI_MAP ? tessi_config_child(map, "use") : NULL;
    const struct tess_component *k = use && use->text ? tessi_plug_registry_find(r, kind, use->text, NULL) : NULL;
    const struct tess_param *p;
    for (int64_t i = 0; k && (p = tessi_plug_param_at(k, i)); i++) {
        struct tessi_config *value = tessi_config_child(map, p->name);
        if (!value)
            continue;
        if (p->flags & TESS_PATH)
            TESS_TRY(change(ctx, value, folder, to));
        else if (p->type == TESS_COMPONENT)
            TESS_TRY(change_all(ctx, r, p->text, value, folder, to));
    }
    return TESS_OK;
}

int cli_encode_paths(struct tess_context *ctx, const struct tessi_registry *r, struct tessi_config *stage, const char *folder, int to)
{
    char real[PATH_MAX];
    const struct tessi_config *in = tessi_config_child(stage, "in");
    if (folder && !realpath(folder, real))
        (void)snprintf(real, sizeof real, "%s", folder);
    for (struct tessi_config *s = in ? in->child : NULL; s; s = s->next)
        TESS_TRY(change(ctx, s, folder ? real : NULL, to));
    return change_all(ctx, r, "stage/1", stage, folder ? real : NULL, to);
}
