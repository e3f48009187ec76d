/* Implementation of sampler.h. SPDX-License-Identifier: MIT */
#include "plugins/stages/sampler.h"

#include <string.h>

static int64_t tokens_of(const struct sampler *s)
{
    return s->prior->height * s->prior->width;
}

static int32_t *sequence(const struct sampler *s, int64_t i)
{
    return (int32_t *)s->x.data + i * tokens_of(s);
}

static int32_t *left(const struct sampler *s, int64_t i)
{
    return (int32_t *)s->left.data + i;
}

static int start(struct tess_call *c, const struct sampler *s)
{
    const struct tess_noise_1 *noise = tess_instance_ops(s->prior->noise, "noise/1");
    struct tess_stream random = {.seed = s->seed, .purpose = tess_purpose("sample.start")};
    for (int64_t i = 0; i < s->count; i++) {
        random.sample = (uint32_t)i;
        TESS_TRY(noise->start(tess_instance_self(s->prior->noise), c, &random, tokens_of(s), s->prior->codebook_size, sequence(s, i)));
        *left(s, i) = (int32_t)s->steps;
    }
    return TESS_OK;
}

int sampler_open(struct tess_call *c, struct sampler *s)
{
    int64_t batch = s->denoise->batch, tokens = tokens_of(s);
    void *memory;
    TESS_TRY(stage_tensor(c, &s->x, TESS_I32, 3, (const int64_t[]){s->count, s->prior->height, s->prior->width}));
    TESS_TRY(stage_tensor(c, &s->left, TESS_I32, 1, &s->count));
    TESS_TRY(stage_tensor(c, &s->tokens, TESS_I32, 2, (const int64_t[]){batch, tokens}));
    TESS_TRY(stage_tensor(c, &s->time, TESS_F32, 1, &batch));
    TESS_TRY(stage_tensor(c, &s->logits, TESS_F32, 3, (const int64_t[]){batch, tokens, s->prior->codebook_size}));
    TESS_TRY(tess_alloc(c, (size_t)batch * sizeof *s->active, "a list of sequences", &memory));
    s->active = memory;
    return start(c, s);
}

void sampler_close(struct sampler *s)
{
    struct tess_tensor *const all[] = {&s->x, &s->left, &s->tokens, &s->time, &s->logits};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        tess_free(all[i]->data);
        all[i]->data = NULL;
    }
    tess_free(s->active);
    s->active = NULL;
}

/* The next reverse step of sequence i. */
static struct tess_reverse step_of(const struct sampler *s, int64_t i, const float *logits)
{
    int32_t step = *left(s, i);
    return (struct tess_reverse){
        .size = sizeof(struct tess_reverse),
        .last = step == 1,
        .tokens = tokens_of(s),
        .codes = s->prior->codebook_size,
        .from = (double)step / (double)s->steps,
        .to = (double)(step - 1) / (double)s->steps,
        .temperature = s->temperature,
        .logits = logits,
        .x = sequence(s, i),
        .next = sequence(s, i),
        .random = {.seed = s->seed, .purpose = tess_purpose("sample.reverse"), .step = (uint32_t)step, .sample = (uint32_t)i}};
}

/* Over the steps that change nothing; 0 when none is left. */
static int waits(const struct sampler *s, int64_t i)
{
    const struct tess_noise_1 *noise = tess_instance_ops(s->prior->noise, "noise/1");
    int telling = !s->every_step && !noise->needs_time && noise->size > offsetof(struct tess_noise_1, changes) && noise->changes;
    for (; telling && *left(s, i) > 0; --*left(s, i)) {
        struct tess_reverse r = step_of(s, i, NULL);
        if (noise->changes(tess_instance_self(s->prior->noise), &r, NULL) > 0)
            break;
    }
    return *left(s, i) > 0;
}

static void fill(struct sampler *s)
{
    for (; s->actives < s->denoise->batch && s->next < s->count; s->next++)
        if (waits(s, s->next))
            s->active[s->actives++] = s->next;
}

static int denoise(struct tess_call *c, struct sampler *s)
{
    const struct tess_noise_1 *noise = tess_instance_ops(s->prior->noise, "noise/1");
    struct tess_tensor in[2] = {s->tokens, s->time};
    int64_t tokens = tokens_of(s), n = s->actives;
    for (int64_t k = 0; k < n; k++) {
        memcpy((int32_t *)s->tokens.data + k * tokens, sequence(s, s->active[k]), (size_t)tokens * sizeof(int32_t));
        ((float *)s->time.data)[k] = (float)((double)*left(s, s->active[k]) / (double)s->steps);
    }
    in[0].dim[0] = in[1].dim[0] = n;
    s->calls += n;
    return stage_graph_run(c, s->denoise, 0, 0, n, noise->needs_time ? 2 : 1, in, 1, &s->logits);
}

int sampler_advance(struct tess_call *c, struct sampler *s)
{
    const struct tess_noise_1 *noise = tess_instance_ops(s->prior->noise, "noise/1");
    int64_t row = tokens_of(s) * s->prior->codebook_size, still = 0;
    fill(s);
    if (s->actives == 0)
        return TESS_OK;
    TESS_TRY(denoise(c, s));
    for (int64_t k = 0; k < s->actives; k++) {
        int64_t i = s->active[k];
        struct tess_reverse r = step_of(s, i, (const float *)s->logits.data + k * row);
        TESS_TRY(noise->reverse(tess_instance_self(s->prior->noise), c, &r));
        --*left(s, i);
        if (waits(s, i))
            s->active[still++] = i;
    }
    s->actives = still;
    return TESS_OK;
}

int64_t sampler_steps_done(const struct sampler *s)
{
    int64_t done = s->count * s->steps;
    for (int64_t i = 0; i < s->count; i++)
        done -= *left(s, i);
    return done;
}

int sampler_finished(const struct sampler *s)
{
    return s->actives == 0 && s->next == s->count;
}
