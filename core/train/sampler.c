/* Reverse diffusion without idle calls; <tessera/sampler.h> says how. Sequences are taken in order; those that wait for the denoiser are
 * in `active`, each as long as it has steps left, and the next in line takes the place of one that is done.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/sampler.h>

#include <string.h>

struct tess_sampler {
    struct tess_sampler_options o;
    const struct tess_noise_1 *noise;
    void *self;
    int64_t tokens, calls;
    int telling;                                     /* the noise says beforehand which steps change something */
    struct tess_tensor x, left, input, time, logits; /* input, time, logits: of a batch */
    int64_t *active, actives, next;
};

static int tensor(struct tess_call *c, struct tess_tensor *t, int32_t dtype, int32_t rank, const int64_t *dim)
{
    *t = tess_tensor_over(NULL, dtype, rank, dim);
    return tess_alloc(c, tess_tensor_bytes(t), "samples", &t->data);
}

static int32_t *sequence(const struct tess_sampler *s, int64_t i)
{
    return (int32_t *)s->x.data + i * s->tokens;
}

static int32_t *left(const struct tess_sampler *s, int64_t i)
{
    return (int32_t *)s->left.data + i;
}

static int start(struct tess_call *c, const struct tess_sampler *s)
{
    struct tess_stream random = {.seed = s->o.seed, .purpose = tess_purpose("sample.start")};
    for (int64_t i = 0; i < s->o.count; i++) {
        random.sample = (uint32_t)i;
        TESS_TRY(s->noise->start(s->self, c, &random, s->tokens, s->o.prior->codebook_size, sequence(s, i)));
        *left(s, i) = (int32_t)s->o.steps;
    }
    return TESS_OK;
}

static int prepare(struct tess_call *c, struct tess_sampler *s)
{
    const struct tess_prior *p = s->o.prior;
    void *memory;
    s->noise = tess_instance_ops(p->noise, "noise/1");
    s->self = tess_instance_self(p->noise);
    s->tokens = p->height * p->width;
    s->telling = !s->o.every_step && !s->noise->needs_time && s->noise->size > offsetof(struct tess_noise_1, changes) && s->noise->changes;
    TESS_TRY(tensor(c, &s->x, TESS_I32, 3, (const int64_t[]){s->o.count, p->height, p->width}));
    TESS_TRY(tensor(c, &s->left, TESS_I32, 1, &s->o.count));
    TESS_TRY(tensor(c, &s->input, TESS_I32, 2, (const int64_t[]){s->o.batch, s->tokens}));
    TESS_TRY(tensor(c, &s->time, TESS_F32, 1, &s->o.batch));
    TESS_TRY(tensor(c, &s->logits, TESS_F32, 3, (const int64_t[]){s->o.batch, s->tokens, p->codebook_size}));
    TESS_TRY(tess_alloc(c, (size_t)s->o.batch * sizeof *s->active, "a list of sequences", &memory));
    s->active = memory;
    return start(c, s);
}

int tess_sampler_new(struct tess_call *c, const struct tess_sampler_options *o, struct tess_sampler **out)
{
    void *memory;
    *out = NULL;
    TESS_TRY(tess_alloc(c, sizeof(struct tess_sampler), "a sampler", &memory));
    struct tess_sampler *s = memory;
    memcpy(&s->o, o, o->size < sizeof s->o ? o->size : sizeof s->o);
    int status = prepare(c, s);
    if (status != TESS_OK) {
        tess_sampler_free(s);
        return status;
    }
    *out = s;
    return TESS_OK;
}

void tess_sampler_free(struct tess_sampler *s)
{
    if (!s)
        return;
    tess_free(s->x.data);
    tess_free(s->left.data);
    tess_free(s->input.data);
    tess_free(s->time.data);
    tess_free(s->logits.data);
    tess_free(s->active);
    tess_free(s);
}

/* The next reverse step of sequence i. */
static struct tess_reverse step_of(const struct tess_sampler *s, int64_t i, const float *logits)
{
    int32_t step = *left(s, i);
    return (struct tess_reverse){
        .size = sizeof(struct tess_reverse),
        .last = step == 1,
        .tokens = s->tokens,
        .codes = s->o.prior->codebook_size,
        .from = (double)step / (double)s->o.steps,
        .to = (double)(step - 1) / (double)s->o.steps,
        .temperature = s->o.temperature,
        .logits = logits,
        .x = sequence(s, i),
        .next = sequence(s, i),
        .random = {.seed = s->o.seed, .purpose = tess_purpose("sample.reverse"), .step = (uint32_t)step, .sample = (uint32_t)i}};
}

/* Over the steps that change nothing; 0 when none is left. */
static int waits(const struct tess_sampler *s, int64_t i)
{
    for (; s->telling && *left(s, i) > 0; --*left(s, i)) {
        struct tess_reverse r = step_of(s, i, NULL);
        if (s->noise->changes(s->self, &r, NULL) > 0)
            break;
    }
    return *left(s, i) > 0;
}

static void fill(struct tess_sampler *s)
{
    for (; s->actives < s->o.batch && s->next < s->o.count; s->next++)
        if (waits(s, s->next))
            s->active[s->actives++] = s->next;
}

static int denoise(struct tess_call *c, struct tess_sampler *s)
{
    struct tess_tensor in[2] = {s->input, s->time};
    for (int64_t k = 0; k < s->actives; k++) {
        memcpy((int32_t *)s->input.data + k * s->tokens, sequence(s, s->active[k]), (size_t)s->tokens * sizeof(int32_t));
        ((float *)s->time.data)[k] = (float)((double)*left(s, s->active[k]) / (double)s->o.steps);
    }
    in[0].dim[0] = in[1].dim[0] = s->actives;
    s->calls += s->actives;
    struct tess_batch b = {
        .size = sizeof b, .samples = s->actives, .inputs = s->noise->needs_time ? 2 : 1, .in = in, .outputs = 1, .out = &s->logits};
    return tess_graph_run(c, s->o.denoise, &b);
}

int tess_sampler_advance(struct tess_call *c, struct tess_sampler *s)
{
    int64_t row = s->tokens * s->o.prior->codebook_size, still = 0;
    fill(s);
    if (s->actives == 0)
        return TESS_OK;
    TESS_TRY(denoise(c, s));
    for (int64_t k = 0; k < s->actives; k++) {
        int64_t i = s->active[k];
        struct tess_reverse r = step_of(s, i, (const float *)s->logits.data + k * row);
        TESS_TRY(s->noise->reverse(s->self, c, &r));
        --*left(s, i);
        if (waits(s, i))
            s->active[still++] = i;
    }
    s->actives = still;
    return TESS_OK;
}

int tess_sampler_finished(const struct tess_sampler *s)
{
    return s->actives == 0 && s->next == s->o.count;
}

int64_t tess_sampler_steps_done(const struct tess_sampler *s)
{
    int64_t done = s->o.count * s->o.steps;
    for (int64_t i = 0; i < s->o.count; i++)
        done -= *left(s, i);
    return done;
}

struct tess_tensor tess_sampler_x(const struct tess_sampler *s)
{
    return s->x;
}

struct tess_tensor tess_sampler_left(const struct tess_sampler *s)
{
    return s->left;
}

int64_t *tess_sampler_calls(struct tess_sampler *s)
{
    return &s->calls;
}
