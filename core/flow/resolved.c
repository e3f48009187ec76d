/* resolved.yaml: the pipeline as it was run, every default filled in, every path absolute, nothing left to look up. Run again it
 * has the same keys, so it computes nothing.
 *
 * SPDX-License-Identifier: MIT */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#include "core/base/files.h"
#include "core/flow/load.h"
#include "core/flow/flow_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Escapes `${` in texts, which would be taken for a reference when it is read again. */
static int resolved_escape(struct tess_context *ctx, struct tessi_config *s)
{
    for (struct tessi_config *child = s->child; child; child = child->next)
        TESS_TRY(resolved_escape(ctx, child));
    if (s->kind != TESSI_SCALAR || !s->text || !strstr(s->text, "${"))
        return TESS_OK;
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    for (const char *at = s->text; to && *at; at++) {
        if (strncmp(at, "${", 2) == 0)
            fputc('$', to);
        fputc(*at, to);
    }
    int status = to && fclose(to) == 0 ? tessi_config_set_text(ctx, s, text) : ctx->fail(ctx, TESS_E_MEMORY, "no memory for a text");
    free(text);
    return status;
}

static int print_value(struct tess_context *ctx, struct tessi_config *s, FILE *to)
{
    char *text = NULL;
    TESS_TRY(resolved_escape(ctx, s));
    TESS_TRY(tessi_config_print(ctx, s, &text));
    fputs(text, to);
    tess_free(text);
    return TESS_OK;
}

static int resolved_print_text(struct tess_context *ctx, const char *text, FILE *to)
{
    struct tessi_config *s = NULL;
    TESS_TRY(tessi_config_new(ctx, TESSI_SCALAR, "resolved", 1, 1, &s));
    s->quoted = 1;
    int status = tessi_config_set_text(ctx, s, text);
    if (status == TESS_OK)
        status = print_value(ctx, s, to);
    tessi_config_free(s);
    return status;
}

static int print_inputs(struct tess_context *ctx, const struct tessi_stage *s, FILE *to)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->inputs; i++) {
        const struct tessi_input *in = &s->input[i];
        if (!in->at)
            continue;
        fprintf(to, "%s%s: ", n++ ? ", " : "    in: {", in->port->name);
        TESS_TRY(resolved_print_text(ctx, in->file ? in->file : in->at->text, to));
    }
    if (n)
        fputs("}\n", to);
    return TESS_OK;
}

static int print_stage(struct tess_context *ctx, const struct tessi_stage *s, FILE *to)
{
    struct tessi_config *values = NULL; /* a copy, because references in it are escaped */
    TESS_TRY(tessi_config_copy(ctx, tessi_plug_instance_values(s->instance), &values));
    fprintf(to, "  %s:\n    use: %s\n", s->name, s->component->name);
    int status = print_inputs(ctx, s, to);
    if (s->own_seed)
        fprintf(to, "    seed: %" PRIu64 "\n", s->seed);
    for (struct tessi_config *value = values->child; value && status == TESS_OK; value = value->next) {
        if (strcmp(value->key, "use") == 0)
            continue;
        fprintf(to, "    %s: ", value->key);
        status = print_value(ctx, value, to);
        fputc('\n', to);
    }
    tessi_config_free(values);
    return status;
}

/* Prints the reference values, which no stage reads and reports show. */
static int print_references(struct tess_context *ctx, const struct tessi_config *references, FILE *to)
{
    struct tessi_config *copy = NULL;
    if (!references || !references->child)
        return TESS_OK;
    TESS_TRY(tessi_config_copy(ctx, references, &copy));
    fputs("references: ", to);
    int status = print_value(ctx, copy, to);
    fputc('\n', to);
    tessi_config_free(copy);
    return status;
}

static int resolved_print(struct tess_context *ctx, const struct tessi_pipeline *p, FILE *to)
{
    fprintf(to, "# %s with every default, written by tessera %s. `tessera run` takes it as it is.\ntessera: 1\nname: ", p->name,
            PACKAGE_VERSION);
    TESS_TRY(resolved_print_text(ctx, p->name, to));
    fprintf(to, "\nseed: %" PRIu64 "\nbackend: %s\nprecision: %s\n", p->seed, tess_instance_name(p->runtime->backend),
            tess_dtype_name(p->runtime->precision));
    TESS_TRY(print_references(ctx, tessi_config_child(p->root, "references"), to));
    fputs("stages:\n", to);
    for (int64_t i = 0; i < p->count; i++)
        TESS_TRY(print_stage(ctx, &p->stage[i], to));
    return TESS_OK;
}

int tessi_flow_resolved_text(struct tess_context *ctx, const struct tessi_pipeline *p, char **text, size_t *bytes)
{
    *text = NULL;
    FILE *to = open_memstream(text, bytes);
    if (!to)
        return ctx->fail(ctx, TESS_E_MEMORY, "no memory for resolved.yaml");
    int status = resolved_print(ctx, p, to);
    if (fclose(to) != 0 && status == TESS_OK)
        status = ctx->fail(ctx, TESS_E_MEMORY, "no memory for resolved.yaml");
    return status;
}
