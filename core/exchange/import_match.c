/* A file's tensors against a model's weights. The checkpoint's plugin says from the names which model it must be; the model is then
 * recorded by its own plugins, which so declare every weight they need; and each of those must be there, in its shape. So what an
 * imported model is does not depend on how well a list of names was written down. SPDX-License-Identifier: MIT */
#include "core/exchange/exchange_private.h"

#include <tessera/kind/critic.h>

#include <stdio.h>
#include <string.h>

/* Fails when there are tensors that the checkpoint's plugin does not know, with the names of the first three. */
static int import_match_check_mask(struct tess_context *ctx, const struct tessi_import *m)
{
    const char *name[3] = {NULL};
    int64_t n = 0;
    for (int64_t i = 0; i < m->plan.entries; i++)
        if (!*m->plan.use[i].ours && !m->plan.use[i].left) {
            if (n < 3)
                name[n] = m->plan.entry[i].name;
            n++;
        }
    if (n == 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA, "%s: %lld tensors are none of %s: `%s`%s%s%s%s%s; is the file of another architecture?", m->x->from,
                   (long long)n, tess_instance_name(m->checkpoint), name[0], n > 1 ? ", `" : "", n > 1 ? name[1] : "", n > 2 ? "`, `" : "",
                   n > 2 ? name[2] : "", n > 1 ? "`" : "");
}

/* Completes the attributes: they say every parameter of the parts, as those of a model that was trained here do. */
static int import_match_complete(struct tess_context *ctx, struct tess_attrs *f, const char *name, const struct tess_instance *part)
{
    return tess_attrs_set_text(ctx, f, name, tess_instance_config_text(part));
}

/* Records a critic for images of the autoencoder's size, so that training can continue with it. */
static int record_critic(struct tess_context *ctx, struct tessi_import *m)
{
    struct tess_attrs *f = m->plan.attrs;
    const char *config_text = tess_attrs_text_or(f, "critic", NULL);
    const struct tess_tokenizer *t = &m->autoencoder;
    struct tess_node *logits = NULL;
    if (!config_text)
        return TESS_OK;
    TESS_TRY(tess_instance_open(ctx, "critic/1", config_text, m->x->from, &m->critic));
    TESS_TRY(import_match_complete(ctx, f, "critic", m->critic));
    const struct tess_critic_1 *critic = tess_instance_ops(m->critic, "critic/1");
    struct tess_node *image = tess_constant(m->graph, 0.0f, 4, (const int64_t[]){1, t->height, t->width, t->channels});
    tess_scope(m->graph, "critic");
    TESS_TRY(critic->record(tess_instance_self(m->critic), ctx, m->graph, image, &logits));
    tess_scope_end(m->graph);
    tess_output(m->graph, "critic", logits);
    return TESS_OK;
}

/* A quantizer may have weights for its training alone, such as sums of moving averages: where the file has them, it is recorded as in
 * training, which declares them. */
static int record_training(struct tess_context *ctx, struct tessi_import *m)
{
    const struct tess_tokenizer *t = &m->autoencoder;
    int wanted = 0;
    for (int64_t i = 0; i < m->plan.entries; i++)
        wanted |= strncmp(m->plan.use[i].ours, "quantizer.", 10) == 0 && tess_weights_index(m->weights, m->plan.use[i].ours) < 0;
    if (!wanted)
        return TESS_OK;
    const struct tess_quantizer_1 *quantizer = tess_instance_ops(t->quantizer, "quantizer/1");
    struct tess_quantized out = {.size = sizeof out};
    struct tess_node *latent = tess_constant(
        m->graph, 0.0f, 4, (const int64_t[]){1, t->latent_height, t->latent_width, quantizer->code_dim(tess_instance_self(t->quantizer))});
    tess_scope(m->graph, "quantizer");
    TESS_TRY(quantizer->record(tess_instance_self(t->quantizer), ctx, m->graph, latent, &out));
    tess_scope_end(m->graph);
    tess_output(m->graph, "trained", out.quantised);
    return TESS_OK;
}

static int import_match_record(struct tess_context *ctx, struct tessi_import *m)
{
    struct tess_attrs *f = m->plan.attrs;
    struct tess_graph_options o = {.size = sizeof o, .microbatch = 1, .microbatches = 1};
    TESS_TRY(tess_weights_new(ctx, 0, &m->weights));
    TESS_TRY(tess_graph_new(ctx, m->weights, &o, &m->graph));
    if (strcmp(m->plan.kind, "prior") == 0) {
        m->prior.size = sizeof m->prior;
        TESS_TRY(tess_prior_open(ctx, f, m->x->from, &m->prior));
        TESS_TRY(import_match_complete(ctx, f, "noise", m->prior.noise));
        TESS_TRY(import_match_complete(ctx, f, "denoiser", m->prior.denoiser));
        return tess_prior_record_denoise(ctx, &m->prior, m->graph);
    }
    m->autoencoder.size = sizeof m->autoencoder;
    TESS_TRY(tess_tokenizer_open(ctx, f, m->x->from, &m->autoencoder));
    TESS_TRY(import_match_complete(ctx, f, "encoder", m->autoencoder.encoder));
    TESS_TRY(import_match_complete(ctx, f, "quantizer", m->autoencoder.quantizer));
    TESS_TRY(import_match_complete(ctx, f, "decoder", m->autoencoder.decoder));
    TESS_TRY(tess_tokenizer_record_encode(ctx, &m->autoencoder, m->graph));
    TESS_TRY(tess_tokenizer_has_likelihood(f) ? tess_tokenizer_record_likelihood(ctx, &m->autoencoder, m->graph)
                                              : tess_tokenizer_record_decode(ctx, &m->autoencoder, m->graph));
    TESS_TRY(record_training(ctx, m));
    return record_critic(ctx, m);
}

/* Recording is quiet about failures until a graph is sealed. That plans a run which nobody wants here, but it is the graph that knows
 * whether shapes fit. */
static int import_match_seal(struct tess_context *ctx, struct tessi_import *m)
{
    struct tessi_runtime *runtime;
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    TESS_TRY(tessi_host_runtime_compute(ctx, runtime));
    return tess_graph_seal(ctx, m->graph);
}

static int import_match_match_entry(struct tess_context *ctx, struct tessi_import *m, int64_t i)
{
    const struct tess_entry *e = &m->plan.entry[i];
    const struct tess_import_use *use = &m->plan.use[i];
    int64_t w = tess_weights_index(m->weights, use->ours);
    char found[160], wanted[160];
    struct tess_tensor shape;
    if (w < 0)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: `%s` is more than the model has, which the other names make it; the file contradicts itself", m->x->from,
                         e->name);
    if (m->source[w] >= 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` and `%s` are the same weight", m->x->from, m->plan.entry[m->source[w]].name, e->name);
    if (!e->is_real)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is %s, and weights are real numbers: f32, f16, bf16 or f64", m->x->from, e->name,
                       tessi_exchange_entry_text(e, found, sizeof found));
    TESS_TRY(tess_weights_view(ctx, m->weights, w, TESS_ROLE_VALUE, &shape));
    shape.data = NULL;
    if (!tessi_exchange_layout_fits(use->layout, e->rank, e->dim, &shape))
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is %s, which does not fit %s of the model, %s", m->x->from, e->name,
                       tessi_exchange_entry_text(e, found, sizeof found), use->ours, tess_tensor_text(&shape, wanted, sizeof wanted));
    m->source[w] = i;
    return TESS_OK;
}

static int import_match_check_whole(struct tess_context *ctx, const struct tessi_import *m)
{
    int64_t missing = 0, first = -1;
    for (int64_t i = tess_weights_count(m->weights) - 1; i >= 0; i--)
        if (m->source[i] < 0) {
            missing++;
            first = i;
        }
    if (missing == 0)
        return TESS_OK;
    return ctx->fail(ctx, TESS_E_DATA,
                   "%s: lacks %lld of the model's weights, the first of them %s; it is incomplete, or of another architecture",
                   m->x->from, (long long)missing, tess_weights_name(m->weights, first));
}

int tessi_exchange_import_match(struct tess_context *ctx, struct tessi_import *m)
{
    void *memory;
    TESS_TRY(import_match_check_mask(ctx, m));
    TESS_TRY(import_match_record(ctx, m));
    TESS_TRY(import_match_seal(ctx, m));
    int64_t n = tess_weights_count(m->weights);
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof *m->source, "a list of weights", &memory));
    m->source = memory;
    for (int64_t i = 0; i < n; i++)
        m->source[i] = -1;
    for (int64_t i = 0; i < m->plan.entries; i++)
        if (*m->plan.use[i].ours)
            TESS_TRY(import_match_match_entry(ctx, m, i));
    return import_match_check_whole(ctx, m);
}

int64_t tessi_exchange_import_entry(const struct tessi_import *m, int64_t i)
{
    int64_t average = m->x->as_trained ? -1 : m->names.average[i];
    return average >= 0 ? average : m->names.source[i];
}
