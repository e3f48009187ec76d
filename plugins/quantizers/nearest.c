/* quantizer/1 `nearest`: the codebook is trained by gradients (docs/models.md, "Nearest quantizer"; van den Oord et al., "Neural Discrete
 * Representation Learning", equation 3). The published code of "Unleashing Transformers" weights the other term by beta: an option.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/autoencoder.h>
#include <tessera/plugin.h>

struct nearest {
    int64_t codebook_size, code_dim;
    double beta;
    int32_t beta_on;
};

enum { ON_COMMITMENT, ON_CODEBOOK };

static int64_t codebook_size(void *self)
{
    return ((struct nearest *)self)->codebook_size;
}

static int64_t code_dim(void *self)
{
    return ((struct nearest *)self)->code_dim;
}

static struct tess_node *codebook(const struct nearest *q, struct tess_graph *g)
{
    struct tess_init init = {.kind = TESS_INIT_UNIFORM, .flags = TESS_WEIGHT_NO_DECAY, .spread = 1.0 / (double)q->codebook_size};
    return tess_weight(g, "codebook", 2, (const int64_t[]){q->codebook_size, q->code_dim}, init);
}

/* mean((a - sg[b])^2) */
static struct tess_node *pull(struct tess_graph *g, struct tess_node *a, struct tess_node *b)
{
    return tess_mean_all(g, tess_square(g, tess_sub(g, a, tess_stop_gradient(g, b))));
}

static int record(void *self, struct tess_call *c, struct tess_graph *g, struct tess_node *latent, struct tess_quantized *out)
{
    const struct nearest *q = self;
    struct tess_node *book = codebook(q, g);
    (void)c;
    out->codes = tess_nearest(g, latent, book);
    struct tess_node *rows = tess_embedding(g, out->codes, book);
    struct tess_node *commitment = pull(g, latent, rows), *update = pull(g, rows, latent);
    float beta = (float)q->beta;
    out->loss = q->beta_on == ON_COMMITMENT ? tess_add(g, update, tess_affine(g, commitment, beta, 0.0f))
                                            : tess_add(g, commitment, tess_affine(g, update, beta, 0.0f));
    out->quantised = tess_straight_through(g, rows, latent);
    return TESS_OK;
}

static int record_assign(void *self, struct tess_call *c, struct tess_graph *g, struct tess_node *latent, struct tess_node **codes)
{
    (void)c;
    *codes = tess_nearest(g, latent, codebook(self, g));
    return TESS_OK;
}

static int record_lookup(void *self, struct tess_call *c, struct tess_graph *g, struct tess_node *codes, struct tess_node **quantised)
{
    (void)c;
    *quantised = tess_embedding(g, codes, codebook(self, g));
    return TESS_OK;
}

static const struct tess_quantizer_1 ops = {.size = sizeof ops,
                                            .codebook_size = codebook_size,
                                            .code_dim = code_dim,
                                            .record = record,
                                            .record_assign = record_assign,
                                            .record_lookup = record_lookup};

static const struct tess_param params[] = {
    {.name = "codebook_size", .help = "codes (K)", .type = TESS_I64, .offset = offsetof(struct nearest, codebook_size), .lo = 2,
     .hi = 65536, .def = 256},
    {.name = "code_dim", .help = "width of a code (D)", .type = TESS_I64, .offset = offsetof(struct nearest, code_dim), .lo = 1, .hi = 4096,
     .def = 32},
    {.name = "beta", .help = "weight of the term named by beta_on", .type = TESS_F64, .offset = offsetof(struct nearest, beta), .lo = 0,
     .hi = 100, .def = 0.25},
    {.name = "beta_on", .help = "commitment: as the papers write it; codebook: as the published code has it", .type = TESS_ENUM,
     .offset = offsetof(struct nearest, beta_on), .text = "commitment|codebook"},
    {.name = NULL}};

static const struct tess_component components[] = {{.name = "nearest",
                                                    .kind = "quantizer/1",
                                                    .summary = "nearest codebook row, codebook trained by gradients",
                                                    TESS_PARAMS(params),
                                                    .caps = TESS_DETERMINISTIC,
                                                    .self_size = sizeof(struct nearest),
                                                    .ops = &ops},
                                                   {.name = NULL}};

static const char *const needs[] = {"graph/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = {
    TESS_PLUGIN_HEAD, .id = "tessera-nearest", .version = "0.1.0", .license = "MIT", .needs = needs, .components = components};
