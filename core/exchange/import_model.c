/* Import of another program's checkpoint as a model: the file is read, identified, matched, and written as an artefact like one that was
 * trained here. SPDX-License-Identifier: MIT */
#include "core/base/attributes_private.h"
#include "core/exchange/exchange_private.h"
#include "core/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Opened once to learn which files there are, and again once those that are digested are open, so that nothing can come from files that
 * were there earlier. */
static int open_files(struct tess_context *ctx, struct tessi_import *m)
{
    const char *key = m->x->key ? m->x->key : "";
    struct tessi_runtime *runtime;
    TESS_TRY(tessi_base_runtime_need(ctx, &runtime));
    TESS_TRY(tessi_host_runtime_compute(ctx, runtime)); /* one of its threads more is for the digest, which asks whether there are any */
    TESS_TRY(tessi_exchange_weights_open(ctx, m->x->from, key, &m->files));
    TESS_TRY(tessi_exchange_import_digest_begin(ctx, m));
    tessi_exchange_weights_close(&m->files);
    return tessi_exchange_weights_open(ctx, m->x->from, key, &m->files);
}

static int import_model_open_tokenizer(struct tess_context *ctx, struct tessi_import *m)
{
    if (!m->x->tokenizer)
        return TESS_OK;
    TESS_TRY(tessi_store_artefact_open(ctx, m->x->tokenizer, &m->tokenizer));
    if (strcmp(tess_artefact_kind(m->tokenizer), "autoencoder") != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is of kind `%s`, an autoencoder was wanted for --tokenizer", m->x->tokenizer,
                       tess_artefact_kind(m->tokenizer));
    TESS_TRY(tessi_store_artefact_check_attrs(ctx, m->tokenizer));
    return TESS_OK;
}

/* A new plan over the names that begin with the prefix. */
static int import_model_start_plan(struct tess_context *ctx, struct tessi_import *m, const char *prefix, int loose)
{
    void *memory;
    tessi_exchange_names_free(&m->names);
    tessi_base_attrs_free(m->plan.attrs);
    tess_free(m->plan.use);
    m->plan = (struct tess_import_plan){.size = sizeof m->plan, .settings = m->files.settings};
    if (m->tokenizer)
        m->plan.tokenizer = tess_artefact_attrs(m->tokenizer);
    TESS_TRY(tessi_exchange_names_open(ctx, m->files.entries, m->files.entry, prefix, loose, &m->names));
    TESS_TRY(tess_alloc(ctx, (size_t)(m->names.count + 1) * sizeof *m->plan.use, "a list of tensors", &memory));
    m->plan.use = memory;
    m->plan.entry = m->names.entry;
    m->plan.entries = m->names.count;
    m->plan.order = m->names.order;
    return tessi_base_attrs_new(ctx, &m->plan.attrs);
}

/* Identifies the model in the file: the checkpoint's plugin plans the import from the entries' names behind the prefix. */
static int import_model_try(struct tess_context *ctx, struct tessi_import *m, const char *prefix, int loose)
{
    const struct tess_checkpoint_1 *checkpoint = tess_instance_ops(m->checkpoint, "checkpoint/1");
    TESS_TRY(import_model_start_plan(ctx, m, prefix, loose));
    int status = checkpoint->plan_import(tess_instance_self(m->checkpoint), ctx, &m->plan);
    if (status != TESS_OK)
        tess_prepend_message(ctx, "%s", m->x->from);
    return status;
}

/* Tries the names as they are, then without what may stand in front of them. Where none will do, the names as they are tell why. */
static int import_model_guess(struct tess_context *ctx, struct tessi_import *m)
{
    void *memory;
    int count = 0, fits = 0;
    TESS_TRY(tess_alloc(ctx, (TESSI_PREFIXES + 1) * TESS_ENTRY_NAME, "prefixes of names", &memory));
    char(*prefix)[TESS_ENTRY_NAME] = memory;
    int status = tessi_exchange_prefixes(ctx, m->files.entries, m->files.entry, prefix + 1, &count);
    for (int i = 0; i <= 2 * count + 1 && status == TESS_OK && !fits; i++) {
        const char *it = prefix[i % (count + 1)];
        status = import_model_try(ctx, m, it, i > count);
        fits = status == TESS_OK;
        (void)snprintf(m->prefix, sizeof m->prefix, "%s", it);
        if (status == TESS_E_DATA) {
            tess_forget(ctx);
            status = TESS_OK;
        }
    }
    tess_free(memory);
    m->names.prefix = m->prefix;
    if (status == TESS_OK && !fits) {
        m->prefix[0] = '\0';
        return import_model_try(ctx, m, "", 0);
    }
    return status;
}

/* For a prior, adds the digest of the tokenizer whose codes it models. */
static int import_model_tell(struct tess_context *ctx, struct tessi_import *m)
{
    (void)snprintf(m->prefix, sizeof m->prefix, "%s", m->x->prefix ? m->x->prefix : "");
    TESS_TRY(m->x->prefix ? import_model_try(ctx, m, m->prefix, 0) : import_model_guess(ctx, m));
    if (!m->plan.kind || (strcmp(m->plan.kind, "autoencoder") != 0 && strcmp(m->plan.kind, "prior") != 0))
        return ctx->fail(ctx, TESS_E_PLUGIN, "checkpoint/%s: wanted a plan of an autoencoder or a prior, found `%.64s`",
                       tess_instance_name(m->checkpoint), m->plan.kind ? m->plan.kind : "");
    if (strcmp(m->plan.kind, "prior") != 0) {
        if (m->tokenizer)
            return ctx->fail(ctx, TESS_E_USAGE, "%s: is an autoencoder, and --tokenizer is for priors; leave it out", m->x->from);
        return TESS_OK;
    }
    if (!m->tokenizer)
        return ctx->fail(ctx, TESS_E_USAGE,
                       "%s: is a prior, which is of the codes of one tokenizer; import that first, and give it with --tokenizer",
                       m->x->from);
    return tess_attrs_set_text(ctx, m->plan.attrs, "tokenizer", tess_tokenizer_digest(m->tokenizer));
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

static int write_artefact(struct tess_context *ctx, struct tessi_import *m, const char *summary, char digest[TESS_DIGEST_TEXT])
{
    struct tess_artefact *a = NULL;
    char plugins[512];
    const char *port[] = {"file", "tokenizer"}, *from[] = {m->digest, m->tokenizer ? tess_artefact_digest(m->tokenizer) : ""};
    const struct tessi_provenance about = {.plugin =
                                               tessi_exchange_plugins(m->checkpoint, m->files.part[0].format, plugins, sizeof plugins),
                                           .parameters = tess_instance_config_text(m->checkpoint),
                                           .tool = "tessera " PACKAGE_VERSION,
                                           .imported = summary,
                                           .inputs = m->tokenizer ? 2 : 1,
                                           .input_port = port,
                                           .input_digest = from};
    TESS_TRY(tessi_store_artefact_create(ctx, m->x->to, m->plan.kind, &a));
    int status = tessi_base_attrs_copy(ctx, m->plan.attrs, tess_artefact_describe(a));
    if (status == TESS_OK)
        status = tessi_exchange_import_weights(ctx, m, a);
    if (status == TESS_OK)
        status = tessi_exchange_import_digest_end(ctx, m);
    if (status == TESS_OK)
        status = tessi_host_witness_check(ctx, &m->witness);
    if (status == TESS_OK)
        return tessi_store_artefact_finish(ctx, a, &about, digest);
    tessi_store_artefact_close(a);
    return status;
}

static int import_model_write(struct tess_context *ctx, struct tessi_import *m, char digest[TESS_DIGEST_TEXT])
{
    char *summary;
    int status = tessi_exchange_import_summary(ctx, m, &summary);
    if (status == TESS_OK)
        status = write_artefact(ctx, m, summary, digest);
    free(summary);
    return status;
}

static int import_model_import(struct tess_context *ctx, struct tessi_import *m)
{
    char digest[TESS_DIGEST_TEXT];
    TESS_TRY(tessi_exchange_checkpoint_open(ctx, m->x, &m->checkpoint));
    TESS_TRY(import_model_open_tokenizer(ctx, m));
    TESS_TRY(open_files(ctx, m));
    TESS_TRY(import_model_tell(ctx, m));
    TESS_TRY(tessi_exchange_import_match(ctx, m));
    TESS_TRY(import_model_write(ctx, m, digest));
    if (m->x->report)
        tessi_exchange_import_report(m, digest, m->x->report);
    return TESS_OK;
}

int tessi_exchange_import_model(struct tess_context *ctx, const struct tessi_exchange *x)
{
    struct tessi_import m = {.x = x, .plan.size = sizeof m.plan};
    int status = import_model_import(ctx, &m);
    tessi_exchange_import_digest_free(&m.digesting);
    tess_graph_free(m.graph);
    tess_weights_free(m.weights);
    tess_tokenizer_close(&m.autoencoder);
    tess_prior_close(&m.prior);
    tess_instance_close(m.critic);
    tessi_base_attrs_free(m.plan.attrs);
    tess_free(m.plan.use);
    tess_free(m.source);
    tessi_host_witness_free(&m.witness);
    tessi_store_artefact_close(m.tokenizer);
    tessi_exchange_names_free(&m.names);
    tessi_exchange_weights_close(&m.files);
    tess_instance_close(m.checkpoint);
    return status;
}
