/* See fuzz.h. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "core/base/memory.h"
#include "core/flow/pipeline.h"
#include "core/config/yaml.h"

#include <tessera/exchange.h>
#include <tessera/kind/source.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct tessi_context context;
static struct tessi_runtime *runtime;
static char folder[64];

static void leave(void)
{
    char command[128];
    tessi_host_runtime_free(runtime);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    (void)!system(command);
}

static void start(void)
{
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/tessera-fuzz-XXXXXX" : "/tmp/tessera-fuzz-XXXXXX");
    tessi_base_context_init(&context, NULL);
    if (!mkdtemp(folder) || tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.threads = 1}, &runtime) != TESS_OK)
        abort();
    context.context.host = &runtime->host;
    (void)atexit(leave);
}

struct tess_context *fuzz_call(void)
{
    if (!runtime)
        start();
    tessi_base_context_clear(&context.context);
    return &context.context;
}

struct tessi_runtime *fuzz_runtime(void)
{
    (void)fuzz_call();
    return runtime;
}

const char *fuzz_folder(void)
{
    (void)fuzz_call();
    return folder;
}

const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0)
        abort();
    return path;
}

int fuzz_pipeline(const char *path, const char *const *override, int run)
{
    struct tess_context *ctx = fuzz_call();
    struct tessi_pipeline *p = NULL;
    struct tessi_pipeline_options o = {.path = path, .workdir = folder, .override = override};
    while (override && override[o.overrides])
        o.overrides++;
    int status = tessi_flow_pipeline_open(ctx, runtime, &o, &p);
    if (status == TESS_OK && run)
        status = tessi_flow_pipeline_run(ctx, p);
    tessi_flow_pipeline_free(p);
    return status;
}

struct tess_instance *fuzz_instance(const char *kind, const char *text)
{
    struct tess_context *ctx = fuzz_call();
    struct tessi_config *config = NULL;
    struct tess_instance *i = NULL;
    if (tessi_config_yaml_parse(ctx, text, strlen(text), "fuzz", &config) == TESS_OK &&
        tessi_plug_instance_new(ctx, runtime->registry, kind, config, NULL, NULL, 1, &i) != TESS_OK)
        i = NULL;
    tessi_config_free(config);
    return i;
}

void fuzz_source(const char *text)
{
    struct tess_instance *source = fuzz_instance("source/1", text);
    struct tess_image image = {.size = sizeof image};
    if (!source)
        return;
    const struct tess_source_1 *ops = tess_instance_ops(source, "source/1");
    void *self = tess_instance_self(source);
    int64_t n = ops->count(self);
    for (int64_t i = 0; i < n; i = i == 7 && n > 16 ? n - 8 : i + 1) {
        (void)!ops->read(self, fuzz_call(), i, &image);
        if (image.pixels && image.label >= 0 && ops->labels(self) > 0 && ops->class_name)
            (void)ops->class_name(self, image.label);
    }
    tess_image_free(&image);
    tess_instance_close(source);
}

/* Values read in pieces are those that are read at once; what fails in one way fails in the other. */
static void pieces(const struct tess_format_1 *ops, void *self, int64_t i, int64_t values, const float *whole, int status)
{
    enum { PIECE = 7 };
    float *to = calloc((size_t)values + 1, sizeof *to);
    int last = TESS_OK;
    for (int64_t at = 0; to && at < values && last == TESS_OK; at += PIECE)
        last = ops->read_part(self, fuzz_call(), i, at, values - at < PIECE ? values - at : PIECE, to + at);
    if (to && values && (last != status || (status == TESS_OK && memcmp(to, whole, (size_t)values * sizeof *to) != 0)))
        abort();
    free(to);
}

void fuzz_format(const char *name, const char *path)
{
    struct tess_instance *format = fuzz_instance("format/1", name);
    if (!format)
        return;
    const struct tess_format_1 *ops = tess_instance_ops(format, "format/1");
    void *self = tess_instance_self(format);
    int64_t n = ops->open_file(self, fuzz_call(), path) == TESS_OK ? ops->count(self) : 0;
    for (int64_t i = 0; i < n; i++) {
        const struct tess_entry *e = ops->entry(self, i);
        int64_t values = 1;
        for (int32_t d = 0; d < e->rank; d++)
            values = values > (1 << 20) ? values : values * e->dim[d];
        float *to = values <= 1 << 20 ? calloc((size_t)values + 1, sizeof *to) : NULL;
        int status = to ? ops->read(self, fuzz_call(), i, to) : TESS_OK;
        if (to && TESS_HAS(ops, read_part) && ops->read_part)
            pieces(ops, self, i, values, to, status);
        free(to);
    }
    tess_instance_close(format);
}

void fuzz_no_leak(void)
{
    static int64_t first = -1;
    int64_t now = tessi_base_memory_in_use();
    if (first < 0)
        first = now;
    if (now > first) {
        fprintf(stderr, "%lld bytes are left in use, %lld were\n", (long long)now, (long long)first);
        abort();
    }
}
