/* Filling a component's struct: what params.c and lists.c share. SPDX-License-Identifier: MIT */
#ifndef TESSI_FILLING_H
#define TESSI_FILLING_H

#include "core/plug/plug_private.h"

struct filling {
    struct tess_context *ctx;
    const struct tessi_registry *registry;
    struct tess_instance *i;
    const struct tessi_config *config; /* place of what is not written */
    const struct tess_instance *like;
    const char *label; /* "encoder/conv" */
    int open;
    int inherited; /* the value at hand is the one of `like` */
};

/* "LABEL: `NAME` wants ..., found ...", at s. */
int tessi_plug_params_wrong(const struct filling *f, const struct tess_param *p, const struct tessi_config *s, const char *found);
/* Adds a copy of `value` under the parameter's name to one of the canonical forms; *out (may be NULL) is the copy. */
int tessi_plug_params_keep(const struct filling *f, const struct tess_param *p, struct tessi_config *map, const struct tessi_config *value,
                           struct tessi_config **out) TESS_CHECKED;
int tessi_plug_is_identity(const struct tess_param *p); /* it is in keys and in what artefacts keep */
/* The kind of a component's parameter, and the component that it is "like"; NULL. */
const struct tess_instance *tessi_plug_params_model(const struct filling *f, const struct tess_param *p, char *kind, size_t capacity);
/* A list of whatever: s, or its default where that is NULL. */
int tessi_plug_fill_list(const struct filling *f, const struct tess_param *p, struct tessi_config *s, void *member) TESS_CHECKED;
/* The default as the canonical form prints it; tess_free. */
int tessi_plug_default_text(struct tess_context *ctx, const struct tess_param *p, char **out) TESS_CHECKED;

#endif
