/* denoiser/1 `transformer`: the transformer of "Unleashing Transformers" (docs/models.md, "Transformer"). Token and position
 * embeddings, pre-norm blocks of attention and a two-layer perceptron with exact GELU, a last norm, a head without bias over the K codes:
 * the mask is never predicted. The absorbing noise needs no time; a noise that does gets a sinusoid through two layers, added to
 * every token. Under a noise that is causal the tokens are shifted right by one, behind a learnt start, and see those before them alone
 * (docs/models.md, "Autoregressive baseline"). Names of weights are those of the published checkpoints.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/plugin.h>
#include <tessera/kind/denoiser.h>

#include <math.h>

struct transformer {
    int64_t embed_dim, layers, heads, mlp_ratio, start_code, context;
    double dropout;
    int32_t init;
};

enum { INIT_PUBLISHED, INIT_SMALL };

#define EPSILON 1e-5f
#define TIME_SCALE 4000.0f /* scale of t / T before the sinusoid */

static int open_transformer(void *self, struct tess_context *ctx)
{
    const struct transformer *p = self;
    if (p->embed_dim % p->heads)
        return ctx->fail(ctx, TESS_E_VALUE, "transformer: %lld heads do not divide embed_dim %lld; set `heads` to a divisor",
                       (long long)p->heads, (long long)p->embed_dim);
    return TESS_OK;
}

/* The published code never applies its N(0, 0.02); `small` does. */
static struct tess_init transformer_matrix(const struct transformer *p, int64_t fan_in)
{
    return p->init == INIT_SMALL
               ? (struct tess_init){.size = sizeof(struct tess_init), .kind = TESS_INIT_NORMAL, .spread = 0.02}
               : (struct tess_init){.size = sizeof(struct tess_init), .kind = TESS_INIT_UNIFORM, .spread = 1.0 / sqrt((double)fan_in)};
}

static struct tess_node *transformer_linear(const struct transformer *p, struct tess_graph *g, const char *name, struct tess_node *x,
                                            int64_t from, int64_t to)
{
    struct tess_init bias = {.size = sizeof(struct tess_init), .flags = TESS_WEIGHT_NO_DECAY};
    if (p->init == INIT_PUBLISHED) {
        bias.kind = TESS_INIT_UNIFORM;
        bias.spread = 1.0 / sqrt((double)from);
    }
    tess_scope(g, "%s", name);
    struct tess_node *w = tess_weight(g, "weight", 2, (const int64_t[]){to, from}, (struct tess_init[]){transformer_matrix(p, from)}),
                     *b = tess_weight(g, "bias", 1, &to, &bias);
    tess_scope_end(g);
    return tess_linear(g, x, w, b);
}

static struct tess_node *transformer_norm(struct tess_graph *g, const char *name, struct tess_node *x, int64_t width)
{
    tess_scope(g, "%s", name);
    struct tess_node *gamma = tess_weight(g, "weight", 1, &width, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY, .centre = 1.0));
    struct tess_node *beta = tess_weight(g, "bias", 1, &width, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY));
    tess_scope_end(g);
    return tess_layer_norm(g, x, gamma, beta, EPSILON);
}

/* Dropout whose draws are keyed by `name` and layer: each place in the network has draws of its own. */
static struct tess_node *transformer_drop(const struct transformer *p, struct tess_graph *g, struct tess_node *x, const char *name,
                                          int64_t layer)
{
    static const char digits[] = "0123456789";
    char purpose[64];
    size_t n = 0;
    for (; name[n] && n < sizeof purpose - 24; n++)
        purpose[n] = name[n];
    do
        purpose[n++] = digits[layer % 10];
    while (layer /= 10);
    purpose[n] = '\0';
    return tess_dropout(g, x, (float)p->dropout, purpose);
}

/* Selects the rows at `positions`; all where that is NULL. */
static struct tess_node *transformer_pick(struct tess_graph *g, struct tess_node *x, struct tess_node *positions)
{
    return positions ? tess_gather(g, x, positions) : x;
}

/* Attention pattern of a block. */
struct view {
    struct tess_node *positions;           /* queries; NULL: all tokens */
    int causal;                            /* a token attends to itself and to those before it */
    const struct tess_denoiser_next *next; /* one query, which attends to the keys in its cache; NULL: all at once */
};

static struct tess_node *transformer_attention(const struct transformer *p, struct tess_graph *g, struct tess_node *x,
                                               const struct view *view)
{
    int64_t d = p->embed_dim;
    int32_t heads = (int32_t)p->heads;
    tess_scope(g, "attn");
    struct tess_node *k = transformer_linear(p, g, "key", x, d, d),
                     *q = transformer_linear(p, g, "query", transformer_pick(g, x, view->positions), d, d);
    struct tess_node *v = transformer_linear(p, g, "value", x, d, d);
    x = view->next ? tess_attention_cached(g, q, k, v, view->next->position, view->next->cache, heads)
                   : tess_attention(g, q, k, v, heads, view->causal);
    x = transformer_linear(p, g, "proj", x, d, d);
    tess_scope_end(g);
    return x;
}

static struct tess_node *transformer_perceptron(const struct transformer *p, struct tess_graph *g, struct tess_node *x)
{
    int64_t d = p->embed_dim, wide = d * p->mlp_ratio;
    return transformer_linear(p, g, "mlp.2", tess_gelu(g, transformer_linear(p, g, "mlp.0", x, d, wide)), wide, d);
}

/* (10.2) */
static struct tess_node *transformer_block(const struct transformer *p, struct tess_graph *g, struct tess_node *x, int64_t l,
                                           const struct view *view)
{
    int64_t d = p->embed_dim;
    tess_scope(g, "blocks.%d", (int)l);
    struct tess_node *seen = transformer_attention(p, g, transformer_norm(g, "ln1", x, d), view);
    x = tess_add(g, transformer_pick(g, x, view->positions), transformer_drop(p, g, seen, "transformer.attention", l));
    x = tess_add(g, x, transformer_drop(p, g, transformer_perceptron(p, g, transformer_norm(g, "ln2", x, d)), "transformer.mlp", l));
    tess_scope_end(g);
    return x;
}

/* (10.3) */
static struct tess_node *transformer_head(const struct transformer *p, struct tess_graph *g, struct tess_node *x, int64_t codebook_size)
{
    int64_t d = p->embed_dim;
    x = transformer_norm(g, "ln_f", x, d);
    return tess_linear(
        g, x, tess_weight(g, "head.weight", 2, (const int64_t[]){codebook_size, d}, (struct tess_init[]){transformer_matrix(p, d)}), NULL);
}

/* ---- embeddings ---- */

static struct tess_node *transformer_table(const struct transformer *p, struct tess_graph *g, int64_t vocabulary)
{
    struct tess_init normal = {.size = sizeof(struct tess_init),
                               .kind = TESS_INIT_NORMAL,
                               .flags = TESS_WEIGHT_NO_DECAY,
                               .spread = p->init == INIT_SMALL ? 0.02 : 1.0};
    return tess_weight(g, "tok_emb.weight", 2, (const int64_t[]){vocabulary, p->embed_dim}, &normal);
}

static struct tess_node *codes_of(const struct transformer *p, struct tess_graph *g, struct tess_node *tokens, int64_t vocabulary)
{
    return tess_embedding(g, tokens, transformer_table(p, g, vocabulary));
}

/* (L, D): a vector for each position of the map and, where there are levels, one for each level added to it. */
static struct tess_node *transformer_places(const struct transformer *p, struct tess_graph *g, int64_t positions, int64_t depth)
{
    const struct tess_init zero = {.size = sizeof zero, .flags = TESS_WEIGHT_NO_DECAY};
    int64_t d = p->embed_dim, rows = p->context ? p->context : positions;
    struct tess_node *place = tess_weight(g, "pos_emb", 2, (const int64_t[]){rows, d}, &zero);
    if (rows > positions)
        place = tess_slice(g, place, 0, 0, positions);
    if (depth == 1)
        return place;
    struct tess_node *level = tess_weight(g, "level_emb", 2, (const int64_t[]){depth, d}, &zero);
    struct tess_node *all = tess_add(g, tess_constant(g, 0.0f, 3, (const int64_t[]){positions, depth, d}), level);
    all = tess_add(g, all, tess_reshape(g, place, 3, (const int64_t[]){positions, 1, d}));
    return tess_reshape(g, all, 2, (const int64_t[]){positions * depth, d});
}

/* A host from before there were levels gives smaller structs. */
static int64_t transformer_depth(const struct tess_denoiser_input *in)
{
    return TESS_HAS(in, depth) && in->depth > 1 ? in->depth : 1;
}

/* Learnt start vector in front of the first token, or the embedding of a code there, once for each sequence: (N, 1, D). */
static struct tess_node *transformer_beginning(const struct transformer *p, struct tess_graph *g, int64_t vocabulary)
{
    struct tess_node *start = p->start_code < 0 ? tess_weight(g, "start_tok", 1, &p->embed_dim, TESS_INIT(.flags = TESS_WEIGHT_NO_DECAY))
                                                : tess_slice(g, transformer_table(p, g, vocabulary), 0, p->start_code, 1);
    return tess_add(g, tess_constant(g, 0.0f, 3, (const int64_t[]){tess_graph_microbatch(g), 1, p->embed_dim}), start);
}

/* Shifts tokens right by one (20.2): the last token is nobody's past. */
static struct tess_node *transformer_shift(const struct transformer *p, struct tess_graph *g, struct tess_node *x, int64_t tokens,
                                           int64_t vocabulary)
{
    return tess_slice(g, tess_concat(g, transformer_beginning(p, g, vocabulary), x, 1), 1, 0, tokens);
}

/* Embedding of the next token alone (20.4). `first` is 1 at position 0, else 0, so that the sum is the start or the code, exactly. */
static struct tess_node *embed_next(const struct transformer *p, struct tess_graph *g, const struct tess_denoiser_next *in)
{
    const int64_t one[3] = {tess_graph_microbatch(g), 1, 1};
    struct tess_node *first = tess_leaky_relu(g, tess_affine(g, tess_to_f32(g, in->position, 1.0f, 0.0f), -1.0f, 1.0f), 0.0f);
    first = tess_reshape(g, first, 3, one);
    struct tess_node *code = tess_mul(g, codes_of(p, g, in->token, in->vocabulary), tess_affine(g, first, -1.0f, 1.0f));
    struct tess_node *x = tess_add(g, code, tess_mul(g, transformer_beginning(p, g, in->vocabulary), first));
    int64_t depth = TESS_HAS(in, depth) && in->depth > 1 ? in->depth : 1;
    return tess_add(g, x, tess_embedding(g, in->position, transformer_places(p, g, in->height * in->width, depth)));
}

/* (25.1): a learnt vector for each class and one for none, added to every token. */
static struct tess_node *add_label(const struct transformer *p, struct tess_graph *g, struct tess_node *x, struct tess_node *label,
                                   int64_t classes)
{
    const struct tess_init normal = {
        .size = sizeof normal, .kind = TESS_INIT_NORMAL, .flags = TESS_WEIGHT_NO_DECAY, .spread = p->init == INIT_SMALL ? 0.02 : 1.0};
    struct tess_node *table = tess_weight(g, "label_emb.weight", 2, (const int64_t[]){classes + 1, p->embed_dim}, &normal);
    const int64_t shape[3] = {tess_graph_microbatch(g), 1, p->embed_dim};
    return tess_add(g, x, tess_reshape(g, tess_embedding(g, label, table), 3, shape));
}

/* 1 under a causal noise. A host from before there was such a thing gives a smaller struct. */
static int transformer_is_causal(const struct tess_denoiser_input *in)
{
    return TESS_HAS(in, causal) && in->causal;
}

static struct tess_node *transformer_embed(const struct transformer *p, struct tess_graph *g, const struct tess_denoiser_input *in)
{
    int64_t d = p->embed_dim, positions = in->height * in->width, depth = transformer_depth(in);
    /* (10.1), and (10.5) where there is time */
    struct tess_node *x = codes_of(p, g, in->tokens, in->vocabulary);
    if (transformer_is_causal(in))
        x = transformer_shift(p, g, x, positions * depth, in->vocabulary);
    x = tess_add(g, x, transformer_places(p, g, positions, depth));
    if (TESS_HAS(in, classes) && in->label)
        x = add_label(p, g, x, in->label, in->classes);
    if (in->time) {
        struct tess_node *t = tess_sinusoid(g, in->time, d, TIME_SCALE);
        t = transformer_linear(p, g, "time.2", tess_gelu(g, transformer_linear(p, g, "time.0", t, d, 4 * d)), 4 * d, d);
        x = tess_add(g, x, tess_reshape(g, t, 3, (const int64_t[]){tess_shape(in->time).dim[0], 1, d}));
    }
    return transformer_drop(p, g, x, "transformer.embedding", 0);
}

/* A host from before there were any gives a smaller struct. */
static struct tess_node *positions_of(const struct tess_denoiser_input *in)
{
    return TESS_HAS(in, positions) ? in->positions : NULL;
}

static int transformer_record(void *self, struct tess_context *ctx, struct tess_graph *g, const struct tess_denoiser_input *in,
                              struct tess_node **logits)
{
    const struct transformer *p = self;
    struct tess_tensor tokens = tess_shape(in->tokens);
    int64_t d = p->embed_dim;
    if (in->tokens && (tokens.rank != 2 || tokens.dim[1] != in->height * in->width * transformer_depth(in) || (in->time && d % 2)))
        return ctx->fail(
            ctx, TESS_E_SHAPE,
            "transformer: sequences of %lld tokens for a map of %lld x %lld, %lld a position; embed_dim %lld (even where there is time)",
            (long long)tokens.dim[1], (long long)in->height, (long long)in->width, (long long)transformer_depth(in), (long long)d);
    if (p->context && p->context < in->height * in->width)
        return ctx->fail(ctx, TESS_E_VALUE, "transformer: `context` is %lld, the map has %lld positions; set at least that, or 0",
                         (long long)p->context, (long long)(in->height * in->width));
    if (p->start_code >= in->vocabulary)
        return ctx->fail(ctx, TESS_E_VALUE, "transformer: `start_code` is %lld, the codes are 0 .. %lld; set one of them, or -1",
                         (long long)p->start_code, (long long)(in->vocabulary - 1));
    struct view all = {.causal = transformer_is_causal(in)}, last = all;
    /* Nothing looks at the last block's other tokens (10.6). Causal attention knows who is before whom by their order, and takes all. */
    last.positions = all.causal ? NULL : positions_of(in);
    struct tess_node *x = transformer_embed(p, g, in);
    for (int64_t l = 0; l < p->layers; l++)
        x = transformer_block(p, g, x, l, l == p->layers - 1 ? &last : &all);
    *logits = transformer_head(p, g, all.causal ? transformer_pick(g, x, positions_of(in)) : x, in->codebook_size);
    return TESS_OK;
}

static int record_next(void *self, struct tess_context *ctx, struct tess_graph *g, const struct tess_denoiser_next *in,
                       struct tess_node **logits)
{
    const struct transformer *p = self;
    struct view view = {.causal = 1, .next = in};
    (void)ctx;
    struct tess_node *x = embed_next(p, g, in);
    if (TESS_HAS(in, classes) && in->label)
        x = add_label(p, g, x, in->label, in->classes);
    for (int64_t l = 0; l < p->layers; l++)
        x = transformer_block(p, g, x, l, &view);
    *logits = transformer_head(p, g, x, in->codebook_size);
    return TESS_OK;
}

static const struct tess_denoiser_1 ops = {
    .size = sizeof ops, .record = transformer_record, .picks_positions = 1, .causal = 1, .record_next = record_next, .reads_depth = 1,
    .takes_labels = 1};

static const struct tess_param params[] = {
    {.name = "embed_dim",
     .help = "width of a token",
     .type = TESS_I64,
     .offset = offsetof(struct transformer, embed_dim),
     .lo = 1,
     .hi = 65536,
     .def = 128},
    {.name = "layers", .help = "blocks", .type = TESS_I64, .offset = offsetof(struct transformer, layers), .lo = 1, .hi = 1024, .def = 4},
    {.name = "heads",
     .help = "heads of attention; must divide embed_dim",
     .type = TESS_I64,
     .offset = offsetof(struct transformer, heads),
     .lo = 1,
     .hi = 1024,
     .def = 4},
    {.name = "mlp_ratio",
     .help = "width of the perceptron's hidden layer, as a multiple",
     .type = TESS_I64,
     .offset = offsetof(struct transformer, mlp_ratio),
     .lo = 1,
     .hi = 64,
     .def = 4},
    {.name = "dropout",
     .help = "share of values dropped after embedding, attention and perceptron",
     .type = TESS_F64,
     .offset = offsetof(struct transformer, dropout),
     .lo = 0,
     .hi = 0.99,
     .def = 0},
    {.name = "init",
     .help = "published: uniform by fan-in, embeddings normal; small: normal of 0.02 throughout",
     .type = TESS_ENUM,
     .offset = offsetof(struct transformer, init),
     .text = "published|small"},
    {.name = "start_code",
     .help = "under a causal noise: the code whose embedding stands in front of the first token; -1: a vector of its own",
     .type = TESS_I64,
     .flags = TESS_LATER,
     .offset = offsetof(struct transformer, start_code),
     .lo = -1,
     .hi = 1e9,
     .def = -1},
    {.name = "context",
     .help = "vectors of positions, of which a map uses the first; 0: as many as it has positions",
     .type = TESS_I64,
     .flags = TESS_LATER,
     .offset = offsetof(struct transformer, context),
     .lo = 0,
     .hi = 1e6,
     .def = 0},
    {.name = NULL}};

TESS_PLUGIN("tessera-transformer", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
            TESS_COMPONENT_DOCUMENTED("Vaswani et al., Attention Is All You Need, 2017; Bond-Taylor et al., Unleashing Transformers, 2022",
                                      "denoiser: {use: transformer, embed_dim: 128, layers: 4, heads: 4}", "transformer", "denoiser/1",
                                      "transformer over the codes, both ways or causal", sizeof(struct transformer), params,
                                      open_transformer, NULL, &ops));
