/* Warnings about parameters of a training (TESS_TRAINING_PARAMS) that make sense each alone but not together. They are no errors: a trial
 * of twenty steps is a run like any other, and so is a pipeline with parameters that its other parameters leave without effect. Values that
 * are wrong in any case (outside their range, a batch that no number of microbatches divides) are errors elsewhere.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/flow_private.h"
#include "core/flow/load.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Training parameters in a stage's struct; a stage that lacks one is no training. */
struct training {
    const int64_t *steps, *batch, *warmup, *ema_every;
    const double *lr, *lr_final, *ema_decay;
    const int32_t *schedule;
    const int64_t *log_every, *adversarial_start; /* NULL: the stage has none */
};

static const void *advice_member(const struct tess_instance *i, const char *name, int32_t type)
{
    const struct tess_component *k = tessi_plug_instance_component(i);
    const struct tess_param *p;
    for (int64_t row = 0; (p = tessi_plug_param_at(k, row)); row++)
        if (strcmp(p->name, name) == 0 && p->type == type)
            return (const char *)tess_instance_self(i) + p->offset;
    return NULL;
}

static int advice_is_training(const struct tess_instance *i, struct training *t)
{
    *t = (struct training){
        .steps = advice_member(i, "steps", TESS_I64),
        .batch = advice_member(i, "batch", TESS_I64),
        .warmup = advice_member(i, "warmup", TESS_I64),
        .ema_every = advice_member(i, "ema_every", TESS_I64),
        .lr = advice_member(i, "lr", TESS_F64),
        .lr_final = advice_member(i, "lr_final", TESS_F64),
        .ema_decay = advice_member(i, "ema_decay", TESS_F64),
        .schedule = advice_member(i, "schedule", TESS_ENUM),
        .log_every = advice_member(i, "log_every", TESS_I64),
        .adversarial_start = advice_member(i, "adversarial_start", TESS_I64),
    };
    return t->steps && t->batch && t->warmup && t->ema_every && t->lr && t->lr_final && t->ema_decay && t->schedule;
}

/* Notes a contradiction at the first of two keys that the pipeline says, or at the stage. */
static void TESS_PRINTF(5, 6)
    advice_note(const struct tessi_pipeline *p, const struct tessi_stage *s, const char *key, const char *other, const char *format, ...)
{
    char text[400];
    const struct tessi_config *at = tessi_config_child(s->config, key);
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (!at && other)
        at = tessi_config_child(s->config, other);
    tessi_base_log_note(p->runtime->log, "%s:%d:%d: stage `%s`: %s", at ? at->file : s->config->file,
                        (int)(at ? at->line : s->config->key_line), (int)(at ? at->column : s->config->key_column), s->name, text);
}

/* Number of training samples: images or codes of the first input that says how many there are. */
static int64_t samples_of(const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    int64_t n = 0;
    for (int64_t k = 0; k < s->inputs && n == 0; k++) {
        const struct tess_attrs *f = s->input[k].stage >= 0 ? p->stage[s->input[k].stage].attrs : s->input[k].file_attrs;
        n = f ? tess_attrs_i64_or(f, "train_count", 0) : 0;
    }
    return n;
}

void tessi_flow_stage_advise(const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    struct training t;
    if (!advice_is_training(s->instance, &t) || *t.steps == 0)
        return;
    int64_t samples = samples_of(p, s), steps = *t.steps;
    if (*t.warmup > steps)
        advice_note(p, s, "warmup", "steps",
             "`warmup: %" PRId64 "` is more than `steps: %" PRId64 "`: the learning rate gets to %.3g of `lr: %.6g` and no further",
             *t.warmup, steps, (double)steps / (double)*t.warmup, *t.lr);
    if (*t.lr == 0.0)
        advice_note(p, s, "lr", NULL, "`lr: 0` learns nothing in all of its %" PRId64 " steps; `steps: 0` takes no time for that", steps);
    if (*t.lr_final > 0.0 && *t.schedule == 0)
        advice_note(p, s, "lr_final", NULL, "`lr_final` counts with `schedule: cosine` alone, and the schedule is constant");
    if (*t.ema_every > 1 && *t.ema_decay == 0.0)
        advice_note(p, s, "ema_every", NULL, "`ema_every` counts where there is an `ema_decay` alone, and there is none");
    if (*t.ema_decay > 0.0 && *t.ema_every > steps)
        advice_note(p, s, "ema_every", "steps",
                    "`ema_every: %" PRId64 "` is more than `steps: %" PRId64 "`: the average, which is kept, is that of the first weights",
                    *t.ema_every, steps);
    if (t.log_every && *t.log_every > steps && tessi_config_child(s->config, "log_every")) /* not its default */
        advice_note(p, s, "log_every", "steps",
                    "`log_every: %" PRId64 "` is more than `steps: %" PRId64 "`: nothing of it goes to the log before its end",
                    *t.log_every, steps);
    if (t.adversarial_start && *t.adversarial_start >= steps && tessi_config_child(s->config, "critic"))
        advice_note(p, s, "adversarial_start", "steps",
                    "`adversarial_start: %" PRId64 "` is not within `steps: %" PRId64 "`: the critic is trained and never counts",
                    *t.adversarial_start, steps);
    if (samples > 0 && *t.batch > samples)
        advice_note(p, s, "batch", NULL,
             "`batch: %" PRId64 "` is more than the %" PRId64 " samples to train on, which each batch has again and again", *t.batch,
             samples);
}
