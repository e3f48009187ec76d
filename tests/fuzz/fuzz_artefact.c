/* Artefacts whose digest is right and whose attributes and data sets contradict each other, as inputs of every stage that takes their like.
 * The input's first byte says which artefact of the small pipeline is spoiled; each three bytes after it are one change: what, of which
 * attribute or data set, and how. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "core/base/attributes_private.h"
#include "core/store/store.h"

#include <tessera/model.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const stage[] = {"images", "tokenizer", "codes", "prior"};
enum { STAGES = 4, TOKENIZER = 1 };

/* The digest of the tokenizer as it is now: codes and priors tell it, or no stage would look at anything else of theirs. */
static char tokenizer[65];

static const char consumers[] =
    "tessera: 1\nname: taken\nstages:\n"
    "  tuned: {use: train-autoencoder, in: {images: images.h5, model: tokenizer.h5}, steps: 1, batch: 2, decoder: {use: conv, "
    "channels: 32, channel_mult: [1, 1], attn_resolutions: [4]}}\n"
    "  again: {use: encode, in: {images: images.h5, model: tokenizer.h5}}\n"
    "  more: {use: train-prior, in: {codes: codes.h5, prior: prior.h5}, steps: 1, batch: 2}\n"
    "  drawn: {use: sample, in: {prior: prior.h5, model: tokenizer.h5}, count: 2, steps: 2}\n"
    "  shown: {use: decode, in: {codes: codes.h5, model: tokenizer.h5}}\n"
    "  looked: {use: evaluate, in: {images: images.h5, model: tokenizer.h5, prior: prior.h5}}\n"
    "  like: {use: nearest-neighbours, in: {images: images.h5, samples: images.h5}}\n"
    "  rebuilt: {use: refit, in: {images: images.h5, model: tokenizer.h5}, pool: 40, codebook_size: 4, steps: 1, batch: 2}\n"
    "  edited: {use: edit, in: {images: images.h5, mask: images.h5, model: tokenizer.h5, prior: prior.h5}, limit: 2, steps: 2}\n"
    "  wide: {use: sample-canvas, in: {prior: prior.h5, model: tokenizer.h5}, count: 1, height: 12, width: 18}\n"
    "  head: {use: train-likelihood, in: {images: images.h5, model: tokenizer.h5}, steps: 1, batch: 2}\n";
static const char *const consumer[] = {"tuned", "again", "more", "drawn", "shown", "looked", "like", "rebuilt", "edited", "wide", "head"};
enum { CONSUMERS = sizeof consumer / sizeof *consumer };

/* Takes away what a consumer left in the folder, so that inputs do not hang together; `keep`: what is there now is not its. In this
 * process: one with a sanitizer's memory is slow to fork. */
static void forget(const char *folder, int keep)
{
    enum { KEPT = 64, NAME = 128 };
    static char kept[KEPT][NAME], path[NAME + 32];
    static int count;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        int known = *e->d_name == '.';
        for (int i = 0; i < count && !known; i++)
            known = strcmp(kept[i], e->d_name) == 0;
        if (keep && !known && count < KEPT)
            (void)snprintf(kept[count++], NAME, "%.*s", NAME - 1, e->d_name);
        (void)snprintf(path, sizeof path, "%s/%.*s", folder, NAME - 1, e->d_name);
        if (!keep && !known)
            (void)unlink(path);
    }
    if (d)
        closedir(d);
}

static void make_good_ones(void)
{
    static int made;
    if (made++)
        return;
    fuzz_enter_small();
    (void)fuzz_file("taken.yaml", (const uint8_t *)consumers, strlen(consumers));
    const char *const override[] = {"prior.steps=2", "tokenizer.steps=2", "samples=null", "decoded=null", "metrics=null", NULL};
    if (fuzz_pipeline("small.yaml", override, 1) != TESS_OK) {
        fprintf(stderr, "%s\n", tessi_base_context_message(fuzz_call()));
        abort();
    }
    forget("runs/.cache", 1);
}

struct change {
    uint8_t what, which, how;
};

static void change_attrs(struct tess_context *ctx, struct tess_attrs *to, const struct change *change, size_t changes)
{
    static const int64_t value[] = {-1, 0, 1, 2, 3, 7, 8, 11, 12, 13, 255, 256, 65536, 1 << 24, INT32_MAX, INT64_MAX};
    static const char *const text[] = {"", "conv", "ema", "absorbing", "uniform", "transformer", "{}", "{use: conv}", "a\tb", "..."};
    for (size_t k = 0; k < changes && to->count; k++) {
        struct tessi_attr *f = &to->item[change[k].which % to->count];
        if (change[k].what % 3 == 0)
            (void)!tess_attrs_set_i64(ctx, to, f->name, value[change[k].how % 16]);
        else if (change[k].what % 3 == 1 && f->type == TESSI_ATTR_TEXT)
            (void)!tess_attrs_set_text(ctx, to, f->name, text[change[k].how % 10]);
        else if (change[k].what % 3 == 1)
            (void)!tess_attrs_set_f64(ctx, to, f->name, change[k].how % 2 ? -0.5 : 1e300);
    }
}

/* A data set as it is, or with another extent; its values come again from the start where there are too few. */
static int copy_set(struct tess_context *ctx, const struct tess_artefact *a, struct tess_artefact *to, const char *name,
                    const struct change *change)
{
    struct tess_tensor t, other;
    TESS_TRY(tess_artefact_shape(ctx, a, name, &t));
    TESS_TRY(tess_artefact_load(ctx, a, name, t.dtype, &t));
    other = t;
    if (change && t.rank > 0) {
        int64_t *dim = &other.dim[change->which % t.rank];
        *dim = change->how % 4 == 0 ? *dim - 1 : change->how % 4 == 1 ? *dim + 1 : change->how % 4 == 2 ? 1 : 2 * *dim;
        if (change->how & 64)
            other.rank -= other.rank > 1;
        size_t bytes = tess_tensor_bytes(&other), had = tess_tensor_bytes(&t);
        other.data = calloc(bytes + 1, 1);
        for (size_t at = 0; at < bytes && had; at++)
            ((uint8_t *)other.data)[at] = (uint8_t)(((const uint8_t *)t.data)[at % had] ^ (change->how & 128));
    }
    int status = tess_tensor_count(&other) > 0 ? tess_artefact_put(ctx, to, name, &other, NULL) : TESS_OK;
    if (other.data != t.data)
        free(other.data);
    tess_free(t.data);
    return status;
}

static int copy_all(struct tess_context *ctx, const struct tess_artefact *a, struct tess_artefact *to, const struct change *change,
                    size_t changes)
{
    const char *name;
    int64_t sets = 0;
    TESS_TRY(tessi_base_attrs_copy(ctx, tess_artefact_attrs(a), tess_artefact_describe(to)));
    if (tess_attrs_text_or(tess_artefact_describe(to), "tokenizer", NULL))
        TESS_TRY(tess_attrs_set_text(ctx, tess_artefact_describe(to), "tokenizer", tokenizer));
    change_attrs(ctx, tess_artefact_describe(to), change, changes);
    while (tess_artefact_name_at(a, sets))
        sets++;
    for (int64_t i = 0; i < sets; i++) {
        const struct change *own = NULL;
        for (size_t k = 0; k < changes; k++)
            if (change[k].what % 3 == 2 && change[k].which % sets == i)
                own = &change[k];
        name = tess_artefact_name_at(a, i);
        if (own && own->how == 255)
            continue;
        (void)!copy_set(ctx, a, to, name, own); /* texts are left out */
    }
    return TESS_OK;
}

static int spoil(struct tess_context *ctx, const char *from, const char *path, const struct change *change, size_t changes)
{
    struct tess_artefact *a = NULL, *to = NULL;
    TESS_TRY(tessi_store_artefact_open(ctx, from, &a));
    int status = tessi_store_artefact_create(ctx, path, tess_artefact_kind(a), &to);
    if (status == TESS_OK)
        status = copy_all(ctx, a, to, change, changes);
    if (status == TESS_OK) {
        status = tessi_store_artefact_finish(ctx, to, &(struct tessi_provenance){.tool = "fuzz"}, NULL);
        to = NULL;
    }
    tessi_store_artefact_close(to);
    tessi_store_artefact_close(a);
    return status;
}

static void learn_tokenizer(void)
{
    struct tess_artefact *a = NULL;
    if (tessi_store_artefact_open(fuzz_call(), "tokenizer.h5", &a) == TESS_OK)
        snprintf(tokenizer, sizeof tokenizer, "%s", tess_tokenizer_digest(a));
    tessi_store_artefact_close(a);
}

int FUZZ_TARGET(artefact)(const uint8_t *data, size_t size)
{
    enum { MAX = 6 };
    static int good[STAGES]; /* flags of stages whose artefact on disk is intact, kept from input to input */
    struct change change[MAX];
    char from[64], path[64];
    if (size < 2)
        return 0;
    make_good_ones();
    size_t changes = (size - 2) / 3 < MAX ? (size - 2) / 3 : MAX;
    memcpy(change, data + 2, changes * sizeof *change);
    int ok = 1, which = data[0] % STAGES;
    for (int i = 0; i < STAGES; i++) {
        if (i != which && good[i])
            continue;
        snprintf(from, sizeof from, "runs/small/%s.h5", stage[i]);
        snprintf(path, sizeof path, "%s.h5", stage[i]);
        int made = spoil(fuzz_call(), from, path, change, i == which ? changes : 0) == TESS_OK;
        good[i] = made && i != which;
        ok = ok && made;
        if (i == TOKENIZER) {
            learn_tokenizer();
            memset(good + i + 1, 0, sizeof good - (size_t)(i + 1) * sizeof *good);
        }
    }
    const char *override[CONSUMERS + 1] = {NULL}; /* each consumer alone: the others are taken away */
    char away[CONSUMERS][32];
    int n = 0;
    for (int i = 0; i < CONSUMERS; i++)
        if (i != data[1] % CONSUMERS) {
            snprintf(away[i], sizeof away[i], "%s=null", consumer[i]);
            override[n++] = away[i];
        }
    if (ok)
        (void)fuzz_pipeline("taken.yaml", override, 1);
    forget("runs/.cache", 0);
    forget("runs/taken", 0);
    return 0;
}
