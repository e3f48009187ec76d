/* The process's runtime: the services for plugins, and the backend, precision and threads to compute with.
 *
 * Plugins link the library and call its functions; a service's pointer only says that the group is there.
 *
 * SPDX-License-Identifier: MIT */
#include "core/host/runtime.h"
#include "core/plug/plug_private.h"
#include "core/kernels/kernels.h"
#include "core/ranks/ranks.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

int tessi_host_runtime_new(struct tess_context *ctx, const struct tessi_runtime_options *o, struct tessi_runtime **out)
{
    void *memory = NULL;
    const struct tess_host *before = ctx->host;
    *out = NULL;
    TESS_TRY(tess_alloc(ctx, sizeof(struct tessi_runtime), "the runtime", &memory));
    struct tessi_runtime *r = memory;
    r->host = (struct tess_host){sizeof r->host, TESS_ABI_MAJOR, TESS_ABI_MINOR, tessi_base_host_service};
    r->threads = o->threads;
    ctx->host = &r->host;
    int status = o->backend ? tessi_host_runtime_choose_backend(ctx, r, o->backend) : TESS_OK;
    if (status == TESS_OK && o->precision)
        status = tessi_host_runtime_choose_precision(ctx, r, o->precision);
    if (status == TESS_OK)
        status = tessi_base_log_new(ctx, o->terminal, o->level, o->colour, &r->log);
    if (status == TESS_OK)
        status = tessi_plug_registry_new(ctx, o->plugin_path, o->trial_seconds, &r->registry);
    if (status != TESS_OK) {
        ctx->host = before;
        tessi_host_runtime_free(r);
        r = NULL;
    }
    *out = r;
    return status;
}

int tessi_host_runtime_choose_backend(struct tess_context *ctx, struct tessi_runtime *r, const char *name)
{
    if (*r->backend_name)
        return TESS_OK;
    if (strlen(name) >= sizeof r->backend_name || *name == '\0')
        return ctx->fail(ctx, TESS_E_USAGE, "wanted the name of a backend, found \"%.64s\"", name);
    if (r->backend && strcmp(name, tess_instance_name(r->backend)) != 0)
        return ctx->fail(ctx, TESS_E_INTERNAL, "the backend `%s` is at work already; `%s` was asked for too late",
                       tess_instance_name(r->backend), name);
    snprintf(r->backend_name, sizeof r->backend_name, "%s", name);
    return TESS_OK;
}

int tessi_host_runtime_choose_precision(struct tess_context *ctx, struct tessi_runtime *r, const char *name)
{
    if (*r->precision_name)
        return TESS_OK;
    if (strcmp(name, "f32") != 0 && strcmp(name, "bf16") != 0 && strcmp(name, "auto") != 0)
        return ctx->fail(ctx, TESS_E_VALUE, "precision is auto, f32 or bf16, found `%.64s`", name);
    snprintf(r->precision_name, sizeof r->precision_name, "%s", name);
    return TESS_OK;
}

/* Says where plugins were looked for when there is none at all: the program was moved without them, or TESSERA_PLUGIN_PATH is wrong. */
static int no_plugins(struct tess_context *ctx, const struct tessi_runtime *r, char *text, size_t capacity)
{
    const char *folder, *note;
    for (int64_t i = 0; (folder = tessi_plug_registry_folder(r->registry, i, &note)); i++)
        tessi_base_add(text, capacity, "%s%s (%s)", i ? ", " : ", nor any other plugin; looked in ", folder, *note ? note : "none in it");
    return ctx->fail(ctx, TESS_E_PLUGIN, "%s; install the program with its plugins", text);
}

static int no_backend(struct tess_context *ctx, const struct tessi_runtime *r, const char *name)
{
    char text[1400];
    const struct tess_component *k;
    int64_t found = 0;
    if (*name)
        snprintf(text, sizeof text, "no backend is called `%s`", name);
    else
        snprintf(text, sizeof text, "there is no backend");
    for (int64_t i = 0; (k = tessi_plug_registry_component(r->registry, i, NULL)); i++)
        if (strcmp(k->kind, "backend/1") == 0)
            tessi_base_add(text, sizeof text, "%s`%s`", found++ ? ", " : "; there are ", k->name);
    tessi_plug_add_refused(r->registry, "backend/1", name, text, sizeof text);
    if (tessi_plug_registry_files(r->registry) == 0)
        return no_plugins(ctx, r, text, sizeof text);
    tessi_base_add(text, sizeof text,
              "; a backend is built where its library was there: install that, configure and build again, or see"
              " `tessera plugins --why`");
    return ctx->fail(ctx, TESS_E_PLUGIN, "%s", text);
}

static int32_t preference_of(const struct tess_component *k)
{
    const struct tess_backend_1 *ops = k->ops;
    return TESS_HAS(ops, preference) ? ops->preference : 0;
}

/* The backend of highest preference among those after `last`, in the order of preference and, of equals, of names; NULL when there is none.
 * */
static const struct tess_component *next_backend(const struct tessi_runtime *r, const struct tess_component *last)
{
    const struct tess_component *k, *best = NULL;
    for (int64_t i = 0; (k = tessi_plug_registry_component(r->registry, i, NULL)); i++) {
        if (strcmp(k->kind, "backend/1") != 0)
            continue;
        int32_t stated = preference_of(k), limit = last ? preference_of(last) : INT32_MAX;
        int after = !last || stated < limit || (stated == limit && strcmp(k->name, last->name) > 0);
        if (after && (!best || stated > preference_of(best)))
            best = k;
    }
    return best;
}

static int open_backend(struct tess_context *ctx, struct tessi_runtime *r, const char *name)
{
    struct tessi_config *config = NULL;
    TESS_TRY(tessi_config_new(ctx, TESSI_SCALAR, "command line", 1, 1, &config));
    config->quoted = 1;
    int status = tessi_config_set_text(ctx, config, name);
    if (status == TESS_OK)
        status = tessi_plug_instance_new(ctx, r->registry, "backend/1", config, NULL, NULL, 1, &r->backend);
    tessi_config_free(config);
    return status;
}

/* Finds the backend that was named, or else the first, by preference, whose library is there and can be used: what is wrong with those
 * before is said, as results are of the backend. Want of memory says nothing about a library, and must not change what is computed. */
static int find_backend(struct tess_context *ctx, struct tessi_runtime *r)
{
    if (*r->backend_name)
        return tessi_plug_registry_find(r->registry, "backend/1", r->backend_name, NULL) ? open_backend(ctx, r, r->backend_name)
                                                                                    : no_backend(ctx, r, r->backend_name);
    const struct tess_component *k = next_backend(r, NULL), *next;
    if (!k)
        return no_backend(ctx, r, "");
    for (int status; (status = open_backend(ctx, r, k->name)) != TESS_OK; k = next) {
        next = next_backend(r, k);
        if (!next || status != TESS_E_PLUGIN)
            return status;
        tessi_base_log_warn(r->log, "the backend `%s` is taken, as `%s` cannot be: %s", next->name, k->name, tess_message(ctx));
        tess_forget(ctx);
    }
    return TESS_OK;
}

int tessi_host_runtime_multiplies(const struct tessi_runtime *r, int32_t dtype)
{
    const struct tess_backend_1 *b = r->backend_ops;
    return TESS_HAS(b, multiplies) && b->multiplies ? b->multiplies(r->backend_self, dtype) : 0;
}

int tessi_host_runtime_reserve(struct tess_context *ctx, struct tessi_runtime *r)
{
    const struct tess_backend_1 *b = r->backend_ops;
    if (!r->reserved && TESS_HAS(b, reserve) && b->reserve)
        TESS_TRY(b->reserve(r->backend_self, ctx, tessi_base_workers_count(r->workers)));
    r->reserved = 1;
    return TESS_OK;
}

/* The precision that was asked for; auto is bf16 where the backend says that this processor multiplies it by itself. */
static int32_t precision_of(const struct tessi_runtime *r)
{
    if (strcmp(r->precision_name, "auto") == 0)
        return tessi_host_runtime_multiplies(r, TESS_BF16) ? TESS_BF16 : TESS_F32;
    return strcmp(r->precision_name, "bf16") == 0 ? TESS_BF16 : TESS_F32;
}

static int start_workers(struct tess_context *ctx, struct tessi_runtime *r)
{
    int threads = r->threads > 0 ? r->threads : tessi_base_processors();
    TESS_TRY(tessi_base_workers_new(ctx, threads, &r->workers));
    int started = tessi_base_workers_count(r->workers);
    if (started < threads)
        tessi_base_log_note(r->log, "%d of %d threads: the system starts no more of them (see `ulimit -u`); it goes on with these", started,
                            threads);
    return TESS_OK;
}

int tessi_host_runtime_compute(struct tess_context *ctx, struct tessi_runtime *r)
{
    if (r->backend_ops)
        return TESS_OK;
    if (!r->backend) /* before there are threads: its library may be told things through the environment */
        TESS_TRY(find_backend(ctx, r));
    if (!r->workers)
        TESS_TRY(start_workers(ctx, r));
    const struct tess_backend_1 *ops = tess_instance_ops(r->backend, "backend/1");
    void *self = tess_instance_self(r->backend);
    if (!ops->numeric_class || !ops->plan || !ops->run || !ops->drop)
        return ctx->fail(ctx, TESS_E_PLUGIN, "backend/%s: wanted numeric_class, plan, run and drop, found one of them missing",
                       tess_instance_name(r->backend));
    const char *numeric_class = ops->numeric_class(self);
    if (!numeric_class || !*numeric_class)
        return ctx->fail(ctx, TESS_E_PLUGIN, "backend/%s: wanted a numeric class for cache keys, found none",
                         tess_instance_name(r->backend));
    r->backend_self = self;
    r->backend_ops = ops;
    r->precision = precision_of(r);
    snprintf(r->numeric_mode, sizeof r->numeric_mode, "%s, %s, kernels %s%s", tess_dtype_name(r->precision), numeric_class,
             tessi_kernels_name(), tessi_kernels_order());
    return TESS_OK;
}

int tessi_host_runtime_join(struct tess_context *ctx, struct tessi_runtime *r, const char *transport,
                            const struct tessi_ranks_joining *joining)
{
    TESS_TRY(tess_instance_open(ctx, "transport/1", transport, "the ranks", &r->transport));
    return tessi_ranks_open(ctx, tess_instance_ops(r->transport, "transport/1"), tess_instance_self(r->transport), joining, &r->ranks);
}

void tessi_host_runtime_free(struct tessi_runtime *r)
{
    if (!r)
        return;
    tessi_ranks_close(r->ranks, TESS_E_FAILED); /* closed before where all went well */
    tess_instance_close(r->transport);
    tessi_base_workers_free(r->workers);
    tess_instance_close(r->backend);
    tessi_plug_registry_free(r->registry);
    tessi_base_log_free(r->log);
    tessi_host_file_digests_close(r->files);
    tess_free(r);
}
