/* A stage that reads a file, for tests of keys; its plugin comes of another epoch than the program. The environment has commands for the
 * shell, to be run just before and after it reads: FLOW_BEFORE_READ, FLOW_AFTER_READ.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/tessera.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef FLOW_READER_CONSTANT
#define FLOW_READER_CONSTANT 0.0f /* initial value, which a rebuilt plugin may change */
#endif

/* Bytes of the plugin's description; one that was built long ago ends before the epoch. */
#ifdef FLOW_READER_OLDER
#define FLOW_READER_SIZE offsetof(struct tess_plugin, epoch)
#else
#define FLOW_READER_SIZE sizeof tess_plugin_1
#endif

struct reader {
    const char *file;
};

static int plan(void *self, struct tess_context *ctx, struct tess_stage_plan *p)
{
    (void)self;
    p->steps = 1;
    return tess_attrs_set_i64(ctx, p->out, "count", 1);
}

static int fingerprint(void *self, struct tess_context *ctx, struct tess_digest *d)
{
    struct reader *s = self;
    return tess_digest_add_files(ctx, d, 1, &s->file);
}

static int meanwhile(struct tess_context *ctx, const char *name)
{
    const char *command = getenv(name);
    return command && system(command) != 0 ? ctx->fail(ctx, TESS_E_INTERNAL, "%s failed", name) : TESS_OK;
}

/* The sum of its bytes is all that is made of a file. */
static int run(void *self, struct tess_context *ctx, struct tess_stage_run *r)
{
    struct reader *s = self;
    const int64_t one = 1;
    float sum = FLOW_READER_CONSTANT;
    TESS_TRY(meanwhile(ctx, "FLOW_BEFORE_READ"));
    FILE *f = fopen(s->file, "rb");
    if (!f)
        return ctx->fail(ctx, TESS_E_IO, "%s: %s", s->file, strerror(errno));
    for (int byte = getc(f); byte != EOF; byte = getc(f))
        sum += (float)byte;
    fclose(f);
    TESS_TRY(meanwhile(ctx, "FLOW_AFTER_READ"));
    TESS_TRY(tess_attrs_set_i64(ctx, tess_artefact_describe(tess_stage_output(r)), "count", 1));
    struct tess_tensor t = tess_tensor_over(&sum, TESS_F32, 1, &one);
    return tess_artefact_put(ctx, tess_stage_output(r), "values", &t, NULL);
}

static const struct tess_param params[] = {{.name = "file",
                                            .help = "what it reads",
                                            .type = TESS_STR,
                                            .flags = TESS_REQUIRED | TESS_PATH,
                                            .offset = offsetof(struct reader, file)},
                                           {0}};
static const struct tess_port ports[] = {{0}};
static const struct tess_stage_1 ops = {
    .size = sizeof ops, .ports = ports, .output = "numbers", .plan = plan, .fingerprint = fingerprint, .run = run};
static const struct tess_component components[] = {
    TESS_COMPONENT("flow-read", "stage/1", "for tests", sizeof(struct reader), params, NULL, NULL, &ops), TESS_COMPONENT_END};

const struct tess_plugin tess_plugin_1 = {.size = FLOW_READER_SIZE,
                                          .abi_major = TESS_ABI_MAJOR,
                                          .abi_minor = TESS_ABI_MINOR,
                                          .component_stride = sizeof(struct tess_component),
                                          .id = "tessera-test-reader",
                                          .version = "1.0",
                                          .license = "MIT",
                                          .components = components,
                                          .epoch = TESS_EPOCH + 1};
