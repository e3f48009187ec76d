/* Import of another program's checkpoint as a model: the file is read, identified, matched, and written as an artefact like one that was
 * trained here. Values pass one tensor at a time. SPDX-License-Identifier: MIT */
#include "core/base/attributes_private.h"
#include "core/exchange/exchange_private.h"
#include "core/store/store.h"
#include "core/graph/weight_store.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Digest of the file, computed before anything else is read from it, so that nothing can come from a file that was there earlier. */
static int digest_file(struct tess_context *ctx, struct tessi_import *m)
{
    struct tess_digest d;
    tess_digest_start(&d);
    struct tessi_witness *before = tessi_host_witness_set(ctx, &m->witness);
    int status = tess_digest_add_file(ctx, &d, m->x->from);
    (void)tessi_host_witness_set(ctx, before);
    tess_digest_end(&d, m->digest);
    return status;
}

static int import_model_open_tokenizer(struct tess_context *ctx, struct tessi_import *m)
{
    if (!m->x->tokenizer)
        return TESS_OK;
    TESS_TRY(tessi_store_artefact_open(ctx, m->x->tokenizer, &m->tokenizer));
    if (strcmp(tess_artefact_kind(m->tokenizer), "autoencoder") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s`, an autoencoder was wanted for --tokenizer", m->x->tokenizer,
                       tess_artefact_kind(m->tokenizer));
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, m->tokenizer));
    m->plan.tokenizer = tess_artefact_attrs(m->tokenizer);
    return TESS_OK;
}

static int import_model_list_entries(struct tess_context *ctx, struct tessi_import *m)
{
    const struct tess_format_1 *format = tess_instance_ops(m->format, "format/1");
    void *self = tess_instance_self(m->format), *memory;
    int64_t n = format->count(self);
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof *m->entry, "a list of tensors", &memory));
    m->entry = memory;
    for (int64_t i = 0; i < n; i++)
        m->entry[i] = *format->entry(self, i);
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof *m->plan.use, "a list of tensors", &memory));
    m->plan.use = memory;
    m->plan.entry = m->entry;
    m->plan.entries = n;
    return tessi_base_attrs_new(ctx, &m->plan.attrs);
}

/* Identifies the model in the file: the checkpoint's plugin plans the import from the entries' names. For a prior, adds the digest of the
 * tokenizer whose codes it models. */
static int import_model_tell(struct tess_context *ctx, struct tessi_import *m)
{
    const struct tess_checkpoint_1 *checkpoint = tess_instance_ops(m->checkpoint, "checkpoint/1");
    int status = checkpoint->plan_import(tess_instance_self(m->checkpoint), ctx, &m->plan);
    if (status != TESS_OK) {
        tess_prepend_message(ctx, "%s", m->x->from);
        return status;
    }
    if (!m->plan.kind || (strcmp(m->plan.kind, "autoencoder") != 0 && strcmp(m->plan.kind, "prior") != 0))
        return ctx->fail(ctx, TESS_E_PLUGIN, "checkpoint/%s: wanted a plan of an autoencoder or a prior, found `%.64s`",
                       tess_instance_name(m->checkpoint), m->plan.kind ? m->plan.kind : "");
    if (strcmp(m->plan.kind, "prior") != 0) {
        if (m->tokenizer)
            return ctx->fail(ctx, TESS_E_USAGE, "%s: is an autoencoder, and --tokenizer is for priors; leave it out", m->x->from);
        return TESS_OK;
    }
    if (!m->tokenizer)
        return ctx->fail(ctx, TESS_E_USAGE,
                       "%s: is a prior, which is of the codes of one tokenizer; import that first, and give it with --tokenizer",
                       m->x->from);
    return tess_attrs_set_text(ctx, m->plan.attrs, "tokenizer", tess_tokenizer_digest(m->tokenizer));
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static int check_finite(struct tess_context *ctx, const struct tessi_import *m, const struct tess_entry *e, const float *value, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!isfinite(value[i]))
            return ctx->fail(ctx, TESS_E_DATA,
                           "%s: `%s` has a value that is not finite; the model diverged, or its numbers are too large for f32",
                           m->x->from, e->name);
    return TESS_OK;
}

/* values in the checkpoint's layout and in ours: buffers for the largest weight */
static int write_weight(struct tess_context *ctx, struct tessi_import *m, int64_t i, float *there, float *here, struct tess_artefact *a)
{
    const struct tess_format_1 *format = tess_instance_ops(m->format, "format/1");
    char path[TESS_WEIGHT_PATH];
    struct tess_tensor shape;
    TESS_TRY(tess_weights_view(ctx, m->weights, i, TESS_ROLE_VALUE, &shape));
    TESS_TRY(format->read(tess_instance_self(m->format), ctx, m->source[i], there));
    TESS_TRY(check_finite(ctx, m, &m->entry[m->source[i]], there, tess_tensor_count(&shape)));
    tessi_exchange_layout_move(m->plan.use[m->source[i]].layout, &shape, 0, there, here);
    shape.data = here;
    tess_weights_path(tess_weights_name(m->weights, i), path, sizeof path);
    return tess_artefact_put(ctx, a, path, &shape, NULL);
}

static int write_weights(struct tess_context *ctx, struct tessi_import *m, struct tess_artefact *a)
{
    size_t max = 0;
    void *memory;
    for (int64_t i = 0; i < tess_weights_count(m->weights); i++) {
        struct tess_tensor shape;
        TESS_TRY(tess_weights_view(ctx, m->weights, i, TESS_ROLE_VALUE, &shape));
        max = tess_tensor_bytes(&shape) > max ? tess_tensor_bytes(&shape) : max;
    }
    TESS_TRY(tess_alloc(ctx, 2 * max + 1, "a weight", &memory));
    int status = TESS_OK;
    for (int64_t i = 0; i < tess_weights_count(m->weights) && status == TESS_OK; i++)
        status = write_weight(ctx, m, i, memory, (float *)memory + max / sizeof(float), a);
    tess_free(memory);
    return status == TESS_OK ? tess_artefact_put_metric(ctx, a, "parameters", (double)tess_weights_size(m->weights), "") : status;
}

static int write_artefact(struct tess_context *ctx, struct tessi_import *m, char digest[TESS_DIGEST_TEXT])
{
    struct tess_artefact *a = NULL;
    char plugins[512];
    const char *port[] = {"file", "tokenizer"}, *from[] = {m->digest, m->tokenizer ? tess_artefact_digest(m->tokenizer) : ""};
    const struct tessi_provenance about = {.plugin = tessi_exchange_plugins(m->checkpoint, m->format, plugins, sizeof plugins),
                                           .parameters = tess_instance_config_text(m->checkpoint),
                                           .tool = "tessera " PACKAGE_VERSION,
                                           .inputs = m->tokenizer ? 2 : 1,
                                           .input_port = port,
                                           .input_digest = from};
    TESS_TRY(tessi_store_artefact_create(ctx, m->x->to, m->plan.kind, &a));
    int status = tessi_base_attrs_copy(ctx, m->plan.attrs, tess_artefact_describe(a));
    if (status == TESS_OK)
        status = write_weights(ctx, m, a);
    if (status == TESS_OK)
        status = tessi_host_witness_check(ctx, &m->witness);
    if (status == TESS_OK)
        return tessi_store_artefact_finish(ctx, a, &about, digest);
    tessi_store_artefact_close(a);
    return status;
}

/* ---- the report ---------------------------------------------------------------------------------------------------- */

/* Tensors that are left, by reason, in the order of the file; of each reason their number and the first name. */
static void report_left(const struct tessi_import *m, FILE *to)
{
    const struct tess_import_use *use = m->plan.use;
    for (int64_t i = 0; i < m->plan.entries; i++) {
        int64_t n = 0, first = 0;
        if (*use[i].ours)
            continue;
        while (first < i && (*use[first].ours || strcmp(use[first].left, use[i].left) != 0))
            first++;
        if (first < i)
            continue;
        for (int64_t k = i; k < m->plan.entries; k++)
            n += !*use[k].ours && strcmp(use[k].left, use[i].left) == 0;
        fprintf(to, "  left      %lld: %s (%s%s)\n", (long long)n, use[i].left, m->entry[i].name, n > 1 ? " ..." : "");
    }
}

static void report_rounded(const struct tessi_import *m, FILE *to)
{
    int64_t n = 0;
    for (int64_t i = 0; i < m->plan.entries; i++)
        n += *m->plan.use[i].ours && strcmp(m->entry[i].dtype, "f64") == 0;
    if (n)
        fprintf(to, "  rounded   %lld, from f64 to f32\n", (long long)n);
}

static void import_model_report(const struct tessi_import *m, const char *digest, FILE *to)
{
    static const char *const part[] = {"encoder", "quantizer", "decoder", "critic", "noise", "denoiser"};
    const struct tess_attrs *f = m->plan.attrs;
    fprintf(to, "%s: %lld tensors (%s), SHA-256 %s\n", m->x->from, (long long)m->plan.entries, tess_instance_name(m->format), m->digest);
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        if (tess_attrs_text_or(f, part[i], NULL))
            fprintf(to, "  %-9s %s\n", part[i], tess_attrs_text_or(f, part[i], ""));
    fprintf(to, "  taken     %lld tensors, %lld parameters\n", (long long)tess_weights_count(m->weights),
            (long long)tess_weights_size(m->weights));
    report_left(m, to);
    report_rounded(m, to);
    if (*m->plan.assumed)
        fprintf(to, "  assumed   %s\n", m->plan.assumed);
    fprintf(to, "%s: the model, of kind `%s`, content %.12s\n", m->x->to, m->plan.kind, digest);
}

static int import_model_import(struct tess_context *ctx, struct tessi_import *m)
{
    char digest[TESS_DIGEST_TEXT];
    TESS_TRY(tessi_exchange_checkpoint_open(ctx, m->x, &m->checkpoint));
    TESS_TRY(import_model_open_tokenizer(ctx, m));
    TESS_TRY(digest_file(ctx, m));
    TESS_TRY(tessi_exchange_format_read(ctx, m->x->from, &m->format));
    TESS_TRY(import_model_list_entries(ctx, m));
    TESS_TRY(import_model_tell(ctx, m));
    TESS_TRY(tessi_exchange_import_match(ctx, m));
    TESS_TRY(write_artefact(ctx, m, digest));
    if (m->x->report)
        import_model_report(m, digest, m->x->report);
    return TESS_OK;
}

int tessi_exchange_import_model(struct tess_context *ctx, const struct tessi_exchange *x)
{
    struct tessi_import m = {.x = x, .plan.size = sizeof m.plan};
    int status = import_model_import(ctx, &m);
    tess_graph_free(m.graph);
    tess_weights_free(m.weights);
    tess_tokenizer_close(&m.autoencoder);
    tess_prior_close(&m.prior);
    tess_instance_close(m.critic);
    tessi_base_attrs_free(m.plan.attrs);
    tess_free(m.plan.use);
    tess_free(m.entry);
    tess_free(m.source);
    tessi_host_witness_free(&m.witness);
    tessi_store_artefact_close(m.tokenizer);
    tess_instance_close(m.format);
    tess_instance_close(m.checkpoint);
    return status;
}
