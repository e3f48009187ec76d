/* `tessera graph`: the graphs of a stage, recorded as its plan records them, with their memory plan. SPDX-License-Identifier: MIT */
#include "cli/plan.h"

#include <tessera/graph.h>

#include <stdio.h>
#include <string.h>

struct graph_verb {
    struct cli_options w; /* first, so that the flags common to verbs of pipelines can be read into it */
    const char *stage;
    int dot;
    int64_t only, count; /* only: number of the graph that is wanted, 0: all; count: graphs of the stage so far */
    struct tessi_context context;
    int status;
};

/* Callback for each graph that is sealed while a stage is planned: prints it where it is wanted. */
static void graph_show(void *user, const char *stage, const struct tess_graph *g)
{
    struct graph_verb *v = user;
    char *text = NULL;
    if (strcmp(stage, v->stage) != 0)
        return;
    v->count++;
    if (v->status != TESS_OK || (v->only && v->only != v->count))
        return;
    v->status = tess_graph_print(&v->context.context, g, v->dot ? TESS_GRAPH_DOT : TESS_GRAPH_TEXT, &text);
    if (v->status == TESS_OK) {
        if (!v->dot)
            printf("%s%s, graph %lld\n", v->count > 1 && !v->only ? "\n" : "", cli_shown(v->stage), (long long)v->count);
        fputs(text, stdout);
    }
    tess_free(text);
}

/* Message for a stage without the graph that was asked for. */
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

static int graph_run(struct cli_globals *g, int argc, char **argv)
{
    static struct graph_verb v;
    struct tessi_runtime *r = NULL;
    struct tessi_pipeline *p = NULL;
    struct tess_context *ctx = &v.context.context;
    int code = cli_options_read(g, &cli_graph, argc, argv, &v.w);
    if (code == 0 && !v.stage)
        code = cli_usage_error(argv[0], "wanted --stage NAME");
    if (code)
        return code;
    v.w.options.graph_sealed = graph_show;
    v.w.options.graph_user = &v;
    tessi_base_context_init(&v.context, NULL);
    int status = cli_options_open(ctx, g, &v.w, &r, &p);
    if (status == TESS_OK)
        status = v.status;
    if (status == TESS_OK && (!v.count || v.only > v.count))
        status = graph_none(ctx, &v, p);
    code = status == TESS_OK ? 0 : cli_failed(ctx, status);
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(r);
    return code;
}

static const struct cli_flag flags[] = {
    {.name = "--stage", .value = "NAME", .help = "the stage", .type = CLI_TEXT, .offset = offsetof(struct graph_verb, stage)},
    {.name = "--graph",
     .value = "N",
     .help = "only its N-th graph (a stage that encodes and decodes has two)",
     .type = CLI_INTEGER,
     .offset = offsetof(struct graph_verb, only),
     .lo = 1,
     .hi = 1000000},
    {.name = "--dot", .help = "a drawing for Graphviz", .type = CLI_SWITCH, .offset = offsetof(struct graph_verb, dot)},
    CLI_PIPELINE_FLAGS("as if this stage were not cached (may be repeated)"),
    {.name = NULL}};

const struct cli_verb cli_graph = {
    .name = "graph",
    .summary = "show the graphs of a stage and their memory plan",
    .arguments = "--stage NAME P.yaml [key=value ...]",
    .description =
        "Plans the pipeline, computes nothing, and shows each graph that the stage records: every node with its scope, operation,\n"
        "operands, shape, the type it is kept in and its bytes; then the memory plan, each buffer with its place in the arena and the\n"
        "steps it lives in.\n",
    .flags = flags,
    .notes = "A drawing: tessera graph --stage tokenizer --graph 1 --dot P.yaml | dot -Tsvg > graph.svg\n",
    .run = graph_run,
};
