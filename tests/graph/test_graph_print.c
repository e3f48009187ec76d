/* A graph as text: every node with its scope, operation, shape, storage and bytes, every buffer with its place and life.
 * SPDX-License-Identifier: MIT */
#include "tests/support/graphs.h"
#include "tests/support/suite.h"

#include "core/graph/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void record(struct fixture *b)
{
    struct tess_graph *g = b->graph;
    struct tess_node *x = tess_input(g, "image", TESS_F32, 2, DIMS(4, 6));
    tess_scope(g, "encoder");
    tess_scope(g, "block%d", 1);
    x = tess_swish(g, tess_linear(g, x, normal_weight(g, "w", 2, DIMS(5, 6), 0, 1), NULL));
    tess_scope_end(g);
    tess_scope_end(g);
    x = tess_reshape(g, x, 3, DIMS(4, 5, 1));
    tess_output(g, "latent", x);
    tess_objective(g, "loss", "", tess_mean_all(g, tess_square(g, x)));
}

static char *text_of(struct fixture *b, int32_t format)
{
    char *text = NULL;
    fixture_ok(b, tess_graph_print(&b->context.context, b->graph, format, &text));
    ck_assert_ptr_nonnull(text);
    return text;
}

/* The line of `text` that has `word` in it, without blanks that follow one another. */
static const char *line_with(const char *text, const char *word)
{
    static char line[1024];
    const char *at = strstr(text, word);
    size_t n = 0;
    ck_assert_msg(at != NULL, "no %s in\n%s", word, text);
    while (at > text && at[-1] != '\n')
        at--;
    for (; *at && *at != '\n' && n + 1 < sizeof line; at++)
        if (*at != ' ' || (n && line[n - 1] != ' '))
            line[n++] = *at;
    line[n] = 0;
    return line;
}

START_TEST(every_node_has_a_line)
{
    struct fixture b;
    fixture_open(&b, 1, 4, 2, 1);
    record(&b);
    char *text = text_of(&b, TESS_GRAPH_TEXT);
    ck_assert_ptr_nonnull(strstr(text, "not sealed: no memory is planned yet"));
    tess_free(text);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    text = text_of(&b, TESS_GRAPH_TEXT);
    ck_assert_str_eq(line_with(text, "graph:"), "graph: microbatches of 4, up to 2 of them, training; 8 nodes, 4 operations");
    ck_assert_str_eq(line_with(text, "%0 "), "%0 image input f32 (4, 6) f32 96");
    ck_assert_str_eq(line_with(text, "%1 "), "%1 encoder.block1.w weight f32 (5, 6) f32 120");
    ck_assert_str_eq(line_with(text, "linear"), "%2 encoder.block1 linear (%0, %1, -) f32 (4, 5) f32 80 buffer 0");
    ck_assert_str_eq(line_with(text, "swish"), "%3 encoder.block1 swish (%2) f32 (4, 5) f32 80 buffer 1");
    ck_assert_str_eq(line_with(text, "output latent"), "%4 alias of %3 f32 (4, 5, 1) f32 0 output latent");
    ck_assert_ptr_nonnull(strstr(line_with(text, "objective loss"), "alias of %6"));
    tess_free(text);
    fixture_close(&b);
}
END_TEST

START_TEST(every_buffer_has_its_place)
{
    struct fixture b;
    char wanted[160];
    fixture_open(&b, 1, 4, 2, 1);
    record(&b);
    fixture_ok(&b, tess_graph_seal(&b.context.context, b.graph));
    char *text = text_of(&b, TESS_GRAPH_TEXT);
    ck_assert_str_eq(line_with(text, "memory:"), "memory: forward steps 0 .. 3, results copied out at 4, backward steps 5 .. 9");
    const char *plan = strstr(text, "what\n");
    for (int64_t i = 0; i < b.graph->buffers; i++) {
        const struct tessi_buffer *k = &b.graph->buffer[i];
        snprintf(wanted, sizeof wanted, "%6lld  %12lld  %12lld  %6lld .. %-6lld ", (long long)i, (long long)k->offset, (long long)k->bytes,
                 (long long)k->from, (long long)k->to);
        const char *line = strstr(plan, wanted);
        ck_assert_msg(line && line[strlen(wanted)] != '\n', "no buffer %s with a name in\n%s", wanted,
                      plan); /* each is known for something */
    }
    ck_assert_ptr_nonnull(strstr(plan, "value of %3 swish"));
    ck_assert_ptr_nonnull(strstr(plan, "gradient of %2 loss"));
    ck_assert_ptr_nonnull(strstr(plan, "value of %2 linear")); /* the first buffer, which no node without a gradient claims */
    ck_assert_ptr_null(strstr(plan, "gradient of %0 loss"));
    snprintf(wanted, sizeof wanted, "arena of a worker: %lld bytes", (long long)b.graph->arena_bytes);
    ck_assert_ptr_nonnull(strstr(plan, wanted));
    tess_free(text);
    fixture_close(&b);
}
END_TEST

START_TEST(a_drawing)
{
    struct fixture b;
    char *text = NULL;
    fixture_open(&b, 1, 4, 2, 1);
    record(&b);
    text = text_of(&b, TESS_GRAPH_DOT);
    ck_assert(strncmp(text, "digraph ", 8) == 0 && strcmp(text + strlen(text) - 2, "}\n") == 0);
    ck_assert_ptr_nonnull(strstr(text, "n2 [label=\"encoder.block1\\nlinear\\nf32 (4, 5)\"]"));
    ck_assert_ptr_nonnull(strstr(text, "n0 -> n2;") && strstr(text, "n3 -> n4 [style=dashed];") ? text : NULL);
    tess_free(text);
    ck_assert_int_eq(tess_graph_print(&b.context.context, b.graph, 7, &text), TESS_E_VALUE);
    tess_forget(&b.context.context);
    ck_assert_int_eq(tess_graph_print(&b.context.context, NULL, TESS_GRAPH_DOT, &text), TESS_E_VALUE);
    tess_forget(&b.context.context);
    ck_assert_int_eq(tess_graph_print(&b.context.context, b.graph, TESS_GRAPH_DOT, NULL), TESS_E_VALUE);
    fixture_close(&b);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("graph print");
    TCase *t = tcase_create("graph print");
    tcase_add_test(t, every_node_has_a_line);
    tcase_add_test(t, every_buffer_has_its_place);
    tcase_add_test(t, a_drawing);
    suite_add_tcase(s, t);
    return suite_run(s);
}
