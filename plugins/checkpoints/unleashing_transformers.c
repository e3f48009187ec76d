/* checkpoint/1 `unleashing-transformers`: the weights that Bond-Taylor et al., "Unleashing Transformers", released and that their program
 * writes (docs/formats.md, "Checkpoints of others"). Three kinds of file: the autoencoder with its codebook (`vqgan_*.th`), where the
 * discriminator comes along, as does the perceptual loss, which is left; the prior of absorbing diffusion (`absorbing_*.th`); and the
 * autoregressive one (`autoregressive_*.th`), the same network with its start in use.
 *
 * Both networks are flat lists of blocks, so the shapes of a list tell every parameter but what weights do not show: the images' size, the
 * groups of a normalisation, the heads of attention. Those are parameters, with the published values as defaults.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/checkpoints/conv_layout.h"
#include "plugins/checkpoints/critic_names.h"
#include "plugins/checkpoints/name_table.h"

#include <tessera/plugin.h>

#include <stdio.h>
#include <string.h>

struct unleashing {
    struct conv_untold images;
    int64_t heads, steps;
};

enum { BLOCKS_MOST = 1200 }; /* more than the widest list of 16 levels of 32 residual blocks */

static const struct name_row tokenizer_names[] = {
    {"ae.encoder.", "encoder.", NULL},
    {"ae.generator.", "decoder.", NULL},
    {"ae.quantize.embedding.weight", "quantizer.codebook", NULL},
    {"disc.main.", "critic.main.", NULL},
    {"disc.", NULL, "more of the discriminator than its layers"},
    {"perceptual.", NULL, "the network of the perceptual loss, which only training has"},
    {NULL, "quantizer.", "state of the quantizer's training"},
    {NULL, NULL, NULL}};

static const struct name_row prior_names[] = {
    {"_denoise_fn.start_tok", NULL, "the start of the autoregressive model, unused in this one"},
    {"_denoise_fn.", "denoiser.", NULL},
    {"Lt_history", NULL, "statistics of the training"},
    {"Lt_count", NULL, "statistics of the training"},
    {"loss_history", NULL, "statistics of the training"},
    {NULL, NULL, NULL}};

static const struct name_row causal_names[] = {{"net.", "denoiser.", NULL}, {NULL, NULL, NULL}};

/* ---- the encoder's list tells the parameters of both networks ---- */

/* The blocks as letters, C convolution, R residual, A attention, D down, N norm, and each residual block's width. */
static int64_t spell(const struct tess_import_plan *p, char *letter, int64_t *width)
{
    int64_t n = 0;
    for (; n < BLOCKS_MOST; n++) {
        const struct tess_entry *plain = name_find(p, "ae.encoder.blocks.%d.weight", n);
        const struct tess_entry *residual = name_find(p, "ae.encoder.blocks.%d.conv1.weight", n);
        width[n] = residual && residual->rank ? residual->dim[0] : 0;
        if (residual)
            letter[n] = 'R';
        else if (name_find(p, "ae.encoder.blocks.%d.q.weight", n))
            letter[n] = 'A';
        else if (name_find(p, "ae.encoder.blocks.%d.conv.weight", n))
            letter[n] = 'D';
        else if (plain)
            letter[n] = plain->rank == 4 ? 'C' : 'N';
        else
            break;
    }
    letter[n] = '\0';
    return n;
}

/* One level, `n` letters: residual blocks, all of them or none with attention behind. */
static int read_level(struct tess_call *c, struct conv_layout *l, const char *letter, const int64_t *width, int64_t n)
{
    int64_t residual = 0, attention = 0, wide = 0;
    for (int64_t i = 0; i < n; i++) {
        if (letter[i] == 'R') {
            residual++;
            wide = width[i];
        } else if (letter[i] == 'A' && i > 0 && letter[i - 1] == 'R') {
            attention++;
        } else {
            return conv_layout_odd(c, l, "a level is not of residual blocks with attention behind");
        }
    }
    return conv_layout_level(c, l, residual, attention, wide);
}

/* C, levels with D between them, then R A R N C */
static int read_encoder(struct tess_call *c, const struct tess_import_plan *p, struct conv_layout *l)
{
    static const char tail[] = "RARNC";
    char letter[BLOCKS_MOST + 1];
    int64_t width[BLOCKS_MOST + 1], n = spell(p, letter, width), end = n - (int64_t)(sizeof tail - 1);
    const struct tess_entry *first = name_find(p, "ae.encoder.blocks.%d.weight", 0);
    const struct tess_entry *last = name_find(p, "ae.encoder.blocks.%d.weight", n - 1);
    const struct tess_entry *book = name_find(p, "ae.quantize.embedding.weight", 0);
    if (n < 7 || letter[0] != 'C' || strcmp(letter + end, tail) != 0 || !first || !last || first->rank != 4)
        return conv_layout_odd(c, l,
                               "its blocks do not begin with a convolution and end with residual, attention, residual, norm, convolution");
    if (!book && name_find(p, "ae.quantize.embed.weight", 0))
        return c->fail(c, TESS_E_DATA, "its quantizer is the one of Gumbel, which is not known here");
    if (!book || book->rank != 2)
        return c->fail(c, TESS_E_DATA, "wanted the codebook `ae.quantize.embedding.weight` (K, D), found %s",
                       book ? "one of another shape" : "none");
    for (int64_t from = 1, at = 1; at <= end; at++) {
        if (at < end && letter[at] != 'D')
            continue;
        TESS_TRY(read_level(c, l, letter + from, width + from, at - from));
        from = at + 1;
    }
    l->channels = first->dim[0];
    l->image_channels = first->dim[1];
    l->code_dim = last->dim[0];
    l->codes = book->dim[0];
    return TESS_OK;
}

/* A residual block that keeps its width has a shortcut all the same, which it never uses. */
static int is_idle_shortcut(const struct tess_import_plan *p, const char *name)
{
    const char *at = strstr(name, ".conv_out.");
    char weight[TESS_ENTRY_NAME];
    if (!at || snprintf(weight, sizeof weight, "%.*s.conv_out.weight", (int)(at - name), name) >= (int)sizeof weight)
        return 0;
    for (int64_t i = 0; i < p->entries; i++)
        if (strcmp(p->entry[i].name, weight) == 0)
            return p->entry[i].rank == 4 && p->entry[i].dim[0] == p->entry[i].dim[1];
    return 0;
}

static int import_tokenizer(struct tess_call *c, const struct unleashing *u, struct tess_import_plan *p)
{
    struct conv_layout l = {.who = "unleashing-transformers", .variant = "unleashing"};
    TESS_TRY(read_encoder(c, p, &l));
    for (int64_t i = 0; i < p->entries; i++) {
        name_import(tokenizer_names, p, i);
        if (*p->use[i].ours && is_idle_shortcut(p, p->entry[i].name)) {
            p->use[i].ours[0] = '\0';
            p->use[i].left = "shortcuts of residual blocks that keep their width, which they never use";
        }
    }
    TESS_TRY(critic_import(c, p, "disc.", "unit"));
    if (name_find(p, "ae.generator.logsigma.0.weight", 0))
        TESS_TRY(tess_facts_set_i64(c, p->facts, "likelihood", 1));
    return conv_layout_describe(c, &u->images, &l, p);
}

/* ---- the prior ---- */

struct network {
    const char *inside; /* what names of the network begin with */
    int64_t codes, embed_dim, layers, mlp_ratio, tokens, steps;
    int causal, told; /* told: the file tells the steps, or there are none to tell */
};

static const struct tess_entry *part_of(const struct tess_import_plan *p, const struct network *n, const char *name, int64_t i)
{
    char all[TESS_ENTRY_NAME];
    (void)snprintf(all, sizeof all, "%s%s", n->inside, name);
    return name_find(p, all, i);
}

static int read_denoiser(struct tess_call *c, const struct unleashing *u, const struct tess_import_plan *p, struct network *n)
{
    const struct tess_entry *head = part_of(p, n, "head.weight", 0), *place = part_of(p, n, "pos_emb", 0);
    const struct tess_entry *wide = part_of(p, n, "blocks.%d.mlp.0.weight", 0), *history = name_find(p, "Lt_history", 0);
    if (!head || !place || !wide || head->rank != 2 || place->rank != 3 || wide->rank != 2 || head->dim[1] < 1 ||
        wide->dim[0] % head->dim[1])
        return c->fail(c, TESS_E_DATA,
                       "wanted `%shead.weight` (K, D), `%spos_emb` (1, L, D) and `%sblocks.0.mlp.0.weight` (a multiple of D, D), found one "
                       "missing or of another shape",
                       n->inside, n->inside, n->inside);
    n->codes = head->dim[0];
    n->embed_dim = head->dim[1];
    n->tokens = place->dim[1];
    n->mlp_ratio = wide->dim[0] / head->dim[1];
    while (n->layers <= BLOCKS_MOST && part_of(p, n, "blocks.%d.ln1.weight", n->layers))
        n->layers++;
    n->told = n->causal || (history && history->rank == 1 && history->dim[0] > 1);
    n->steps = n->causal || !n->told ? u->steps : history->dim[0] - 1; /* a place for each t from 0 to T */
    return TESS_OK;
}

/* The map is the tokenizer's; the prior's own shapes must be of it. */
static int describe_map(struct tess_call *c, const struct network *n, struct tess_import_plan *p)
{
    int64_t height, width, codes;
    TESS_TRY(tess_facts_i64(c, p->tokenizer, "latent_height", &height));
    TESS_TRY(tess_facts_i64(c, p->tokenizer, "latent_width", &width));
    TESS_TRY(tess_facts_i64(c, p->tokenizer, "codebook_size", &codes));
    if (height * width != n->tokens || codes != n->codes)
        return c->fail(c, TESS_E_DATA,
                       "the prior is of %lld tokens of %lld codes, the tokenizer makes %lld x %lld of %lld: it is another's",
                       (long long)n->tokens, (long long)n->codes, (long long)height, (long long)width, (long long)codes);
    TESS_TRY(tess_facts_set_i64(c, p->facts, "codebook_size", codes));
    TESS_TRY(tess_facts_set_i64(c, p->facts, "height", height));
    return tess_facts_set_i64(c, p->facts, "width", width);
}

/* Each block of the causal network has the triangle of ones that says who is before whom. */
static void leave_mask(struct tess_import_plan *p, int64_t i)
{
    const char *at = strstr(p->entry[i].name, ".attn.mask");
    if (!at || strcmp(at, ".attn.mask") != 0)
        return;
    p->use[i].ours[0] = '\0';
    p->use[i].left = "masks of causal attention, which are always the same";
}

static int import_prior(struct tess_call *c, const struct unleashing *u, struct tess_import_plan *p, int causal)
{
    struct network n = {.inside = causal ? "net." : "_denoise_fn.", .causal = causal};
    char noise[120] = "{use: autoregressive}", denoiser[240], steps[64] = "";
    TESS_TRY(read_denoiser(c, u, p, &n));
    if (p->tokenizer)
        TESS_TRY(describe_map(c, &n, p));
    for (int64_t i = 0; i < p->entries; i++) {
        name_import(causal ? causal_names : prior_names, p, i);
        if (causal)
            leave_mask(p, i);
    }
    p->kind = "prior";
    if (!causal)
        (void)snprintf(noise, sizeof noise, "{use: absorbing, steps: %lld, weight: code}", (long long)n.steps);
    (void)snprintf(denoiser, sizeof denoiser, "{use: transformer, embed_dim: %lld, layers: %lld, heads: %lld, mlp_ratio: %lld}",
                   (long long)n.embed_dim, (long long)n.layers, (long long)u->heads, (long long)n.mlp_ratio);
    if (!n.told)
        (void)snprintf(steps, sizeof steps, ", %lld steps", (long long)n.steps);
    (void)snprintf(p->assumed, sizeof p->assumed, "%lld heads%s: the file does not tell; set heads=%s", (long long)u->heads, steps,
                   n.told ? "" : ", steps=");
    TESS_TRY(tess_facts_set_text(c, p->facts, "noise", noise));
    return tess_facts_set_text(c, p->facts, "denoiser", denoiser);
}

static int plan_import(void *self, struct tess_call *c, struct tess_import_plan *p)
{
    if (name_find(p, "ae.encoder.blocks.%d.weight", 0))
        return import_tokenizer(c, self, p);
    if (name_find(p, "_denoise_fn.tok_emb.weight", 0))
        return import_prior(c, self, p, 0);
    if (name_find(p, "net.tok_emb.weight", 0))
        return import_prior(c, self, p, 1);
    return c->fail(c, TESS_E_DATA, "the file is neither an autoencoder (`ae.encoder.blocks.0.weight`) nor an absorbing prior "
                                   "(`_denoise_fn.tok_emb.weight`) nor an autoregressive one (`net.tok_emb.weight`) of "
                                   "unleashing-transformers");
}

/* ---- back ---- */

static int check_part(struct tess_call *c, const struct tess_export_plan *p, const char *part, const char *use, const char **spec)
{
    return name_check_part(c, p, "unleashing-transformers", part, use, spec);
}

/* A model from before there were two has no word of it. */
static int check_variant(struct tess_call *c, const char *part, const char *spec)
{
    if (!strstr(spec, ", variant: ") || strstr(spec, ", variant: unleashing"))
        return TESS_OK;
    return c->fail(c, TESS_E_VALUE, "unleashing-transformers has the %s conv of `variant: unleashing`, the model %s", part, spec);
}

static int export_tokenizer(struct tess_call *c, const struct unleashing *u, struct tess_export_plan *p)
{
    const char *spec;
    TESS_TRY(check_part(c, p, "decoder", "conv", &spec));
    TESS_TRY(check_variant(c, "decoder", spec));
    TESS_TRY(name_check_number(c, spec, "groups", u->images.groups));
    TESS_TRY(check_part(c, p, "encoder", "conv", &spec));
    TESS_TRY(check_variant(c, "encoder", spec));
    TESS_TRY(name_check_number(c, spec, "groups", u->images.groups));
    for (int64_t i = 0; i < p->weights; i++) {
        struct tess_export_weight *w = &p->weight[i];
        name_export(tokenizer_names, w);
        critic_export(p, "unit", w);
        if (w->rank == 2 && strncmp(w->ours, "quantizer.", 10) != 0) {
            w->rank = 4; /* a matrix is a convolution of 1 x 1 there; dimensions beyond the rank are 1 */
            w->dim[2] = w->dim[3] = 1;
        }
    }
    return TESS_OK;
}

static int export_prior(struct tess_call *c, const struct unleashing *u, struct tess_export_plan *p)
{
    const char *spec;
    TESS_TRY(tess_facts_text(c, p->facts, "noise", &spec));
    int causal = strcmp(spec, "{use: autoregressive}") == 0;
    if (!causal)
        TESS_TRY(check_part(c, p, "noise", "absorbing", &spec));
    TESS_TRY(check_part(c, p, "denoiser", "transformer", &spec));
    TESS_TRY(name_check_number(c, spec, "heads", u->heads));
    for (int64_t i = 0; i < p->weights; i++) {
        struct tess_export_weight *w = &p->weight[i];
        name_export(causal ? causal_names : prior_names, w);
        if (strcmp(w->ours, "denoiser.pos_emb") == 0 || strcmp(w->ours, "denoiser.start_tok") == 0)
            for (; w->rank < 3; w->rank++) {
                memmove(w->dim + 1, w->dim, 2 * sizeof *w->dim);
                w->dim[0] = 1;
            }
    }
    return TESS_OK;
}

static int plan_export(void *self, struct tess_call *c, struct tess_export_plan *p)
{
    if (strcmp(p->kind, "autoencoder") == 0)
        return export_tokenizer(c, self, p);
    if (strcmp(p->kind, "prior") == 0)
        return export_prior(c, self, p);
    return c->fail(c, TESS_E_DATA, "wanted a model of kind autoencoder or prior, found kind `%s`", p->kind);
}

static const struct tess_checkpoint_1 ops = {.size = sizeof ops, .plan_import = plan_import, .plan_export = plan_export};

static const struct tess_param params[] = {
    CONV_UNTOLD_PARAMS(struct unleashing, images),
    {.name = "heads", .help = "heads of the prior's attention", .type = TESS_I64, .offset = offsetof(struct unleashing, heads), .lo = 1,
     .hi = 1024, .def = 8},
    {.name = "steps", .help = "diffusion steps (T) of a prior whose file does not tell", .type = TESS_I64,
     .offset = offsetof(struct unleashing, steps), .lo = 1, .hi = 1e6, .def = 256},
    {.name = NULL}};

static const struct tess_component components[] = {{.name = "unleashing-transformers",
                                                    .kind = "checkpoint/1",
                                                    .summary = "autoencoders (vqgan) and both priors of Bond-Taylor et al. 2022",
                                                    TESS_PARAMS(params),
                                                    .caps = TESS_DETERMINISTIC,
                                                    .self_size = sizeof(struct unleashing),
                                                    .ops = &ops},
                                                   {.name = NULL}};

static const char *const needs[] = {"artefact/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = {TESS_PLUGIN_HEAD, .id = "tessera-unleashing-transformers", .version = "0.1.0",
                                                      .license = "MIT", .needs = needs, .components = components};
