/* The transformers of taming: see taming_prior.c. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_CHECKPOINTS_TAMING_TAMING_PRIOR_H
#define PLUGINS_CHECKPOINTS_TAMING_TAMING_PRIOR_H

#include <tessera/exchange.h>
#include <tessera/plugin.h>

struct taming_prior {         /* properties that a file does not tell */
    int64_t heads, sos_token; /* sos_token -1: not said */
    int32_t complete;
};

/* 1 where the file has such a transformer. */
int taming_prior_is_there(const struct tess_import_plan *p);
int taming_prior_import(struct tess_context *ctx, const struct taming_prior *t, struct tess_import_plan *p) TESS_CHECKED;
int taming_prior_export(struct tess_context *ctx, const struct taming_prior *t, struct tess_export_plan *p) TESS_CHECKED;

#endif
