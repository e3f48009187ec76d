/* Filling of a component's struct: declarations shared by params.c and lists.c. SPDX-License-Identifier: MIT */
#ifndef TESSI_FILLING_H
#define TESSI_FILLING_H

#include "core/plug/plug_private.h"

struct filling {
    struct tess_context *ctx;
    const struct tessi_registry *registry;
    struct tess_instance *i;
    const struct tessi_config *config; /* the component's node: place of parameters that are not written */
    const struct tess_instance *like;
    const char *label; /* kind and name of the component, for messages: "encoder/conv" */
    int open;
    int inherited; /* 1: the present value was taken from `like` */
};

/* Fails with "LABEL: `NAME` wants ..., found ...", at s. */
int tessi_plug_params_wrong(const struct filling *f, const struct tess_param *p, const struct tessi_config *s, const char *found);
/* Adds a copy of `value` under the parameter's name to one of the canonical forms; *out (may be NULL) is the copy. */
int tessi_plug_params_keep(const struct filling *f, const struct tess_param *p, struct tessi_config *map, const struct tessi_config *value,
                           struct tessi_config **out) TESS_CHECKED;
int tessi_plug_is_identity(const struct tess_param *p); /* 1: part of cache keys and of artefacts */
/* Kind of a component parameter; returns the component that it is "like", or NULL. */
const struct tess_instance *tessi_plug_params_model(const struct filling *f, const struct tess_param *p, char *kind, size_t capacity);
/* Fills a list parameter of any type from s, or from its default where s is NULL. */
int tessi_plug_fill_list(const struct filling *f, const struct tess_param *p, struct tessi_config *s, void *member) TESS_CHECKED;
/* Text of the default in the canonical form; tess_free. */
int tessi_plug_default_text(struct tess_context *ctx, const struct tess_param *p, char **out) TESS_CHECKED;

#endif
