/* The variants of a sweep: every combination of the values of its axes, the last axis fastest, where axes that are zipped count as one, and
 * what is excluded is left out. A variant's name says its values and is a folder's: what a folder may not have becomes `_`, and where that,
 * or a long name, loses something, a digest of the whole stands at the end.
 *
 * SPDX-License-Identifier: MIT */
#include "core/sweep/sweep_private.h"

#include <tessera/digest.h>

#include "core/base/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COMBINATIONS 100000 /* before exclusions */
#define MAX_NODES 9000          /* values that sweep.yaml may have and be read again, with some to spare for its head */
#define MAX_NAME 120            /* bytes */

/* Name of the values at `at`: "K=64,quantizer=ema". */
static int variants_name(struct tess_context *ctx, struct tessi_sweep *s, const int64_t *at, char **out)
{
    struct tess_digest d;
    char digest[TESS_DIGEST_TEXT], name[MAX_NAME + 2] = "";
    int lost = 0;
    size_t used = 0;
    tess_digest_start(&d);
    for (int64_t i = 0; i < s->axes; i++) {
        const char *value = s->axis[i].value[at[i]].text;
        tess_digest_add_text(&d, s->axis[i].name);
        tess_digest_add_text(&d, value);
        tessi_base_add(name, sizeof name, "%s%s=", i ? "," : "", s->axis[i].name);
        used = strlen(name);
        tessi_base_add(name, sizeof name, "%s", value);
        for (char *c = name + used; *c; c++) {
            int fine = isalnum((unsigned char)*c) || strchr("._+-", *c);
            lost |= !fine;
            *c = fine ? *c : '_';
        }
    }
    tess_digest_end(&d, digest);
    if (strlen(name) <= MAX_NAME && !lost)
        return tessi_sweep_text(ctx, s, out, "%s", name);
    return tessi_sweep_text(ctx, s, out, "%.*s-%.8s", MAX_NAME - 9, name, digest);
}

/* Fills a variant for the values at `at`. */
static int variants_add(struct tess_context *ctx, struct tessi_sweep *s, const int64_t *at)
{
    struct tessi_sweep_variant *v = &s->variant[s->variants];
    void *memory;
    TESS_TRY(variants_name(ctx, s, at, &v->name));
    TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)s->axes * sizeof *v->at, &memory));
    v->at = memory;
    memcpy(v->at, at, (size_t)s->axes * sizeof *v->at);
    for (int64_t i = 0; i < s->axes; i++) {
        const struct tessi_sweep_value *value = &s->axis[i].value[at[i]];
        for (int64_t k = 0; k < value->sets; k++)
            TESS_TRY(tessi_sweep_add(ctx, s, &v->sets, &v->set, value->set[k]));
    }
    s->variants++;
    return TESS_OK;
}

/* Steps to the next combination, the last axis first; 0 after the last one. */
static int variants_next(const struct tessi_sweep *s, int64_t *at)
{
    int64_t i = s->axes - 1;
    for (; i >= 0; i--) {
        if (s->axis[i].zip != i)
            continue;
        if (++at[i] < s->axis[i].count)
            break;
        at[i] = 0;
    }
    for (int64_t k = 0; k < s->axes; k++)
        at[k] = at[s->axis[k].zip];
    return i >= 0;
}

static int variants_count(struct tess_context *ctx, const struct tessi_sweep *s, int64_t *out)
{
    *out = 1;
    for (int64_t i = 0; i < s->axes; i++) {
        if (s->axis[i].zip == i)
            *out *= s->axis[i].count;
        if (*out > MAX_COMBINATIONS)
            return ctx->fail(ctx, TESS_E_USAGE, "wanted a sweep of at most %d combinations, found more; take values away, or zip axes",
                             MAX_COMBINATIONS);
    }
    return TESS_OK;
}

static int variants_each(struct tess_context *ctx, struct tessi_sweep *s, int64_t picks, const struct tessi_sweep_pick *pick, int64_t *met)
{
    int64_t at[TESSI_SWEEP_MAX_AXES] = {0}, nodes = 0;
    do {
        int out = 0;
        for (int64_t i = 0; i < picks; i++) {
            int matches = tessi_sweep_pick_matches(s, &pick[i], at);
            met[i] += matches;
            out |= matches;
        }
        if (out) {
            char *name;
            TESS_TRY(variants_name(ctx, s, at, &name));
            TESS_TRY(tessi_sweep_add(ctx, s, &s->excluded, &s->exclude, name));
            nodes++;
        } else {
            TESS_TRY(variants_add(ctx, s, at));
            nodes += 4 + s->axes + s->variant[s->variants - 1].sets;
        }
        if (nodes > MAX_NODES)
            return ctx->fail(ctx, TESS_E_USAGE, "wanted a sweep of at most %lld variants of this kind, found more; split it into several",
                             (long long)(s->variants + s->excluded - 1));
    } while (variants_next(s, at));
    return TESS_OK;
}

int tessi_sweep_variants_list(struct tess_context *ctx, struct tessi_sweep *s, int64_t picks, struct tessi_sweep_pick *pick)
{
    void *memory;
    int64_t n;
    TESS_TRY(variants_count(ctx, s, &n));
    TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)n * sizeof *s->variant, &memory));
    s->variant = memory;
    TESS_TRY(tessi_sweep_alloc(ctx, s, (size_t)(picks + 1) * sizeof(int64_t), &memory));
    int64_t *met = memory;
    TESS_TRY(variants_each(ctx, s, picks, pick, met));
    for (int64_t i = 0; i < picks; i++)
        if (met[i] == 0 && !pick[i].former) /* zipped axes do not have every combination */
            TESS_TRY(tessi_sweep_note(ctx, s, "exclusion %lld leaves nothing out: no combination is like that", (long long)i + 1));
    if (s->variants == 0)
        return ctx->fail(ctx, TESS_E_USAGE, "all %lld combinations are excluded; nothing is left to run", (long long)n);
    return TESS_OK;
}
