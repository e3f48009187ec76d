/* A prior from an artefact's facts, and its two graphs. SPDX-License-Identifier: MIT */
#include <tessera/model.h>

#include <stdio.h>
#include <string.h>

static int open_all(struct tess_call *c, const struct tess_facts *f, const char *where, struct tess_prior *p)
{
    const char *spec;
    char place[600];
    TESS_TRY(tess_facts_i64(c, f, "codebook_size", &p->codebook_size));
    TESS_TRY(tess_facts_i64(c, f, "height", &p->height));
    TESS_TRY(tess_facts_i64(c, f, "width", &p->width));
    TESS_TRY(tess_facts_text(c, f, "noise", &spec));
    snprintf(place, sizeof place, "%s: noise", where);
    TESS_TRY(tess_instance_open(c, "noise/1", spec, place, &p->noise));
    TESS_TRY(tess_facts_text(c, f, "denoiser", &spec));
    snprintf(place, sizeof place, "%s: denoiser", where);
    return tess_instance_open(c, "denoiser/1", spec, place, &p->denoiser);
}

int tess_prior_open(struct tess_call *c, const struct tess_facts *f, const char *where, struct tess_prior *out)
{
    memset(out, 0, sizeof *out);
    int status = open_all(c, f, where, out);
    if (status != TESS_OK)
        tess_prior_close(out);
    return status;
}

void tess_prior_close(struct tess_prior *p)
{
    tess_instance_close(p->noise);
    tess_instance_close(p->denoiser);
    p->noise = p->denoiser = NULL;
}

/* tokens (rows, L), time (rows) or NULL, positions (rows, P) or NULL -> logits (rows, P or L, K), under the scope "denoiser". */
static int record_logits(struct tess_call *c, const struct tess_prior *p, struct tess_graph *g, struct tess_node *tokens,
                         struct tess_node *time, struct tess_node *positions, struct tess_node **logits)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    const struct tess_denoiser_1 *denoiser = tess_instance_ops(p->denoiser, "denoiser/1");
    struct tess_denoiser_input in = {.size = sizeof in,
                                     .tokens = tokens,
                                     .time = noise->needs_time ? time : NULL,
                                     .vocabulary = noise->vocabulary(tess_instance_self(p->noise), p->codebook_size),
                                     .codes = p->codebook_size,
                                     .height = p->height,
                                     .width = p->width,
                                     .positions = positions};
    tess_scope(g, "denoiser");
    TESS_TRY(denoiser->record(tess_instance_self(p->denoiser), c, g, &in, logits));
    tess_scope_end(g);
    return TESS_OK;
}

/* positions 0: of all tokens. */
static int record_denoise(struct tess_call *c, const struct tess_prior *p, int64_t positions, struct tess_graph *g)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    int64_t rows = tess_graph_rows(g);
    struct tess_node *tokens = tess_input(g, "tokens", TESS_I32, 2, (const int64_t[]){rows, p->height * p->width}), *logits = NULL;
    struct tess_node *time = noise->needs_time ? tess_input(g, "time", TESS_F32, 1, &rows) : NULL;
    struct tess_node *picked = positions ? tess_input(g, "positions", TESS_I32, 2, (const int64_t[]){rows, positions}) : NULL;
    TESS_TRY(record_logits(c, p, g, tokens, time, picked, &logits));
    tess_output(g, "logits", logits);
    return TESS_OK;
}

int tess_prior_record_denoise(struct tess_call *c, const struct tess_prior *p, struct tess_graph *g)
{
    return record_denoise(c, p, 0, g);
}

int tess_prior_record_picked(struct tess_call *c, const struct tess_prior *p, int64_t positions, struct tess_graph *g)
{
    if (positions < 1 || positions > p->height * p->width || !tess_prior_picks(p))
        return c->fail(c, TESS_E_INTERNAL, "logits of %lld of %lld tokens, of a noise and a denoiser that %s", (long long)positions,
                       (long long)(p->height * p->width), tess_prior_picks(p) ? "can be asked for 1 to all" : "know of all tokens only");
    return record_denoise(c, p, positions, g);
}

int tess_prior_picks(const struct tess_prior *p)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    const struct tess_denoiser_1 *denoiser = tess_instance_ops(p->denoiser, "denoiser/1");
    return noise->size > offsetof(struct tess_noise_1, reads_row) && noise->changes && noise->reads_row &&
           denoiser->size > offsetof(struct tess_denoiser_1, picks_positions) && denoiser->picks_positions;
}

int tess_prior_record_loss(struct tess_call *c, const struct tess_prior *p, struct tess_graph *g, struct tess_noise_loss *out)
{
    const struct tess_noise_1 *noise = tess_instance_ops(p->noise, "noise/1");
    void *self = tess_instance_self(p->noise);
    int64_t rows = tess_graph_rows(g);
    const int64_t shape[2] = {rows, p->height * p->width};
    struct tess_node *x0 = tess_input(g, "x0", TESS_I32, 2, shape), *xt = tess_input(g, "xt", TESS_I32, 2, shape);
    struct tess_node *t = tess_input(g, "t", TESS_F32, 1, &rows), *logits = NULL;
    struct tess_node *time = tess_affine(g, t, 1.0f / (float)noise->steps(self), 0.0f);
    TESS_TRY(record_logits(c, p, g, xt, time, NULL, &logits));
    tess_scope(g, "noise");
    TESS_TRY(noise->record_loss(self, c, g, logits, x0, xt, t, out));
    tess_scope_end(g);
    return TESS_OK;
}
