/* Small stages for tests of core/flow: numbers made, added, made slowly with checkpoints, promised and not kept, and many.
 *
 * Each execution appends the stage's name to the file FLOW_TRACE names, so that a test can count what was computed. FLOW_KILL_AT
 * and FLOW_STOP_AT say at which step the slow one is killed, or asked to stop.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/tessera.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void trace(const char *name)
{
    const char *path = getenv("FLOW_TRACE");
    FILE *f = path ? fopen(path, "a") : NULL;
    if (f) {
        fprintf(f, "%s\n", name);
        fclose(f);
    }
}

static int put_numbers(struct tess_context *ctx, struct tess_artefact *a, const char *name, float *value, int64_t n)
{
    struct tess_tensor t = tess_tensor_over(value, TESS_F32, 1, &n);
    return tess_artefact_put(ctx, a, name, &t, NULL);
}

/* ---- curve/1: a component inside a stage ---------------------------------------------------------------------------- */

struct curve_ops {
    uint32_t size;
    double (*at)(void *self, double x);
};
struct line {
    double slope;
};
struct power {
    int64_t exponent;
};

static double line_at(void *self, double x)
{
    return ((struct line *)self)->slope * x;
}

static double power_at(void *self, double x)
{
    double y = 1;
    for (int64_t i = 0; i < ((struct power *)self)->exponent; i++)
        y *= x;
    return y;
}

static const struct curve_ops line_ops = {sizeof line_ops, line_at}, power_ops = {sizeof power_ops, power_at};
static const struct tess_param line_params[] = {
    {.name = "slope", .help = "slope", .type = TESS_F64, .offset = offsetof(struct line, slope), .lo = -10, .hi = 10, .def = 1}, {0}};
static const struct tess_param power_params[] = {
    {.name = "exponent", .help = "exponent", .type = TESS_I64, .offset = offsetof(struct power, exponent), .lo = 0, .hi = 8, .def = 2},
    {0}};

/* ---- flow-make: count numbers --------------------------------------------------------------------------------------- */

struct make {
    int64_t count, chatter, fewer;
    double scale;
    const char *label, *file;
};

static const struct tess_param make_params[] = {
    {.name = "count", .help = "how many", .type = TESS_I64, .offset = offsetof(struct make, count), .lo = 1, .hi = 1000, .def = 4},
    {.name = "scale", .help = "factor", .type = TESS_F64, .offset = offsetof(struct make, scale), .lo = -100, .hi = 100, .def = 1},
    {.name = "label", .help = "a text", .type = TESS_STR, .offset = offsetof(struct make, label), .text = "plain"},
    {.name = "chatter",
     .help = "lines",
     .type = TESS_I64,
     .flags = TESS_NEUTRAL,
     .offset = offsetof(struct make, chatter),
     .lo = 0,
     .hi = 9},
    {.name = "fewer", .help = "not made though planned", .type = TESS_I64, .offset = offsetof(struct make, fewer), .lo = -9, .hi = 1000},
    {.name = "file", .help = "file read", .type = TESS_STR, .flags = TESS_PATH, .offset = offsetof(struct make, file)},
    {0}};

static int make_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    struct make *m = self;
    p->cost->parameters = 1234;
    p->cost->total_bytes = 1 << 20;
    p->cost->flops = 5e9;
    p->steps = m->count;
    if (m->count == 13)
        return ctx->fail(ctx, TESS_E_SHAPE, "13 does not fit");
    return m->fewer ? tess_attrs_set_i64_at_most(ctx, p->out, "count", m->count) : tess_attrs_set_i64(ctx, p->out, "count", m->count);
}

static int make_fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    struct make *m = self;
    return m->file ? tess_digest_add_file(ctx, d, m->file) : TESS_OK;
}

static int make_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct make *m = self;
    float value[1000];
    trace("flow-make");
    for (int64_t i = 0; i < m->count; i++)
        value[i] = (float)(m->scale * (double)(i + 1)) + (float)tess_stage_seed(r);
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(tess_stage_output(r)), "count", m->count - m->fewer));
    TESS_TRY(tess_attrs_set_text(ctx, tess_artefact_describe(tess_stage_output(r)), "label", m->label));
    return put_numbers(ctx, tess_stage_output(r), "values", value, m->count);
}

static const struct tess_stage_1 make_ops = {
    .size = sizeof make_ops, .output = "numbers", .plan = make_plan, .fingerprint = make_fingerprint, .run = make_run};

/* ---- flow-add: one or two of them, through a curve ------------------------------------------------------------------- */

struct add {
    double offset;
    struct tess_instance *curve;
};

static const struct tess_param add_params[] = {
    {.name = "offset", .help = "added", .type = TESS_F64, .offset = offsetof(struct add, offset), .lo = -100, .hi = 100, .def = 0},
    {.name = "curve", .help = "applied", .type = TESS_COMPONENT, .offset = offsetof(struct add, curve), .text = "curve/1"},
    {0}};
static const struct tess_port add_ports[] = {{"a", "numbers|sums", 0, "the numbers"}, {"b", "numbers", 1, "more numbers"}, {0}};

static int add_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    int64_t n;
    (void)self;
    TESS_TRY(tess_attrs_i64(ctx, p->in[0], "count", &n));
    if (n == 3)
        return ctx->fail(ctx, TESS_E_SHAPE, "3 numbers do not fit");
    return tess_attrs_set_i64(ctx, p->out, "count", n);
}

static int add_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct add *s = self;
    const struct tess_artefact *in[2] = {tess_stage_input(r, "a"), tess_stage_input(r, "b")};
    const struct curve_ops *curve = s->curve ? tess_instance_ops(s->curve, "curve/1") : NULL;
    float value[1000] = {0};
    uint8_t pixels[4] = {0, 80, 160, 255};
    double total = 0;
    int64_t n = tess_attrs_i64_or(tess_artefact_attrs(in[0]), "count", 0);
    trace("flow-add");
    for (int k = 0; k < 2; k++) {
        struct tess_tensor t;
        if (!in[k])
            continue;
        TESS_TRY(tess_artefact_load(ctx, in[k], "values", TESS_F32, &t));
        for (int64_t i = 0; i < n && i < t.dim[0]; i++)
            value[i] += ((float *)t.data)[i];
        tess_free(t.data);
    }
    for (int64_t i = 0; i < n; i++) {
        value[i] = (float)((curve ? curve->at(tess_instance_self(s->curve), (double)value[i]) : (double)value[i]) + s->offset);
        total += (double)value[i];
    }
    struct tess_artefact *out = tess_stage_output(r);
    struct tess_tensor picture = tess_tensor_over(pixels, TESS_U8, 3, (const int64_t[]){2, 2, 1});
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(out), "count", n));
    TESS_TRY(put_numbers(ctx, out, "values", value, n));
    TESS_TRY(tess_artefact_put_metric(ctx, out, "total", total, "points"));
    if (getenv("FLOW_WARN"))
        tess_stage_warn(r, "%s", getenv("FLOW_WARN"));
    return tess_artefact_put_picture(ctx, out, "dots", &picture);
}

static const struct tess_stage_1 add_ops = {.size = sizeof add_ops, .ports = add_ports, .output = "sums", .plan = add_plan, .run = add_run};

/* ---- flow-slow: a recurrence of many steps, a checkpoint after each one that is due ---------------------------------- */

struct slow {
    int64_t steps;
};
struct state {
    int32_t step;
    float x;
};

static const struct tess_param slow_params[] = {
    {.name = "steps", .help = "steps", .type = TESS_I64, .offset = offsetof(struct slow, steps), .lo = 1, .hi = 1e6, .def = 50}, {0}};
static const struct tess_port slow_ports[] = {{"a", "numbers", 1, "where to begin"}, {0}};

static int slow_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    p->steps = ((struct slow *)self)->steps;
    return tess_attrs_set_i64(ctx, p->out, "steps", p->steps);
}

static int write_state(void *user, struct tess_context *ctx, struct tess_artefact *a)
{
    struct state *s = user;
    const int64_t one = 1;
    struct tess_tensor step = tess_tensor_over(&s->step, TESS_I32, 1, &one), x = tess_tensor_over(&s->x, TESS_F32, 1, &one);
    TESS_TRY(tess_artefact_put(ctx, a, "step", &step, NULL));
    return tess_artefact_put(ctx, a, "x", &x, NULL);
}

static int is_step(const char *variable, int32_t step)
{
    const char *text = getenv(variable);
    return text && atoi(text) == step;
}

static int slow_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct state s = {0, 0.25f};
    const int64_t one = 1;
    const struct tess_artefact *checkpoint = tess_stage_resume(r);
    if (checkpoint) {
        struct tess_tensor step = tess_tensor_over(&s.step, TESS_I32, 1, &one), x = tess_tensor_over(&s.x, TESS_F32, 1, &one);
        TESS_TRY(tess_artefact_read(ctx, checkpoint, "step", 0, &step));
        TESS_TRY(tess_artefact_read(ctx, checkpoint, "x", 0, &x));
    }
    char name[64];
    snprintf(name, sizeof name, "flow-slow from %d", (int)s.step);
    trace(name);
    while (s.step < ((struct slow *)self)->steps) {
        s.x = 3.7f * s.x * (1 - s.x);
        s.step++;
        tess_stage_progress(r, s.step, ((struct slow *)self)->steps, "step", "x", (double)s.x);
        if (is_step("FLOW_STOP_AT", s.step))
            raise(SIGTERM);
        if (is_step("FLOW_MARK_AT", s.step))
            raise(SIGUSR1);
        if (tess_stage_stopping(r)) {
            TESS_TRY(tess_stage_checkpoint(ctx, r, write_state, &s));
            return ctx->fail(ctx, TESS_E_STOPPED, "asked to stop");
        }
        if (tess_stage_checkpoint_due(r))
            TESS_TRY(tess_stage_checkpoint(ctx, r, write_state, &s));
        if (is_step("FLOW_KILL_AT", s.step))
            raise(SIGKILL);
    }
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(tess_stage_output(r)), "steps", ((struct slow *)self)->steps));
    return put_numbers(ctx, tess_stage_output(r), "values", &s.x, 1);
}

static const struct tess_stage_1 slow_ops = {
    .size = sizeof slow_ops, .ports = slow_ports, .output = "slow", .plan = slow_plan, .run = slow_run};

/* ---- flow-liar and flow-big ----------------------------------------------------------------------------------------- */

struct big {
    int64_t kib, claim;
};

static const struct tess_param big_params[] = {
    {.name = "kib", .help = "size", .type = TESS_I64, .offset = offsetof(struct big, kib), .lo = 1, .hi = 65536, .def = 4096},
    {.name = "claim",
     .help = "MiB it says it will write; -1 is no size, and with -2 its plan fails without a message",
     .type = TESS_I64,
     .offset = offsetof(struct big, claim),
     .lo = -2,
     .hi = 1 << 30},
    {0}};

static int liar_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    (void)self;
    return tess_attrs_set_i64(ctx, p->out, "height", 28);
}

static int liar_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    float x = 1;
    (void)self;
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(tess_stage_output(r)), "height", 29));
    return put_numbers(ctx, tess_stage_output(r), "values", &x, 1);
}

static int big_plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    int64_t claim = ((struct big *)self)->claim;
    (void)ctx;
    p->output_bytes = claim * (1 << 20);
    return claim == -2 ? TESS_E_DATA : TESS_OK;
}

static int big_run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    void *memory;
    int64_t n = ((struct big *)self)->kib * 256;
    trace("flow-big");
    TESS_TRY(tess_alloc(ctx, (size_t)n * sizeof(float), "many numbers", &memory));
    float *value = memory;
    for (int64_t i = 0; i < n; i++)
        value[i] = (float)(i * 7919 % 10007);
    int status = put_numbers(ctx, tess_stage_output(r), "values", value, n);
    tess_free(memory);
    return status;
}

static const struct tess_stage_1 liar_ops = {.size = sizeof liar_ops, .output = "numbers", .plan = liar_plan, .run = liar_run};
static const struct tess_stage_1 big_ops = {.size = sizeof big_ops, .output = "numbers", .plan = big_plan, .run = big_run};

/* ---- two backends that differ in their numeric class ---------------------------------------------------------------- */

static const char *class_one(void *self)
{
    (void)self;
    return "flow one";
}

static const char *class_two(void *self)
{
    (void)self;
    return "flow two";
}

static int dense_plan(void *self, struct tess_context *ctx, const struct tess_kernel_desc *d, struct tess_kernel *out)
{
    (void)self, (void)d, (void)out;
    return ctx->fail(ctx, TESS_E_VALUE, "this backend computes nothing");
}

static int dense_run(void *self, const struct tess_kernel *k, const struct tess_kernel_run *r)
{
    (void)self, (void)k, (void)r;
    return TESS_E_INTERNAL;
}

static void dense_drop(void *self, struct tess_kernel *k)
{
    (void)self, (void)k;
}

static const struct tess_backend_1 one_ops = {
    .size = sizeof one_ops, .numeric_class = class_one, .plan = dense_plan, .run = dense_run, .drop = dense_drop};
static const struct tess_backend_1 two_ops = {
    .size = sizeof two_ops, .numeric_class = class_two, .plan = dense_plan, .run = dense_run, .drop = dense_drop};

#define STAGE(name, table, type, functions) TESS_COMPONENT(name, "stage/1", "for tests", sizeof(struct type), table, NULL, NULL, &functions)

TESS_PLUGIN("tessera-test-flow", "1.0", "MIT", TESS_NEEDS_NONE, STAGE("flow-make", make_params, make, make_ops),
            STAGE("flow-add", add_params, add, add_ops), STAGE("flow-slow", slow_params, slow, slow_ops),
            STAGE("flow-big", big_params, big, big_ops),
            TESS_COMPONENT("flow-liar", "stage/1", "for tests", 0, NULL, NULL, NULL, &liar_ops),
            TESS_COMPONENT("line", "curve/1", "slope x", sizeof(struct line), line_params, NULL, NULL, &line_ops),
            TESS_COMPONENT("power", "curve/1", "x^n", sizeof(struct power), power_params, NULL, NULL, &power_ops),
            TESS_COMPONENT("flow-one", "backend/1", "for tests", 0, NULL, NULL, NULL, &one_ops),
            TESS_COMPONENT("flow-two", "backend/1", "for tests", 0, NULL, NULL, NULL, &two_ops));
