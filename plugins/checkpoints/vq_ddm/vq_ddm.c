/* checkpoint/1 `vq-ddm`: what the program of Hu et al., "Global Context with Discrete Diffusion in Vector Quantised Modelling", writes
 * (docs/formats.md, "Checkpoints of others"). Two kinds of file, told apart by their names: the autoencoder, which is taming's, and the
 * prior, a U-Net with the schedule of its uniform noise.
 *
 * The program holds the U-Net as a module and once more inside its noise, so its files name each weight twice, `_nn.` and
 * `_denoising._denoise_fn.`: the second is taken, the first must have the same shapes and is not read. vq_ddm_export.c writes a prior.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/checkpoints/vq_ddm/vq_ddm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char who[] = "vq-ddm", inside[] = VQ_DDM_INSIDE, alone[] = VQ_DDM_ALONE, within[] = "_denoising._nn.";

enum { TIME_SCALE = 4000 }; /* factor of t / T, the same in both programs */

const struct name_row vq_ddm_names[] = {{"_denoising._denoise_fn.label_emb.", "denoiser.label_embedding.", NULL},
                                        {"_denoising._denoise_fn.", "denoiser.", NULL},
                                        {"_nn.", NULL, "the same network once more; its values are not compared"},
                                        {"_denoising._nn.", NULL, "the same network once more; its values are not compared"},
                                        {"_denoising.log_", NULL, "the schedule, which follows from its length"},
                                        {"_denoising.Lt_", NULL, "statistics of the training, which start over"},
                                        {NULL, "noise.", "statistics of the training"},
                                        {NULL, NULL, NULL}};
static const struct name_row alone_names[] = {
    {"_nn.label_emb.", "denoiser.label_embedding.", NULL}, {"_nn.", "denoiser.", NULL}, {NULL, NULL, NULL}};
static const struct name_row within_names[] = {
    {"_denoising._nn.label_emb.", "denoiser.label_embedding.", NULL}, {"_denoising._nn.", "denoiser.", NULL}, {NULL, NULL, NULL}};
/* Layers of the classes that a network never uses, by how it reads a code. */
static const struct {
    const char *name;
    int input;
    const char *why;
} unused[] = {{"input_conv.", BY_EMBEDDING, "a layer for numbers, which a network that reads codes never uses"},
              {"embedding.", BY_PLAIN, "vectors of codes, which a network that reads numbers never uses"},
              {"begin_conv.", BY_PLAIN, "a layer that the network never uses"}};

/* ---- import: their names to ours ---- */

struct network {
    const char *prefix;
    int64_t channels, mult[TESS_LIST_MAX], levels, codebook_size, head_dim, steps;
    int64_t labels;  /* rows of the table of labels; 0: the network is told none */
    int input, told; /* BY_EMBEDDING ..; 1: the file tells the steps */
};

const char *const vq_ddm_input_name[] = {"embedding", "scalar", "plain"};

static const struct tess_entry *vq_ddm_of(const struct tess_import_plan *p, const struct network *n, const char *name, int64_t i)
{
    char format[TESS_ENTRY_NAME];
    (void)snprintf(format, sizeof format, "%s%s", n->prefix, name);
    return name_find(p, format, i);
}

static int vq_ddm_odd(struct tess_context *ctx, const char *what)
{
    return ctx->fail(ctx, TESS_E_DATA, "this is no U-Net of vq-ddm: %s", what);
}

/* A number for each step; all of the schedule's lists are of one length. */
static int read_steps(struct tess_context *ctx, const struct vq_ddm *v, const struct tess_import_plan *p, struct network *n)
{
    n->steps = v->steps;
    for (int64_t i = 0; i < p->entries; i++) {
        const struct tess_entry *e = &p->entry[i];
        if (strncmp(e->name, "_denoising.log_", 15) != 0 && strncmp(e->name, "_denoising.Lt_", 14) != 0)
            continue;
        if (e->rank != 1 || e->dim[0] < 1 || (n->told && e->dim[0] != n->steps))
            return ctx->fail(ctx, TESS_E_DATA, "`%s` is no list of %s; the schedule has a number for each step", e->name,
                             n->told ? "the length of the others" : "numbers");
        n->told = 1;
        n->steps = e->dim[0];
    }
    return TESS_OK;
}

static int vq_ddm_read_levels(struct tess_context *ctx, const struct tess_import_plan *p, struct network *n)
{
    const struct tess_entry *e;
    for (; (e = vq_ddm_of(p, n, "downs.%d.0.block1.block.0.weight", n->levels)); n->levels++) {
        if (n->levels == TESS_LIST_MAX)
            return vq_ddm_odd(ctx, "it has more than 16 levels");
        if (e->rank != 4 || e->dim[0] < 1 || e->dim[0] % n->channels)
            return vq_ddm_odd(ctx, "the width of a level is no multiple of the first layer's");
        n->mult[n->levels] = e->dim[0] / n->channels;
    }
    return n->levels ? TESS_OK : vq_ddm_odd(ctx, "there is no `downs.0.0.block1.block.0.weight`");
}

/* `UnetX`, one of the program's networks, reads the map of numbers by its first block, which so takes one channel; it has an embedding and
 * a first layer that are never used. */
static int vq_ddm_input(const struct tess_import_plan *p, const struct network *n)
{
    const struct tess_entry *first = vq_ddm_of(p, n, "downs.0.0.block1.block.0.weight", 0);
    int embeds = vq_ddm_of(p, n, "embedding.weight", 0) != NULL, scales = vq_ddm_of(p, n, "input_conv.weight", 0) != NULL;
    int takes_one = first && first->rank == 4 && first->dim[1] == 1;
    if (takes_one && (vq_ddm_of(p, n, "begin_conv.weight", 0) || (!embeds && !scales)))
        return BY_PLAIN;
    return embeds ? BY_EMBEDDING : BY_SCALAR;
}

/* The program's table has as many rows as there are codes, whatever the number of classes. Here its last row is that of no label. */
static int read_labels(struct tess_context *ctx, const struct tess_import_plan *p, struct network *n)
{
    const struct tess_entry *table = vq_ddm_of(p, n, "label_emb.weight", 0);
    if (!table)
        return TESS_OK;
    if (table->rank != 2 || table->dim[0] < 2 || table->dim[1] != n->channels)
        return vq_ddm_odd(ctx, "`label_emb.weight` is no table of labels, (2 or more, D)");
    n->labels = table->dim[0];
    return TESS_OK;
}

/* Width of the first level: that of the vectors of codes, of the layer for numbers or, without either, of the time's. */
static int read_width(struct tess_context *ctx, const struct tess_import_plan *p, struct network *n)
{
    static const char *const name[] = {"embedding.weight", "input_conv.weight", "mlp.0.weight"};
    const struct tess_entry *e = vq_ddm_of(p, n, name[n->input], 0);
    if (!e || e->rank != (n->input == BY_SCALAR ? 4 : 2))
        return vq_ddm_odd(ctx, "neither `embedding.weight` (K, D) nor `input_conv.weight` (D, 1, 1, 1) is there");
    n->channels = e->dim[n->input == BY_SCALAR ? 0 : 1];
    return TESS_OK;
}

static int read_network(struct tess_context *ctx, const struct vq_ddm *v, const struct tess_import_plan *p, struct network *n)
{
    const struct tess_entry *last = vq_ddm_of(p, n, "final_conv.1.weight", 0), *qkv = vq_ddm_of(p, n, "mid_attn.fn.fn.to_qkv.weight", 0);
    n->input = vq_ddm_input(p, n);
    TESS_TRY(read_width(ctx, p, n));
    if (!last || last->rank != 4 || n->channels < 1)
        return vq_ddm_odd(ctx, "its last layer `final_conv.1.weight` (K, D, 1, 1) is missing or of another shape");
    n->codebook_size = last->dim[0];
    if (!qkv || qkv->rank != 4 || qkv->dim[0] < 1 || qkv->dim[0] % (3 * v->heads))
        return ctx->fail(ctx, TESS_E_DATA,
                         "`mid_attn.fn.fn.to_qkv.weight` is missing or not of 3 x %lld heads; say heads=", (long long)v->heads);
    n->head_dim = qkv->dim[0] / (3 * v->heads);
    TESS_TRY(read_labels(ctx, p, n));
    TESS_TRY(vq_ddm_read_levels(ctx, p, n));
    return read_steps(ctx, v, p, n);
}

/* Weights that are there under _nn. must be there inside the noise as well, in the same shape. */
static int check_twins(struct tess_context *ctx, const struct tess_import_plan *p, const struct network *n)
{
    for (int64_t i = 0; i < p->entries; i++) {
        const struct tess_entry *e = &p->entry[i], *twin;
        if (strncmp(e->name, alone, sizeof alone - 1) != 0 || strchr(e->name, '%'))
            continue;
        twin = vq_ddm_of(p, n, e->name + sizeof alone - 1, 0);
        if (!twin || twin->rank != e->rank || memcmp(twin->dim, e->dim, (size_t)e->rank * sizeof *e->dim) != 0)
            return ctx->fail(ctx, TESS_E_DATA,
                             "`%s` has no twin of its shape under `%s`, where the same network is; the file contradicts itself", e->name,
                             inside);
    }
    return TESS_OK;
}

/* The map is the tokenizer's: a U-Net fits maps of many sizes. */
static int vq_ddm_describe_map(struct tess_context *ctx, const struct network *n, struct tess_import_plan *p)
{
    int64_t height, width, codebook_size;
    TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "latent_height", &height));
    TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "latent_width", &width));
    TESS_TRY(tess_attrs_i64(ctx, p->tokenizer, "codebook_size", &codebook_size));
    if (codebook_size != n->codebook_size)
        return ctx->fail(ctx, TESS_E_DATA, "the prior is of %lld codes, the tokenizer makes %lld: it is another's",
                         (long long)n->codebook_size, (long long)codebook_size);
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "codebook_size", codebook_size));
    TESS_TRY(tess_attrs_set_i64(ctx, p->attrs, "height", height));
    return tess_attrs_set_i64(ctx, p->attrs, "width", width);
}

double vq_ddm_time_offset(int64_t steps)
{
    return -(double)TIME_SCALE / (double)steps;
}

static int vq_ddm_describe_labels(struct tess_context *ctx, const struct network *n, struct tess_import_plan *p)
{
    size_t at = strlen(p->assumed);
    (void)snprintf(p->assumed + at, sizeof p->assumed - at,
                   "; labels 0 .. %lld, of which the file does not tell which were trained, and the last row as that of no label",
                   (long long)(n->labels - 2));
    TESS_TRY(tess_attrs_set_text(ctx, p->attrs, "condition", "labels"));
    return tess_attrs_set_i64(ctx, p->attrs, "classes", n->labels - 1);
}

static int vq_ddm_describe(struct tess_context *ctx, const struct vq_ddm *v, const struct network *n, struct tess_import_plan *p)
{
    char mult[512] = "", noise[240], denoiser[800], steps[64] = "";
    size_t m = 0;
    for (int64_t i = 0; i < n->levels; i++)
        m += (size_t)snprintf(mult + m, sizeof mult - m, "%s%lld", i ? ", " : "", (long long)n->mult[i]);
    (void)snprintf(noise, sizeof noise,
                   "{use: uniform, steps: %lld, schedule: cosine-root, step: plug-in, first_step: published, residual: %d, "
                   "times: importance}",
                   (long long)n->steps, n->input != BY_EMBEDDING);
    (void)snprintf(denoiser, sizeof denoiser,
                   "{use: unet, channels: %lld, channel_mult: [%s], heads: %lld, head_dim: %lld, groups: %lld, input: %s, "
                   "time_offset: %.17g}",
                   (long long)n->channels, mult, (long long)v->heads, (long long)n->head_dim, (long long)v->norm_groups,
                   vq_ddm_input_name[n->input], vq_ddm_time_offset(n->steps));
    if (!n->told)
        (void)snprintf(steps, sizeof steps, ", %lld steps", (long long)n->steps);
    (void)snprintf(p->assumed, sizeof p->assumed,
                   "norms of %lld groups: the file does not tell; set norm_groups=", (long long)v->norm_groups);
    (void)snprintf(p->warning, sizeof p->warning,
                   "%lld heads%s: the file does not tell, and other numbers make other samples without an error; set heads=%s",
                   (long long)v->heads, steps, n->told ? "" : ", steps=");
    if (n->labels)
        TESS_TRY(vq_ddm_describe_labels(ctx, n, p));
    TESS_TRY(tess_attrs_set_text(ctx, p->attrs, "noise", noise));
    return tess_attrs_set_text(ctx, p->attrs, "denoiser", denoiser);
}

static void leave_unused(const struct network *n, struct tess_import_plan *p, int64_t i)
{
    static const char *const prefix[] = {inside, within, alone};
    const char *rest = NULL;
    for (size_t k = 0; k < sizeof prefix / sizeof *prefix && !rest; k++)
        if (strncmp(p->entry[i].name, prefix[k], strlen(prefix[k])) == 0)
            rest = p->entry[i].name + strlen(prefix[k]);
    for (size_t k = 0; rest && k < sizeof unused / sizeof *unused; k++)
        if (unused[k].input == n->input && strncmp(rest, unused[k].name, strlen(unused[k].name)) == 0) {
            p->use[i].ours[0] = '\0';
            p->use[i].left = unused[k].why;
        }
}

static int import_prior(struct tess_context *ctx, const struct vq_ddm *v, struct tess_import_plan *p)
{
    struct network n = {.prefix = alone};
    if (name_get(p, "_denoising._denoise_fn.final_conv.1.weight"))
        n.prefix = inside;
    else if (!name_get(p, "_nn.final_conv.1.weight"))
        n.prefix = within;
    TESS_TRY(read_network(ctx, v, p, &n));
    if (n.prefix == inside)
        TESS_TRY(check_twins(ctx, p, &n));
    if (p->tokenizer)
        TESS_TRY(vq_ddm_describe_map(ctx, &n, p));
    for (int64_t i = 0; i < p->entries; i++) {
        name_import(vq_ddm_names, p, i);
        if (n.prefix != inside)
            name_import(n.prefix == alone ? alone_names : within_names, p, i);
        leave_unused(&n, p, i);
    }
    p->kind = "prior";
    return vq_ddm_describe(ctx, v, &n, p);
}

static int vq_ddm_plan_import(void *self, struct tess_context *ctx, struct tess_import_plan *p)
{
    const struct vq_ddm *v = self;
    if (taming_is_there(p))
        return taming_import(ctx, who, &v->images, p);
    if (name_get(p, "_denoising._denoise_fn.final_conv.1.weight") || name_get(p, "_nn.final_conv.1.weight") ||
        name_get(p, "_denoising._nn.final_conv.1.weight"))
        return import_prior(ctx, v, p);
    return ctx->fail(ctx, TESS_E_DATA,
                     "the file is neither an autoencoder (`encoder.conv_in.weight`) nor a prior "
                     "(`_denoising._denoise_fn.final_conv.1.weight`) of vq-ddm");
}

/* ---- the component ---- */

static int vq_ddm_plan_export(void *self, struct tess_context *ctx, struct tess_export_plan *p)
{
    const struct vq_ddm *v = self;
    if (TESS_HAS(p, within))
        p->within = "state_dict";
    if (strcmp(p->kind, "autoencoder") == 0)
        return taming_export(ctx, who, 1, &v->images, p);
    if (strcmp(p->kind, "prior") == 0)
        return vq_ddm_export_prior(ctx, v, p);
    return ctx->fail(ctx, TESS_E_DATA, "wanted a model of kind autoencoder or prior, found kind `%s`", p->kind);
}

static const struct tess_checkpoint_1 ops = {.size = sizeof ops, .plan_import = vq_ddm_plan_import, .plan_export = vq_ddm_plan_export};

static const struct tess_param params[] = {CONV_UNTOLD_PARAMS(struct vq_ddm, images),
                                           CONV_ASSIGN_PARAM(struct vq_ddm, images, 0),
                                           {.name = "norm_groups",
                                            .help = "groups of the prior's normalisation",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct vq_ddm, norm_groups),
                                            .lo = 1,
                                            .hi = 8192,
                                            .def = 8},
                                           {.name = "heads",
                                            .help = "heads of the prior's attention",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct vq_ddm, heads),
                                            .lo = 1,
                                            .hi = 1024,
                                            .def = 4},
                                           {.name = "steps",
                                            .help = "diffusion steps (T) of a prior whose file does not tell",
                                            .type = TESS_I64,
                                            .offset = offsetof(struct vq_ddm, steps),
                                            .lo = 1,
                                            .hi = 1e6,
                                            .def = 4000},
                                           {.name = NULL}};

TESS_PLUGIN("tessera-vq-ddm", "0.1.0", "MIT", TESS_NEEDS("artefact/1"),
            TESS_COMPONENT_DOCUMENTED("Hu et al., Global Context with Discrete Diffusion in Vector Quantised Modelling, 2022",
                                      "tessera import prior.ckpt -o prior.h5 --as vq-ddm --tokenizer tokenizer.h5", "vq-ddm",
                                      "checkpoint/1", "autoencoders and uniform priors (U-Net) of Hu et al. 2022", sizeof(struct vq_ddm),
                                      params, NULL, NULL, &ops));
