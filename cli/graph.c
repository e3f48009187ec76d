/* `tessera graph`: the graphs of a stage, recorded as its plan records them, with their memory plan. SPDX-License-Identifier: MIT */
#include "cli/plan.h"

#include <tessera/graph.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct graph_verb {
    const char *stage;
    int32_t format;
    int64_t only, count; /* the graph that is wanted, 0: all; those of the stage so far */
    struct tessi_context context;
    int status;
};

/* A graph was sealed while a stage was planned. */
static void graph_show(void *user, const char *stage, const struct tess_graph *g)
{
    struct graph_verb *v = user;
    char *text = NULL;
    if (strcmp(stage, v->stage) != 0)
        return;
    v->count++;
    if (v->status != TESS_OK || (v->only && v->only != v->count))
        return;
    v->status = tess_graph_print(&v->context.context, g, v->format, &text);
    if (v->status == TESS_OK) {
        if (v->format == TESS_GRAPH_TEXT)
            printf("%s%s, graph %lld\n", v->count > 1 && !v->only ? "\n" : "", cli_shown(v->stage), (long long)v->count);
        fputs(text, stdout);
    }
    tess_free(text);
}

static int graph_number(const char *text, int64_t *out)
{
    char *end = NULL;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || errno || n < 1)
        return cli_usage_error("graph", "--graph wants an integer from 1 on, found `%s`", text);
    *out = n;
    return 0;
}

/* Takes the verb's own flags out of the arguments; the rest are those of `plan`. 0, or the exit code. */
static int graph_flags(int argc, char **argv, struct graph_verb *v, int *count, char **rest)
{
    int own = 1;
    *count = 0;
    rest[(*count)++] = argv[0];
    for (int i = 1; i < argc; i++) {
        const char *value = NULL, *flag = argv[i];
        int stage = own && strncmp(flag, "--stage", 7) == 0, number = own && strncmp(flag, "--graph", 7) == 0;
        own = own && strcmp(flag, "--") != 0;
        if (own && strcmp(flag, "--dot") == 0) {
            v->format = TESS_GRAPH_DOT;
            continue;
        }
        if ((!stage && !number) || (flag[7] && flag[7] != '=')) {
            rest[(*count)++] = argv[i];
            continue;
        }
        value = flag[7] == '=' ? flag + 8 : i + 1 < argc ? argv[++i] : "";
        if (stage && !*value)
            return cli_usage_error("graph", "--stage wants the name of a stage");
        if (stage)
            v->stage = value;
        else if (graph_number(value, &v->only) != 0)
            return tessi_base_exit_code(TESS_E_USAGE);
    }
    return v->stage ? 0 : cli_usage_error("graph", "wanted --stage NAME");
}

/* Why nothing was shown. */
static int graph_none(struct tess_context *ctx, const struct graph_verb *v, const struct tessi_pipeline *p)
{
    struct tessi_stage_view view;
    if (v->count)
        return ctx->fail(ctx, TESS_E_USAGE, "--graph %lld: stage `%s` has %lld", (long long)v->only, v->stage, (long long)v->count);
    for (int64_t i = 0; i < tessi_flow_pipeline_count(p); i++) {
        tessi_flow_pipeline_stage(p, i, &view);
        if (strcmp(view.name, v->stage) == 0)
            return ctx->fail(ctx, TESS_E_USAGE, "--stage %s: this stage plans without a graph", v->stage);
    }
    return ctx->fail(ctx, TESS_E_USAGE, "--stage %s: the pipeline has no stage of that name; `tessera plan` lists them", v->stage);
}

static int graph_with(struct cli_globals *g, int argc, char **argv, struct graph_verb *v)
{
    static struct cli_options w;
    struct tessi_runtime *r = NULL;
    struct tessi_pipeline *p = NULL;
    struct tess_context *ctx = &v->context.context;
    int code = cli_options_read(g, argc, argv, 0, &w);
    if (code)
        return code;
    w.options.graph_sealed = graph_show;
    w.options.graph_user = v;
    tessi_base_context_init(&v->context, NULL);
    int status = cli_options_open(ctx, g, &w, &r, &p);
    if (status == TESS_OK)
        status = v->status;
    if (status == TESS_OK && (!v->count || v->only > v->count))
        status = graph_none(ctx, v, p);
    code = status == TESS_OK ? 0 : cli_failed(ctx, status);
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(r);
    return code;
}

static int graph_run(struct cli_globals *g, int argc, char **argv)
{
    struct graph_verb v = {.format = TESS_GRAPH_TEXT};
    int count;
    char **rest = calloc((size_t)argc + 1, sizeof *rest);
    if (!rest)
        return cli_usage_error("graph", "no memory for the arguments");
    int code = graph_flags(argc, argv, &v, &count, rest);
    if (code == 0)
        code = graph_with(g, count, rest, &v);
    free(rest);
    return code;
}

const struct cli_verb cli_graph = {
    .name = "graph",
    .summary = "show the graphs of a stage and their memory plan",
    .usage =
        "usage: tessera graph --stage NAME P.yaml [key=value ...] [FLAGS]\n\n"
        "Plans the pipeline, computes nothing, and shows each graph that the stage records: every node with its scope, operation,\n"
        "operands, shape, the type it is kept in and its bytes; then the memory plan, each buffer with its place in the arena and the\n"
        "steps it lives in.\n\n"
        "  --stage NAME    the stage\n"
        "  --graph N       only its N-th graph (a stage that encodes and decodes has two)\n"
        "  --dot           a drawing for Graphviz: tessera graph --stage tokenizer --graph 1 --dot P.yaml | dot -Tsvg > graph.svg\n"
        "  --seed N, --set key=value   as for `tessera plan`\n",
    .run = graph_run,
};
