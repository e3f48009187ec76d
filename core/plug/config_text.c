/* Reading of config texts (tess_instance_config_text): by the reader of pipelines, so that a parameter of a part in the component, or a
 * name that ends like another, is not taken for the one that was asked for. SPDX-License-Identifier: MIT */
#include "core/config/yaml.h"
#include "core/plug/plug_private.h"

#include <string.h>

static int config_text_parse(struct tess_context *ctx, const char *config_text, struct tessi_config **out)
{
    int status = tessi_config_yaml_parse(ctx, config_text, strlen(config_text), "a component", out);
    if (status == TESS_OK && (*out)->kind == TESSI_MAP)
        return TESS_OK;
    if (status == TESS_E_MEMORY)
        return status;
    if (status == TESS_OK)
        tessi_config_free(*out);
    *out = NULL;
    tess_forget(ctx);
    return ctx->fail(ctx, TESS_E_DATA, "wanted a component and its parameters, {use: NAME, ...}, found `%.200s`", config_text);
}

int tess_config_text_has(struct tess_context *ctx, const char *config_text, const char *key, const char *text, int32_t *out)
{
    struct tessi_config *map;
    TESS_TRY(config_text_parse(ctx, config_text, &map));
    const struct tessi_config *value = tessi_config_get(map, key);
    *out = value && value->kind == TESSI_SCALAR && strcmp(value->text, text) == 0;
    tessi_config_free(map);
    return TESS_OK;
}

int tess_config_text_i64(struct tess_context *ctx, const char *config_text, const char *key, int64_t otherwise, int64_t *out)
{
    struct tessi_config *map;
    int status = TESS_OK;
    TESS_TRY(config_text_parse(ctx, config_text, &map));
    const struct tessi_config *value = tessi_config_get(map, key);
    *out = otherwise;
    if (value && (value->kind != TESSI_SCALAR || !tessi_config_read_i64(value, out)))
        status = ctx->fail(ctx, TESS_E_DATA, "wanted a whole number as `%s`, found `%.200s`", key, config_text);
    tessi_config_free(map);
    return status;
}

int tess_config_text_f64(struct tess_context *ctx, const char *config_text, const char *key, double otherwise, double *out)
{
    struct tessi_config *map;
    int status = TESS_OK;
    TESS_TRY(config_text_parse(ctx, config_text, &map));
    const struct tessi_config *value = tessi_config_get(map, key);
    *out = otherwise;
    if (value && (value->kind != TESSI_SCALAR || !tessi_config_read_f64(value, out)))
        status = ctx->fail(ctx, TESS_E_DATA, "wanted a number as `%s`, found `%.200s`", key, config_text);
    tessi_config_free(map);
    return status;
}
