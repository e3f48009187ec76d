/* See warm_start.h. SPDX-License-Identifier: MIT */
#include "kit/train/warm_start.h"

#include <stdio.h>
#include <string.h>

enum { WANTED, GIVEN };

static int warm_start_open_graph(struct tess_context *ctx, struct warm_start *s, int which)
{
    struct tess_graph_options o = {.size = sizeof o, .microbatch = 1, .microbatches = 1};
    struct tess_weights **w = which == WANTED ? &s->wanted : &s->given;
    TESS_TRY(tess_weights_new(ctx, 0, w));
    return tess_graph_new(ctx, *w, &o, &s->graph[which]);
}

int warm_start_open_tokenizer(struct tess_context *ctx, struct warm_start *s, const struct tess_tokenizer *wanted,
                              const struct tess_tokenizer *given)
{
    for (int which = WANTED; which <= GIVEN; which++) {
        const struct tess_tokenizer *t = which == WANTED ? wanted : given;
        TESS_TRY(warm_start_open_graph(ctx, s, which));
        TESS_TRY(tess_tokenizer_record_encode(ctx, t, s->graph[which]));
        TESS_TRY(tess_tokenizer_record_decode(ctx, t, s->graph[which]));
    }
    return TESS_OK;
}

int warm_start_open_prior(struct tess_context *ctx, struct warm_start *s, const struct tess_prior *wanted, const struct tess_prior *given)
{
    for (int which = WANTED; which <= GIVEN; which++) {
        TESS_TRY(warm_start_open_graph(ctx, s, which));
        TESS_TRY(tess_prior_record_denoise(ctx, which == WANTED ? wanted : given, s->graph[which]));
    }
    return TESS_OK;
}

void warm_start_close(struct warm_start *s)
{
    for (int which = WANTED; which <= GIVEN; which++)
        tess_graph_free(s->graph[which]);
    tess_weights_free(s->wanted);
    tess_weights_free(s->given);
    memset(s, 0, sizeof *s);
}

/* ---- the same weights ---- */

static const char advice[] = "training can start from a model of the same parts only: leave the parts out, and they are the model's, or "
                             "train without it";

/* Checks that the model has every weight that is to be trained, in its shape. */
static int check_wanted(struct tess_context *ctx, const struct warm_start *s, const char *what)
{
    struct tess_weights *a = s->wanted, *b = s->given;
    for (int64_t i = 0; i < tess_weights_count(a); i++) {
        const char *name = tess_weights_name(a, i);
        int64_t other = tess_weights_index(b, name);
        struct tess_tensor x, y;
        char wanted[96], given[96];
        if (other < 0)
            return ctx->fail(ctx, TESS_E_SHAPE, "%s: it has no %s, which is to be trained; %s", what, name, advice);
        TESS_TRY(tess_weights_view(ctx, a, i, TESS_ROLE_VALUE, &x));
        TESS_TRY(tess_weights_view(ctx, b, other, TESS_ROLE_VALUE, &y));
        if (!tess_tensor_same_shape(&x, &y))
            return ctx->fail(ctx, TESS_E_SHAPE, "%s: its %s is %s, and %s is to be trained; %s", what, name,
                           tess_tensor_text(&y, given, sizeof given), tess_tensor_text(&x, wanted, sizeof wanted), advice);
    }
    return TESS_OK;
}

int warm_start_check(struct tess_context *ctx, const struct warm_start *s, const char *what)
{
    TESS_TRY(check_wanted(ctx, s, what));
    for (int64_t i = 0; i < tess_weights_count(s->given); i++)
        if (tess_weights_index(s->wanted, tess_weights_name(s->given, i)) < 0)
            return ctx->fail(ctx, TESS_E_SHAPE, "%s: its %s is in no part that is to be trained; %s", what, tess_weights_name(s->given, i),
                           advice);
    return TESS_OK;
}

/* ---- values ---- */

static int is_there(struct tess_context *ctx, struct tess_weights *w, int64_t i, const struct tess_artefact *model, int *out)
{
    char path[TESS_WEIGHT_PATH];
    struct tess_tensor here, there;
    *out = 0;
    tess_weights_path(tess_weights_name(w, i), path, sizeof path);
    if (!tess_artefact_has(model, path))
        return TESS_OK;
    TESS_TRY(tess_weights_view(ctx, w, i, TESS_ROLE_VALUE, &here));
    TESS_TRY(tess_artefact_shape(ctx, model, path, &there));
    *out = tess_tensor_same_shape(&here, &there);
    return TESS_OK;
}

static int warm_start_begins(const char *name, const char *prefix, size_t length)
{
    return strncmp(name, prefix, length) == 0;
}

static int is_skipped(const char *name, const char *const *skip)
{
    for (; *skip; skip++)
        if (warm_start_begins(name, *skip, strlen(*skip)))
            return 1;
    return 0;
}

/* 1 for a weight that only training has; *group: length of its group's name with the dot. */
static int is_extra(const struct warm_start *s, const struct tess_weights *w, int64_t i, const char *const *skip, size_t *group)
{
    const char *name = tess_weights_name(w, i), *dot = strchr(name, '.');
    *group = dot ? (size_t)(dot - name) + 1 : strlen(name);
    return tess_weights_index(s->wanted, name) < 0 && !is_skipped(name, skip);
}

/* Reads the group of weight `first`, as a whole or not at all; *count: weights that were in the file. */
static int warm_start_read_group(struct tess_context *ctx, const struct warm_start *s, struct tess_weights *w, int64_t first,
                      const struct tess_artefact *model, const char *const *skip, int64_t *count)
{
    const char *name = tess_weights_name(w, first);
    size_t length, own;
    int there = 1;
    (void)is_extra(s, w, first, skip, &length);
    for (int64_t i = first; i < tess_weights_count(w) && there; i++)
        if (is_extra(s, w, i, skip, &own) && own == length && warm_start_begins(tess_weights_name(w, i), name, length))
            TESS_TRY(is_there(ctx, w, i, model, &there));
    *count = 0;
    for (int64_t i = first; i < tess_weights_count(w) && there; i++)
        if (is_extra(s, w, i, skip, &own) && own == length && warm_start_begins(tess_weights_name(w, i), name, length)) {
            TESS_TRY(tess_weights_read_one(ctx, w, i, model, NULL));
            ++*count;
        }
    return TESS_OK;
}

static int is_first_of_group(const struct warm_start *s, const struct tess_weights *w, int64_t at, const char *const *skip)
{
    size_t length, own;
    if (!is_extra(s, w, at, skip, &length))
        return 0;
    for (int64_t i = 0; i < at; i++)
        if (is_extra(s, w, i, skip, &own) && own == length && warm_start_begins(tess_weights_name(w, i), tess_weights_name(w, at), length))
            return 0;
    return 1;
}

int warm_start_read(struct tess_context *ctx, struct tess_stage_run *r, const struct warm_start *s, struct tess_weights *w,
               const struct tess_artefact *model, const char *const *skip)
{
    char fresh[400] = "";
    int64_t taken = 0, group;
    size_t length, n = 0;
    TESS_TRY(tess_weights_seal(ctx, w));
    for (int64_t i = 0; i < tess_weights_count(w); i++) {
        const char *name = tess_weights_name(w, i);
        if (tess_weights_index(s->wanted, name) >= 0) {
            TESS_TRY(tess_weights_read_one(ctx, w, i, model, NULL));
            taken++;
        } else if (is_first_of_group(s, w, i, skip)) {
            TESS_TRY(warm_start_read_group(ctx, s, w, i, model, skip, &group));
            taken += group;
            (void)is_extra(s, w, i, skip, &length);
            if (group == 0 && n < sizeof fresh)
                n += (size_t)snprintf(fresh + n, sizeof fresh - n, "%s%.*s", n ? ", " : "", (int)(length - 1), name);
        }
    }
    tess_weights_touch(w);
    tess_stage_note(r, "starts from %lld weights of the model %.12s%s%s", (long long)taken, tess_artefact_digest(model),
                    *fresh ? "; new, as it has none like them: what only training has of " : "", fresh);
    return TESS_OK;
}

void warm_start_note_part(struct tess_stage_run *r, const char *part, const struct tess_instance *wanted, const struct tess_instance *given)
{
    const char *w = tess_instance_config_text(wanted), *g = tess_instance_config_text(given);
    if (strcmp(w, g) != 0)
        tess_stage_note(r, "the %s is %s; the model was trained with %s", part, w, g);
}

int warm_start_is_past(struct tess_stage_run *r)
{
    const struct tess_artefact *a = tess_stage_resume(r);
    return a && tess_attrs_i64_or(tess_artefact_attrs(a), "step", -1) >= 0;
}
