/* See report_fixture.h. SPDX-License-Identifier: MIT */
#include "tests/support/report_fixture.h"

#include "core/base/files.h"
#include "core/base/memory.h"
#include "core/store/store.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char folders[] = "/tmp/tessera-report-XXXXXX";
static char folder[sizeof folders];
static struct tessi_context context;
#define CTX (&context.context)

static void ok(int status)
{
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(CTX));
}

void report_start(void)
{
    memcpy(folder, folders, sizeof folder);
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    tessi_base_context_init(&context, NULL);
}

void report_end(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
}

void report_write(const char *path, const char *text)
{
    char place[512];
    const char *slash = strrchr(path, '/');
    (void)snprintf(place, sizeof place, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    ok(tessi_base_make_folder(CTX, place));
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    ck_assert_int_eq(fclose(f), 0);
}

/* Artefact of a stage, with one number as its content. */
static void make_stage(const struct report_made *m, const char *stage, const char *kind, int number, struct tessi_provenance *p,
                       char digest[65])
{
    char path[512];
    int32_t value = number;
    uint8_t shade[4] = {(uint8_t)m->seed, 1, 2, 3};
    struct tess_artefact *a;
    const struct tess_tensor t = tess_tensor_over(&value, TESS_I32, 1, (const int64_t[]){1});
    const struct tess_tensor picture = tess_tensor_over(shade, TESS_U8, 3, (const int64_t[]){2, 2, 1});
    (void)snprintf(path, sizeof path, "%s/%s.h5", m->folder, stage);
    ok(tessi_store_artefact_create(CTX, path, kind, &a));
    ok(tess_artefact_put(CTX, a, "value", &t, NULL));
    ok(tess_attrs_set_i64(CTX, tess_artefact_describe(a), "images", 10));
    int measures = strcmp(stage, "metrics") == 0;
    for (int64_t i = 0; measures && i < m->metrics; i++)
        ok(tess_artefact_put_metric_value(CTX, a,
                                          &(struct tess_metric_value){.size = sizeof(struct tess_metric_value),
                                                                      .better = m->metric[i].better,
                                                                      .name = m->metric[i].name,
                                                                      .unit = m->metric[i].unit,
                                                                      .value = m->metric[i].value,
                                                                      .standard_error = m->metric[i].standard_error,
                                                                      .low = 1.0,
                                                                      .high = 0.0}));
    if (strcmp(stage, "tokenizer") == 0)
        ok(tess_artefact_put_metric(CTX, a, "parameters", 1000.0 * (double)m->codebook_size, ""));
    if (measures && m->picture)
        ok(tess_artefact_put_picture(CTX, a, "reconstructions", &picture));
    p->stage = stage;
    p->tool = "tessera 0.1.0";
    p->numeric_mode = "f32";
    p->epoch = 1;
    ok(tessi_store_artefact_finish(CTX, a, p, digest));
}

static void make_resolved(const struct report_made *m)
{
    char path[512], text[2048];
    const char *name = strncmp(m->folder, "runs/", 5) == 0 ? m->folder + 5 : m->folder;
    (void)snprintf(path, sizeof path, "%s/resolved.yaml", m->folder);
    (void)snprintf(text, sizeof text,
                   "tessera: 1\nname: \"%s\"\nseed: %lld\nbackend: plain\nprecision: f32\nstages:\n"
                   "  images:\n    use: import\n    source: {use: idx, images: \"%s\"}\n    limit: 0\n"
                   "  tokenizer:\n    use: train-autoencoder\n    in: {images: images}\n    steps: 100\n"
                   "    quantizer: {use: %s, codebook_size: %lld%s}\n"
                   "  metrics:\n    use: evaluate\n    in: {images: images, model: tokenizer}\n    limit: %lld\n    batch: 64\n",
                   name, (long long)m->seed, m->images, m->quantizer, (long long)m->codebook_size,
                   strcmp(m->quantizer, "ema") == 0 ? ", decay: 0.99" : "", (long long)m->limit);
    report_write(path, text);
}

static int number_of(const char *text)
{
    int n = 7;
    for (; *text; text++)
        n = (n * 31 + *text) & 0xffffff;
    return n;
}

void report_make(const struct report_made *made)
{
    struct report_made m = *made;
    char images[65], model[65], text[200];
    const char *const ports[] = {"images", "model"}, *const digests[] = {images, model};
    m.quantizer = m.quantizer ? m.quantizer : "ema";
    m.codebook_size = m.codebook_size ? m.codebook_size : 64;
    m.seed = m.seed ? m.seed : 1;
    m.images = m.images ? m.images : "mnist";
    m.plugin = m.plugin ? m.plugin : "stage/1 evaluate, tessera-evaluate 0.1.0";
    make_resolved(&m);
    make_stage(&m, "images", "images", number_of(m.images),
               &(struct tessi_provenance){
                   .key = "00", .plugin = "stage/1 import, tessera-import 0.3.0", .parameters = "{limit: 0}", .files = m.files},
               images);
    (void)snprintf(text, sizeof text, "{use: train-autoencoder, steps: 100, quantizer: {use: %s, codebook_size: %lld}}", m.quantizer,
                   (long long)m.codebook_size);
    make_stage(&m, "tokenizer", "autoencoder", number_of(text) + (int)m.seed,
               &(struct tessi_provenance){.key = "11",
                                          .plugin = "stage/1 train-autoencoder, tessera-train-autoencoder 0.4.0",
                                          .parameters = text,
                                          .seed = (uint64_t)m.seed,
                                          .warning = m.warning,
                                          .inputs = 1,
                                          .input_port = ports,
                                          .input_digest = digests},
               model);
    (void)snprintf(text, sizeof text, "{use: evaluate, limit: %lld, batch: 64}", (long long)m.limit);
    make_stage(&m, "metrics", "metrics", 1,
               &(struct tessi_provenance){
                   .key = "22", .plugin = m.plugin, .parameters = text, .inputs = 2, .input_port = ports, .input_digest = digests},
               NULL);
}

static const char *const quantizers[] = {"nearest", "ema"};
static const int sizes[] = {64, 256};

static void variant_name(int seeds, int i, char *text, size_t capacity)
{
    (void)snprintf(text, capacity, "quantizer=%s,K=%d,seed=%d", quantizers[i / (2 * seeds)], sizes[i / seeds % 2], i % seeds + 1);
}

const char *report_variant(const char *name, int seeds, int i)
{
    static char text[512];
    char variant[100];
    variant_name(seeds, i, variant, sizeof variant);
    (void)snprintf(text, sizeof text, "runs/%s/%s", name, variant);
    return text;
}

void report_make_sweep(const char *name, int seeds)
{
    char path[300], variant[100], *text = NULL;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(to);
    fprintf(to, "pipeline: \"/somewhere/p.yaml\"\noverrides: [\"tokenizer.steps=100\"]\naxes:\n"
                "  - {name: \"quantizer\", values: [\"nearest\", \"ema\"]}\n  - {name: \"K\", values: [\"64\", \"256\"]}\n"
                "  - {name: \"seed\", values: [");
    for (int i = 1; i <= seeds; i++)
        fprintf(to, "%s\"%d\"", i > 1 ? ", " : "", i);
    fprintf(to, "]}\nseed_axis: \"seed\"\nvariants:\n");
    for (int i = 0; i < 4 * seeds; i++) {
        variant_name(seeds, i, variant, sizeof variant);
        fprintf(to, "  - {name: \"%s\", values: {quantizer: \"%s\", K: \"%d\", seed: \"%d\"}, set: [\"K=%d\"]}\n", variant,
                quantizers[i / (2 * seeds)], sizes[i / seeds % 2], i % seeds + 1, sizes[i / seeds % 2]);
    }
    fprintf(to, "excluded: []\nduplicates: []\n");
    ck_assert_int_eq(fclose(to), 0);
    (void)snprintf(path, sizeof path, "runs/%s/sweep.yaml", name);
    report_write(path, text);
    free(text);
}

void report_collect(struct tess_context *ctx, struct tessi_report_set *set, int64_t n, const char *const *paths)
{
    int status = tessi_report_collect(ctx, paths, n, set);
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(ctx));
}
