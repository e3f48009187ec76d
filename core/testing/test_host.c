/* Host for a plugin's own tests: a runtime without a program around it. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/memory.h"
#include "core/host/runtime.h"

#include <tessera/test.h>

#include <stdlib.h>

struct tess_test_host {
    struct tessi_context context;
    struct tessi_runtime *runtime;
    int64_t before; /* bytes in use when the host was opened */
};

int tess_test_host_open(const struct tess_test_options *o, struct tess_test_host **out)
{
    static const struct tess_test_options defaults = {.size = sizeof defaults};
    const struct tess_test_options *given = o ? o : &defaults;
    struct tess_test_host *h = calloc(1, sizeof *h); /* not counted: the host is no part of the memory it accounts for */
    *out = h;
    if (!h)
        return TESS_E_MEMORY;
    tessi_base_context_init(&h->context, NULL);
    h->before = tessi_base_memory_in_use();
    if (!TESS_HAS(given, plugin_path))
        return h->context.context.fail(&h->context.context, TESS_E_USAGE,
                                       "tess_test_host_open: wanted options whose `size` is theirs, found %u", (unsigned)given->size);
    struct tessi_runtime_options options = {.threads = given->threads > 0 ? given->threads : 1,
                                            .backend = given->backend,
                                            .precision = given->precision,
                                            .plugin_path = given->plugin_path};
    TESS_TRY(tessi_host_runtime_new(&h->context.context, &options, &h->runtime));
    return tessi_host_runtime_compute(&h->context.context, h->runtime);
}

int64_t tess_test_host_close(struct tess_test_host *h)
{
    if (!h)
        return 0;
    tessi_host_runtime_free(h->runtime);
    int64_t left = tessi_base_memory_in_use() - h->before;
    free(h);
    return left;
}

struct tess_context *tess_test_context(struct tess_test_host *h)
{
    return &h->context.context;
}

const char *tess_test_message(const struct tess_test_host *h)
{
    return h ? tess_message(&h->context.context) : "";
}

int tess_test_add_file(struct tess_test_host *h, const char *path)
{
    struct tess_context *ctx = &h->context.context;
    tess_forget(ctx);
    if (!h->runtime)
        return ctx->fail(ctx, TESS_E_INTERNAL, "tess_test_add_file: the host was not opened");
    return tessi_plug_registry_add_file(ctx, h->runtime->registry, path);
}

int tess_test_add_plugin(struct tess_test_host *h, const struct tess_plugin *plugin)
{
    struct tess_context *ctx = &h->context.context;
    tess_forget(ctx);
    if (!h->runtime)
        return ctx->fail(ctx, TESS_E_INTERNAL, "tess_test_add_plugin: the host was not opened");
    return tessi_plug_registry_add_plugin(ctx, h->runtime->registry, plugin);
}

void tess_test_fail_allocation(int64_t n)
{
    tessi_base_memory_fail_at(n);
}
