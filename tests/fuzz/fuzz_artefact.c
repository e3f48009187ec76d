/* Artefacts whose digest is right and whose attributes and data sets contradict each other, as inputs of every stage that takes their like.
 * The input's first byte says which artefact of the small pipeline is spoiled, the second which stage reads it (an input whose stage does
 * not is passed over); each three bytes after them are one change: what, of which attribute or data set, and how. SPDX-License-Identifier:
 * MIT */
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
enum { IMAGES, TOKENIZER, CODES, PRIOR, STAGES, SETS = 400 };

/* Contents of the artefacts that are spoiled, read once: reading and writing HDF5 is most of an input's time. */
static struct good {
    char kind[32];
    struct tess_attrs attrs;
    struct tess_tensor set[SETS];
    char name[SETS][80];
    int64_t sets; /* data sets of texts are left out */
} good[STAGES];

/* Digest of the tokenizer that consumers read: codes and priors tell it, or no stage would look at anything else of theirs. */
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
enum { I = 1 << IMAGES, T = 1 << TOKENIZER, C = 1 << CODES, P = 1 << PRIOR };
static const struct {
    const char *name;
    int reads; /* bits of the artefacts */
} consumer[] = {{"tuned", I | T}, {"again", I | T},   {"more", C | P},       {"drawn", P | T}, {"shown", C | T}, {"looked", I | T | P},
                {"like", I},      {"rebuilt", I | T}, {"edited", I | T | P}, {"wide", P | T},  {"head", I | T}};
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
static int copy_set(struct tess_context *ctx, const struct tess_tensor *t, struct tess_artefact *to, const char *name,
                    const struct change *change)
{
    struct tess_tensor other = *t;
    if (change && t->rank > 0) {
        int64_t *dim = &other.dim[change->which % t->rank];
        *dim = change->how % 4 == 0 ? *dim - 1 : change->how % 4 == 1 ? *dim + 1 : change->how % 4 == 2 ? 1 : 2 * *dim;
        if (change->how & 64)
            other.rank -= other.rank > 1;
        size_t bytes = tess_tensor_bytes(&other), had = tess_tensor_bytes(t);
        other.data = calloc(bytes + 1, 1);
        for (size_t at = 0; at < bytes && had; at++)
            ((uint8_t *)other.data)[at] = (uint8_t)(((const uint8_t *)t->data)[at % had] ^ (change->how & 128));
    }
    int status = tess_tensor_count(&other) > 0 ? tess_artefact_put(ctx, to, name, &other, NULL) : TESS_OK;
    if (other.data != t->data)
        free(other.data);
    return status;
}

static int copy_all(struct tess_context *ctx, const struct good *g, struct tess_artefact *to, const struct change *change, size_t changes)
{
    TESS_TRY(tessi_base_attrs_copy(ctx, &g->attrs, tess_artefact_describe(to)));
    if (tess_attrs_text_or(tess_artefact_describe(to), "tokenizer", NULL))
        TESS_TRY(tess_attrs_set_text(ctx, tess_artefact_describe(to), "tokenizer", tokenizer));
    change_attrs(ctx, tess_artefact_describe(to), change, changes);
    for (int64_t i = 0; i < g->sets; i++) {
        const struct change *own = NULL;
        for (size_t k = 0; k < changes; k++)
            if (change[k].what % 3 == 2 && change[k].which % g->sets == i)
                own = &change[k];
        if (own && own->how == 255)
            continue;
        (void)!copy_set(ctx, &g->set[i], to, g->name[i], own);
    }
    return TESS_OK;
}

static int spoil(struct tess_context *ctx, const struct good *g, const char *path, const struct change *change, size_t changes)
{
    struct tess_artefact *to = NULL;
    TESS_TRY(tessi_store_artefact_create(ctx, path, g->kind, &to));
    int status = copy_all(ctx, g, to, change, changes);
    if (status == TESS_OK) {
        status = tessi_store_artefact_finish(ctx, to, &(struct tessi_provenance){.tool = "fuzz"}, NULL);
        to = NULL;
    }
    tessi_store_artefact_close(to);
    return status;
}

static void learn_tokenizer(void)
{
    struct tess_artefact *a = NULL;
    if (tessi_store_artefact_open(fuzz_call(), "tokenizer.h5", &a) == TESS_OK)
        snprintf(tokenizer, sizeof tokenizer, "%s", tess_tokenizer_digest(a));
    tessi_store_artefact_close(a);
}

static int read_good(struct tess_context *ctx, const char *path, struct good *g)
{
    struct tess_artefact *a = NULL;
    const char *name;
    TESS_TRY(tessi_store_artefact_open(ctx, path, &a));
    snprintf(g->kind, sizeof g->kind, "%s", tess_artefact_kind(a));
    int status = tessi_base_attrs_copy(ctx, tess_artefact_attrs(a), &g->attrs);
    for (int64_t i = 0; status == TESS_OK && g->sets < SETS && (name = tess_artefact_name_at(a, i)); i++) {
        struct tess_tensor *t = &g->set[g->sets];
        if (tess_artefact_shape(ctx, a, name, t) == TESS_OK && tess_artefact_load(ctx, a, name, t->dtype, t) == TESS_OK)
            snprintf(g->name[g->sets++], sizeof *g->name, "%s", name);
    }
    tessi_store_artefact_close(a);
    return status;
}

/* The artefact as it came, in a file kept aside and linked to where consumers read it. */
static int put_whole(int i, int first)
{
    char path[64], whole[64];
    snprintf(path, sizeof path, "%s.h5", stage[i]);
    snprintf(whole, sizeof whole, "whole-%s.h5", stage[i]);
    if (first && spoil(fuzz_call(), &good[i], whole, NULL, 0) != TESS_OK)
        return 0;
    (void)unlink(path);
    return link(whole, path) == 0;
}

static void make_good_ones(void)
{
    static int made;
    char path[64];
    if (made++)
        return;
    const struct tess_context *ctx = fuzz_call(); /* asked for again, its message would be gone */
    fuzz_enter_small();
    (void)fuzz_file("taken.yaml", (const uint8_t *)consumers, strlen(consumers));
    const char *const override[] = {"prior.steps=2", "tokenizer.steps=2", "samples=null", "decoded=null", "metrics=null", NULL};
    int fine = fuzz_pipeline("small.yaml", override, 1) == TESS_OK;
    for (int i = 0; i < STAGES && fine; i++) {
        snprintf(path, sizeof path, "runs/small/%s.h5", stage[i]);
        fine = read_good(fuzz_call(), path, &good[i]) == TESS_OK && put_whole(i, 1);
        if (i == TOKENIZER)
            learn_tokenizer();
    }
    if (!fine) {
        fprintf(stderr, "%s\n", tessi_base_context_message(ctx));
        abort();
    }
    forget("runs/.cache", 1);
}

/* Puts artefact `which`, spoiled, and whole ones where an input before left others: 0 where one cannot be written. Only those that are read
 * are looked at. Codes and priors name the tokenizer: with a spoiled one they are written again. */
static int put_all(int which, int reads, const struct change *change, size_t changes)
{
    static int spoiled[STAGES];
    char path[64], digest[sizeof tokenizer];
    memcpy(digest, tokenizer, sizeof digest);
    int ok = 1;
    for (int i = 0; i < STAGES; i++) {
        int otherwise = i == which || (which == TOKENIZER && i > TOKENIZER);
        snprintf(path, sizeof path, "%s.h5", stage[i]);
        if (!(reads & 1 << i) || (!otherwise && !spoiled[i]))
            continue;
        ok = ok && (otherwise ? spoil(fuzz_call(), &good[i], path, change, i == which ? changes : 0) == TESS_OK : put_whole(i, 0));
        spoiled[i] = otherwise;
        if (i == TOKENIZER && otherwise)
            learn_tokenizer();
    }
    memcpy(tokenizer, digest, sizeof digest);
    return ok;
}

int FUZZ_TARGET(artefact)(const uint8_t *data, size_t size)
{
    enum { MAX = 6 };
    struct change change[MAX];
    if (size < 2)
        return 0;
    int which = data[0] % STAGES, chosen = data[1] % CONSUMERS, n = 0;
    if (!(consumer[chosen].reads & 1 << which))
        return 0;
    make_good_ones();
    size_t changes = (size - 2) / 3 < MAX ? (size - 2) / 3 : MAX;
    memcpy(change, data + 2, changes * sizeof *change);
    const char *override[CONSUMERS + 1] = {NULL}; /* each consumer alone: the others are taken away */
    char away[CONSUMERS][32];
    for (int i = 0; i < CONSUMERS; i++)
        if (i != chosen) {
            snprintf(away[i], sizeof away[i], "%s=null", consumer[i].name);
            override[n++] = away[i];
        }
    if (put_all(which, consumer[chosen].reads, change, changes))
        (void)fuzz_pipeline("taken.yaml", override, 1);
    forget("runs/.cache", 0);
    forget("runs/taken", 0);
    return 0;
}
