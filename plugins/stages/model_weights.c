/* See model_weights.h. SPDX-License-Identifier: MIT */
#include "plugins/stages/model_weights.h"

#include <stdio.h>
#include <string.h>

int model_is_weight(const char *path, const char *name)
{
    for (; *path && *name; path++, name++)
        if (*path != (*name == '.' ? '/' : *name))
            return 0;
    return *path == *name;
}

int model_read_weight(struct tess_call *c, struct tess_weights *w, int64_t i, const struct tess_artefact *a)
{
    char path[600], have[96], want[96];
    struct tess_tensor to, from;
    snprintf(path, sizeof path, "weights/%s", tess_weights_name(w, i));
    for (char *at = path; *at; at++)
        *at = *at == '.' ? '/' : *at;
    TESS_TRY(tess_weights_view(c, w, i, TESS_ROLE_VALUE, &to));
    TESS_TRY(tess_artefact_load(c, a, path, TESS_F32, &from));
    int same = tess_tensor_same_shape(&from, &to);
    if (same)
        memcpy(to.data, from.data, tess_tensor_bytes(&to));
    tess_free(from.data);
    tess_weights_touch(w);
    if (same)
        return TESS_OK;
    return c->fail(c, TESS_E_DATA, "%s: /%s is %s, the model needs %s", tess_artefact_path(a), path,
                   tess_tensor_text(&from, have, sizeof have), tess_tensor_text(&to, want, sizeof want));
}

int model_take_averages(struct tess_call *c, struct tess_weights *w)
{
    for (int64_t i = 0; i < tess_weights_count(w); i++) {
        struct tess_tensor value, average;
        TESS_TRY(tess_weights_view(c, w, i, TESS_ROLE_VALUE, &value));
        TESS_TRY(tess_weights_view(c, w, i, TESS_ROLE_AVERAGE, &average));
        if (value.data != average.data)
            memcpy(value.data, average.data, tess_tensor_bytes(&value));
    }
    tess_weights_touch(w);
    return TESS_OK;
}
