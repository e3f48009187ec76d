/* Reading what tess_instance_spec has written: by the reader of pipelines, so that a parameter of a part in the component, or a name that ends
 * like another, is not taken for the one that was asked for. SPDX-License-Identifier: MIT */
#include "core/config/yaml.h"
#include "core/plug/plug_private.h"

#include <string.h>

static int parse(struct tess_call *c, const char *spec, struct tessi_spec **out)
{
    int status = tessi_yaml_parse(c, spec, strlen(spec), "a component", out);
    if (status == TESS_OK && (*out)->kind == TESSI_MAP)
        return TESS_OK;
    if (status == TESS_E_MEMORY)
        return status;
    if (status == TESS_OK)
        tessi_spec_free(*out);
    *out = NULL;
    tess_forget(c);
    return c->fail(c, TESS_E_DATA, "wanted a component and its parameters, {use: NAME, ...}, found `%.200s`", spec);
}

int tess_spec_has(struct tess_call *c, const char *spec, const char *key, const char *text, int32_t *out)
{
    struct tessi_spec *map;
    TESS_TRY(parse(c, spec, &map));
    const struct tessi_spec *value = tessi_spec_get(map, key);
    *out = value && value->kind == TESSI_SCALAR && strcmp(value->text, text) == 0;
    tessi_spec_free(map);
    return TESS_OK;
}

int tess_spec_i64(struct tess_call *c, const char *spec, const char *key, int64_t otherwise, int64_t *out)
{
    struct tessi_spec *map;
    int status = TESS_OK;
    TESS_TRY(parse(c, spec, &map));
    const struct tessi_spec *value = tessi_spec_get(map, key);
    *out = otherwise;
    if (value && (value->kind != TESSI_SCALAR || !tessi_read_i64(value, out)))
        status = c->fail(c, TESS_E_DATA, "wanted a whole number as `%s`, found `%.200s`", key, spec);
    tessi_spec_free(map);
    return status;
}

int tess_spec_f64(struct tess_call *c, const char *spec, const char *key, double otherwise, double *out)
{
    struct tessi_spec *map;
    int status = TESS_OK;
    TESS_TRY(parse(c, spec, &map));
    const struct tessi_spec *value = tessi_spec_get(map, key);
    *out = otherwise;
    if (value && (value->kind != TESSI_SCALAR || !tessi_read_f64(value, out)))
        status = c->fail(c, TESS_E_DATA, "wanted a number as `%s`, found `%.200s`", key, spec);
    tessi_spec_free(map);
    return status;
}
