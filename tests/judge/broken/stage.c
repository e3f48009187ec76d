/* Stages that each break one promise of their description. None of them is run. SPDX-License-Identifier: MIT */
#include "tests/judge/broken/broken.h"

#include <tessera/kind/stage.h>

static int64_t asked;

static int plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    (void)self;
    (void)p;
    return ctx->fail(ctx, TESS_E_FAILED, "a stage that is only described");
}

static int run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    (void)self;
    (void)r;
    return ctx->fail(ctx, TESS_E_FAILED, "a stage that is only described");
}

static uint64_t depends(void *self)
{
    (void)self;
    return TESS_DEPENDS_SEED;
}

static uint64_t depends_more(void *self)
{
    (void)self;
    return UINT64_C(1) << 40;
}

static uint64_t depends_otherwise(void *self)
{
    (void)self;
    return asked++ % 2 ? TESS_DEPENDS_SEED : TESS_DEPENDS_NUMERIC;
}

#define CODES                                                                                                                              \
    {                                                                                                                                      \
        "codes", "codes", 0, "maps of codes"                                                                                               \
    }
#define END                                                                                                                                \
    {                                                                                                                                      \
        NULL, NULL, 0, NULL                                                                                                                \
    }
static const struct tess_port fine[] = {CODES, END}, twice[] = {CODES, CODES, END}, no_help[] = {{"codes", "codes", 0, ""}, END},
                              no_name[] = {{"", "codes", 0, "maps"}, END}, perhaps[] = {{"codes", "codes", 2, "maps"}, END};

#define STAGE(ports_, output_, depends_)                                                                                                   \
    {                                                                                                                                      \
        .size = sizeof(struct tess_stage_1), .ports = ports_, .output = output_, .plan = plan, .run = run, .depends = depends_,            \
        .port_stride = sizeof(struct tess_port)                                                                                            \
    }
static const struct tess_stage_1 honest = STAGE(fine, "codes", depends), no_output = STAGE(fine, "", depends),
                                 same_name = STAGE(twice, "codes", depends), without_help = STAGE(no_help, "codes", depends),
                                 without_name = STAGE(no_name, "codes", depends), optional = STAGE(perhaps, "codes", depends),
                                 unknown = STAGE(fine, "codes", depends_more), changing = STAGE(fine, "codes", depends_otherwise);

BROKEN_PARAMS(0)
static const struct tess_param taken[] = {
    {.name = "in", .help = "what ports are called", .type = TESS_I64, .offset = offsetof(struct broken, how), .hi = 1}, {.name = NULL}};

static const struct tess_component components[] = {BROKEN_ROW("honest", "stage/1", 0, &honest),
                                                   BROKEN_ROW("no-output", "stage/1", 0, &no_output),
                                                   BROKEN_ROW("same-name", "stage/1", 0, &same_name),
                                                   BROKEN_ROW("no-help", "stage/1", 0, &without_help),
                                                   BROKEN_ROW("no-name", "stage/1", 0, &without_name),
                                                   BROKEN_ROW("perhaps", "stage/1", 0, &optional),
                                                   BROKEN_ROW("unknown", "stage/1", 0, &unknown),
                                                   BROKEN_ROW("changing", "stage/1", 0, &changing),
                                                   {.name = "takes-in",
                                                    .kind = "stage/1",
                                                    .summary = "breaks one promise",
                                                    .params = taken,
                                                    .param_stride = sizeof(struct tess_param),
                                                    .self_size = sizeof(struct broken),
                                                    .ops = &honest},
                                                   {.name = NULL}};

static const char *const needs[] = {"graph/1", NULL};

TESS_EXPORT const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT("broken-stages", "1", "MIT", needs, components);
