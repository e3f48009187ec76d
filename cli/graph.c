/* `tessera graph`: the pipeline as a drawing; or the graphs of a stage, recorded as its plan records them, with their memory plan.
 * SPDX-License-Identifier: MIT */
#include "cli/graph.h"
#include "core/base/aside.h"
#include "core/base/files.h"

#include <tessera/graph.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct graph_verb {
    struct cli_options w; /* first, so that the flags common to verbs of pipelines can be read into it */
    const char *stage, *format_name, *output;
    int format;
    FILE *to;
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
    v->status = tess_graph_print(&v->context.context, g, v->format == CLI_GRAPH_DOT ? TESS_GRAPH_DOT : TESS_GRAPH_TEXT, &text);
    if (v->status == TESS_OK) {
        if (v->format == CLI_GRAPH_TEXT)
            fprintf(v->to, "%s%s, graph %lld\n", v->count > 1 && !v->only ? "\n" : "", cli_shown(v->stage), (long long)v->count);
        fputs(text, v->to);
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

static const char *const graph_formats[] = {"text", "dot", "mermaid", "svg"};

/* Reads the name of the format: 0, or the exit code after a message. */
static int graph_choose(struct graph_verb *v, const char *verb)
{
    int n = (int)(sizeof graph_formats / sizeof *graph_formats);
    while (v->format_name && v->format < n && strcmp(v->format_name, graph_formats[v->format]) != 0)
        v->format++;
    if (v->format == n)
        return cli_usage_error(verb, "--format wants text, dot, mermaid or svg, found `%s`", v->format_name);
    if (v->stage && v->format > CLI_GRAPH_DOT)
        return cli_usage_error(verb, "--format %s is for pipelines; the graphs of a stage are shown as text or dot", v->format_name);
    if (v->only && !v->stage)
        return cli_usage_error(verb, "--graph wants --stage NAME");
    return 0;
}

static int graph_draw(struct graph_verb *v, const struct cli_globals *g)
{
    struct tess_context *ctx = &v->context.context;
    struct tessi_runtime *r = NULL;
    struct tessi_pipeline *p = NULL;
    v->w.options.graph_sealed = v->stage ? graph_show : NULL;
    v->w.options.graph_user = v;
    int status = cli_options_open(ctx, g, &v->w, &r, &p);
    if (status == TESS_OK)
        status = v->status;
    if (status == TESS_OK && v->stage && (!v->count || v->only > v->count))
        status = graph_none(ctx, v, p);
    if (status == TESS_OK && !v->stage)
        status = cli_graph_pipeline(ctx, p, v->format, v->to);
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(r);
    return status;
}

static int graph_run(struct cli_globals *g, int argc, char **argv)
{
    static struct graph_verb v;
    char *text = NULL;
    size_t bytes = 0;
    int code = cli_options_read(g, &cli_graph, argc, argv, &v.w);
    if (code == 0)
        code = graph_choose(&v, argv[0]);
    if (code)
        return code;
    tessi_base_context_init(&v.context, NULL);
    v.to = open_memstream(&text, &bytes);
    int status = v.to ? graph_draw(&v, g) : v.context.context.fail(&v.context.context, TESS_E_MEMORY, "no memory for a drawing");
    if (v.to && fclose(v.to) != 0 && status == TESS_OK)
        status = v.context.context.fail(&v.context.context, TESS_E_MEMORY, "no memory for a drawing");
    if (status == TESS_OK)
        status = tessi_base_not_over(&v.context.context, v.output, v.w.options.path);
    if (status == TESS_OK && v.output)
        status = tessi_base_write_text(&v.context.context, v.output, text, bytes);
    else if (status == TESS_OK)
        (void)fwrite(text, 1, bytes, stdout);
    free(text);
    return status == TESS_OK ? 0 : cli_failed(&v.context.context, status);
}

static const struct cli_flag flags[] = {{.name = "--format",
                                         .value = "FORMAT",
                                         .help = "text, dot (Graphviz), mermaid or svg",
                                         .initial = "text",
                                         .choices = "text dot mermaid svg",
                                         .type = CLI_TEXT,
                                         .offset = offsetof(struct graph_verb, format_name)},
                                        {.name = "--output",
                                         .brief = "-o",
                                         .value = "FILE",
                                         .help = "a file in place of standard output",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         .offset = offsetof(struct graph_verb, output)},
                                        {.name = "--stage",
                                         .value = "NAME",
                                         .help = "the graphs of operations of this stage, and their memory plan",
                                         .type = CLI_TEXT,
                                         .offset = offsetof(struct graph_verb, stage)},
                                        {.name = "--graph",
                                         .value = "N",
                                         .help = "only its N-th graph (a stage that encodes and decodes has two)",
                                         .type = CLI_INTEGER,
                                         .offset = offsetof(struct graph_verb, only),
                                         .lo = 1,
                                         .hi = 1000000},
                                        CLI_PIPELINE_FLAGS("as if this stage were not cached (may be repeated)"),
                                        {.name = NULL}};

const struct cli_verb cli_graph = {
    .name = "graph",
    .summary = "draw the pipeline, or show the graphs of a stage",
    .arguments = "P.yaml [key=value ...]",
    .description =
        "Plans the pipeline and computes nothing. Without --stage: its stages, what reads what, which are cached and why the others\n"
        "will run. With it, each graph that the stage records: every node with its scope, operation, operands, shape, the type it is\n"
        "kept in and its bytes; then the memory plan, each buffer with its place in the arena and the steps it lives in.\n",
    .flags = flags,
    .notes = "Drawings: tessera graph --format svg -o pipeline.svg P.yaml\n"
             "          tessera graph --stage tokenizer --graph 1 --format dot P.yaml | dot -Tsvg > graph.svg\n",
    .run = graph_run,
};
