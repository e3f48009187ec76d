/* See checkpoint_model.h. SPDX-License-Identifier: MIT */
#include "tests/support/checkpoint_model.h"

#include "core/base/attributes_private.h"
#include "tests/support/paths.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct model {
    struct tess_artefact *artefact;
    struct tess_tokenizer tokenizer;
    struct tess_prior prior;
    struct tess_weights *weights;
    struct tess_graph *graph;
};

/* A graph of `rows` over the artefact's weights, recorded by one of the three ways and sealed. */
static void open_model(struct model *m, const char *path, int logit_graph, int64_t rows)
{
    struct tess_graph_options o = {.size = sizeof o, .microbatch = rows, .microbatches = 1};
    memset(m, 0, sizeof *m);
    fixture_ok(&fixture, tessi_host_runtime_compute(C, fixture.runtime));
    fixture_ok(&fixture, tessi_store_artefact_open(C, path, &m->artefact));
    const struct tess_attrs *f = tess_artefact_attrs(m->artefact);
    fixture_ok(&fixture, tess_weights_new(C, 0, &m->weights));
    fixture_ok(&fixture, tess_graph_new(C, m->weights, &o, &m->graph));
    if (logit_graph == CHECKPOINT_DENOISE) {
        m->prior.size = sizeof m->prior;
        fixture_ok(&fixture, tess_prior_open(C, f, path, &m->prior));
        fixture_ok(&fixture, tess_prior_record_denoise(C, &m->prior, m->graph));
    } else {
        m->tokenizer.size = sizeof m->tokenizer;
        fixture_ok(&fixture, tess_tokenizer_open(C, f, path, &m->tokenizer));
        fixture_ok(&fixture, logit_graph == CHECKPOINT_ENCODE ? tess_tokenizer_record_encode(C, &m->tokenizer, m->graph)
                                                  : tess_tokenizer_record_decode(C, &m->tokenizer, m->graph));
    }
    fixture_ok(&fixture, tess_graph_seal(C, m->graph));
    fixture_ok(&fixture, tess_weights_read(C, m->weights, m->artefact));
}

static void run_model(struct model *m, int32_t inputs, const struct tess_tensor *in, struct tess_tensor *out)
{
    struct tess_batch b = {.size = sizeof b, .samples = in->dim[0], .inputs = inputs, .in = in, .outputs = 1, .out = out};
    fixture_ok(&fixture, tess_graph_run(C, m->graph, &b));
    tess_graph_free(m->graph);
    tess_weights_free(m->weights);
    tess_tokenizer_close(&m->tokenizer);
    tess_prior_close(&m->prior);
    tessi_store_artefact_close(m->artefact);
}

static void *result_of(const char *path, int logit_graph, int32_t inputs, const struct tess_tensor *in, const struct tess_tensor *want)
{
    struct model m;
    struct tess_tensor out = *want;
    out.data = calloc(1, tess_tensor_bytes(want));
    ck_assert_ptr_nonnull(out.data);
    open_model(&m, path, logit_graph, in->dim[0]);
    run_model(&m, inputs, in, &out);
    return out.data;
}

void *checkpoint_result(const char *path, int logit_graph, const struct tess_tensor *in, const struct tess_tensor *want)
{
    return result_of(path, logit_graph, 1, in, want);
}

struct tess_tensor checkpoint_bytes(const struct golden *g, const char *path)
{
    struct tess_tensor wide = golden_read(g, path, TESS_I32), bytes = wide;
    bytes.dtype = TESS_U8;
    for (int64_t i = 0; i < tess_tensor_count(&wide); i++)
        ((uint8_t *)bytes.data)[i] = (uint8_t)((int32_t *)wide.data)[i];
    return bytes;
}

void checkpoint_check_tokenizer(const char *golden_name, const char *path)
{
    struct golden *golden = golden_open(golden_name);
    struct tess_tensor bytes = checkpoint_bytes(golden, "bytes"), codes = golden_read(golden, "codes", TESS_I32);
    struct tess_tensor image = golden_read(golden, "image", TESS_F32);
    int32_t *coded = checkpoint_result(path, CHECKPOINT_ENCODE, &bytes, &codes);
    ck_assert_int_eq(memcmp(coded, codes.data, tess_tensor_bytes(&codes)), 0);
    float *decoded = checkpoint_result(path, CHECKPOINT_DECODE, &codes, &image);
    golden_near("image", decoded, &image, 1e-4, 0.0);
    free(coded);
    free(decoded);
    free(bytes.data);
    free(codes.data);
    free(image.data);
    golden_close(golden);
}

void checkpoint_check_prior(const char *golden_name, const char *path)
{
    struct golden *golden = golden_open(golden_name);
    struct tess_tensor in[3] = {golden_read(golden, "tokens", TESS_I32)}, logits = golden_read(golden, "logits", TESS_F32);
    int32_t inputs = 1;
    if (golden_has(golden, "time"))
        in[inputs++] = golden_read(golden, "time", TESS_F32);
    if (golden_has(golden, "label"))
        in[inputs++] = golden_read(golden, "label", TESS_I32);
    float *computed = result_of(path, CHECKPOINT_DENOISE, inputs, in, &logits);
    golden_near("logits", computed, &logits, 1e-4, 0.0);
    free(computed);
    for (int32_t i = 0; i < inputs; i++)
        free(in[i].data);
    free(logits.data);
    golden_close(golden);
}

static int64_t entry_named(const struct tess_format_1 *f, void *self, const char *name)
{
    for (int64_t i = 0; i < f->count(self); i++)
        if (strcmp(f->entry(self, i)->name, name) == 0)
            return i;
    return -1;
}

static float *read_values(const struct tess_format_1 *f, void *self, int64_t i, size_t *bytes)
{
    const struct tess_entry *e = f->entry(self, i);
    *bytes = sizeof(float);
    for (int32_t d = 0; d < e->rank; d++)
        *bytes *= (size_t)e->dim[d];
    float *value = malloc(*bytes);
    ck_assert_ptr_nonnull(value);
    fixture_ok(&fixture, f->read(self, C, i, value));
    return value;
}

int64_t checkpoint_same_tensors(const char *ours, const char *theirs)
{
    struct tess_instance *a, *b;
    fixture_ok(&fixture, tessi_exchange_format_read(C, ours, "", &a));
    fixture_ok(&fixture, tessi_exchange_format_read(C, theirs, "", &b));
    const struct tess_format_1 *fa = tess_instance_ops(a, "format/1"), *fb = tess_instance_ops(b, "format/1");
    int64_t n = fa->count(tess_instance_self(a));
    for (int64_t i = 0; i < n; i++) {
        const struct tess_entry *e = fa->entry(tess_instance_self(a), i);
        int64_t k = entry_named(fb, tess_instance_self(b), e->name);
        size_t bytes, other;
        ck_assert_msg(k >= 0, "%s has no `%s`", theirs, e->name);
        const struct tess_entry *t = fb->entry(tess_instance_self(b), k);
        ck_assert_int_eq(e->rank, t->rank);
        ck_assert_int_eq(memcmp(e->dim, t->dim, sizeof e->dim), 0);
        float *x = read_values(fa, tess_instance_self(a), i, &bytes), *y = read_values(fb, tess_instance_self(b), k, &other);
        ck_assert_uint_eq(bytes, other);
        ck_assert_msg(memcmp(x, y, bytes) == 0, "`%s` has other bits", e->name);
        free(x);
        free(y);
    }
    tess_instance_close(a);
    tess_instance_close(b);
    return n;
}

void checkpoint_same_content(const char *path, const char *other)
{
    struct tess_artefact *a, *b;
    fixture_ok(&fixture, tessi_store_artefact_open(C, path, &a));
    fixture_ok(&fixture, tessi_store_artefact_open(C, other, &b));
    ck_assert_str_eq(tess_artefact_digest(a), tess_artefact_digest(b));
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
}

void list_add(struct tensor_list *l, const char *name, const char *dtype, int32_t rank, const int64_t *dim)
{
    struct tess_entry *e = &l->entry[l->n];
    ck_assert_int_lt(l->n, 1024);
    snprintf(l->name[l->n], sizeof l->name[0], "%s", name);
    *e = (struct tess_entry){.name = l->name[l->n++], .dtype = dtype, .is_real = dtype[0] != 'i', .rank = rank};
    if (rank > 0)
        memcpy(e->dim, dim, (size_t)rank * sizeof *dim);
}

void list_read(struct tensor_list *l, const char *path)
{
    struct tess_instance *i;
    fixture_ok(&fixture, tessi_exchange_format_read(C, path, "", &i));
    const struct tess_format_1 *f = tess_instance_ops(i, "format/1");
    for (int64_t k = 0; k < f->count(tess_instance_self(i)); k++) {
        const struct tess_entry *e = f->entry(tess_instance_self(i), k);
        list_add(l, e->name, e->is_real ? "f32" : "i64", e->rank, e->dim);
    }
    tess_instance_close(i);
}

struct tess_entry *list_named(struct tensor_list *l, const char *name)
{
    for (int64_t i = 0; i < l->n; i++)
        if (strcmp(l->name[i], name) == 0)
            return &l->entry[i];
    ck_abort_msg("there is no `%s`", name);
    return NULL;
}

void list_drop(struct tensor_list *l, const char *word)
{
    int64_t n = 0;
    for (int64_t i = 0; i < l->n; i++) {
        if (strstr(l->name[i], word))
            continue;
        memmove(l->name[n], l->name[i], sizeof l->name[0]);
        l->entry[n] = l->entry[i];
        l->entry[n].name = l->name[n];
        n++;
    }
    ck_assert_int_lt(n, l->n);
    l->n = n;
}

int list_match(struct tensor_list *l, const char *as, const struct tess_attrs *tokenizer, const char *const *parameter, int64_t parameters,
               struct matched *k)
{
    memset(k, 0, sizeof *k);
    k->x = (struct tessi_exchange){.from = "list", .as = as, .parameter = parameter, .parameters = parameters};
    k->m = (struct tessi_import){.x = &k->x};
    k->m.plan = (struct tess_import_plan){.size = sizeof k->m.plan, .entries = l->n, .entry = l->entry, .tokenizer = tokenizer};
    fixture_ok(&fixture, tessi_exchange_checkpoint_open(C, &k->x, &k->m.checkpoint));
    fixture_ok(&fixture, tessi_base_attrs_new(C, &k->m.plan.attrs));
    k->m.plan.use = calloc((size_t)l->n, sizeof *k->m.plan.use);
    const struct tess_checkpoint_1 *ops = tess_instance_ops(k->m.checkpoint, "checkpoint/1");
    int status = ops->plan_import(tess_instance_self(k->m.checkpoint), C, &k->m.plan);
    return status == TESS_OK ? tessi_exchange_import_match(C, &k->m) : status;
}

void list_match_close(struct matched *k)
{
    tess_graph_free(k->m.graph);
    tess_weights_free(k->m.weights);
    tess_tokenizer_close(&k->m.autoencoder);
    tess_prior_close(&k->m.prior);
    tess_instance_close(k->m.critic);
    tessi_base_attrs_free(k->m.plan.attrs);
    free(k->m.plan.use);
    tess_free(k->m.source);
    tess_instance_close(k->m.checkpoint);
}

void list_read_published(struct tensor_list *l, const char *title)
{
    char line[256];
    int inside = 0;
    FILE *f = fopen(TEST_CHECKPOINTS "/published.txt", "r");
    ck_assert_ptr_nonnull(f);
    while (fgets(line, sizeof line, f)) {
        char *next, *name = strtok_r(line, " \n", &next);
        int64_t dim[4];
        int32_t rank = 0;
        for (char *at; rank < 4 && (at = strtok_r(NULL, " \n", &next));)
            dim[rank++] = strtoll(at, NULL, 10);
        if (!rank && !strchr(name, '.'))
            inside = strcmp(name, title) == 0;
        else if (inside)
            list_add(l, name, strstr(name, "num_batches") ? "i64" : "f32", rank, dim);
    }
    fclose(f);
}

void list_check_back(const struct tensor_list *l, const struct matched *k)
{
    const struct tess_checkpoint_1 *ops = tess_instance_ops(k->m.checkpoint, "checkpoint/1");
    int64_t n = tess_weights_count(k->m.weights);
    struct tess_export_plan p = {.size = sizeof p, .kind = k->m.plan.kind, .attrs = k->m.plan.attrs, .weights = n};
    p.weight = calloc((size_t)n, sizeof *p.weight);
    ck_assert_ptr_nonnull(p.weight);
    for (int64_t i = 0; i < n; i++) {
        p.weight[i].ours = tess_weights_name(k->m.weights, i);
        fixture_ok(&fixture, tess_weights_view(C, k->m.weights, i, TESS_ROLE_VALUE, &p.weight[i].shape));
    }
    fixture_ok(&fixture, ops->plan_export(tess_instance_self(k->m.checkpoint), C, &p));
    for (int64_t i = 0; i < n; i++) {
        const struct tess_entry *e = &l->entry[k->m.source[i]];
        const char *within = strncmp(e->name, "loss.", 5) == 0 && strcmp(k->x.as, "vq-ddm") == 0 ? e->name + 5 : e->name;
        ck_assert_str_eq(p.weight[i].theirs, within); /* the class that retrains has no loss around its critic */
        ck_assert_int_eq(p.weight[i].rank, e->rank);
        ck_assert_int_eq(memcmp(p.weight[i].dim, e->dim, (size_t)e->rank * sizeof *e->dim), 0);
    }
    free(p.weight);
}

void checkpoint_same_text(const struct tess_artefact *a, const char *attr, const char *wanted)
{
    ck_assert_str_eq(tess_attrs_text_or(tess_artefact_attrs(a), attr, ""), wanted);
}
