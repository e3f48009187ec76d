/* See sweep_fixture.h. SPDX-License-Identifier: MIT */
#include "tests/support/sweep_fixture.h"

#include "core/base/context.h"
#include "core/base/text.h"
#include "core/store/store.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

static const char sweep_pipeline[] = "tessera: 1\n"
                                     "name: group/t\n"
                                     "params: {K: 4}\n"
                                     "stages:\n"
                                     "  one: {use: flow-make, count: \"${K}\"}\n"
                                     "  two: {use: flow-make, count: \"${K}\", scale: 2}\n"
                                     "  sum: {use: flow-add, in: {a: one, b: two}}\n"
                                     "  walk: {use: flow-slow, in: {a: one}, steps: 30}\n"
                                     "sweep:\n"
                                     "  axes:\n"
                                     "    K: [4]\n"
                                     "    kind:\n"
                                     "      plain: {}\n"
                                     "      half: {sum.curve: {use: line, slope: 0.5}}\n"
                                     "    seed: [1, 2]\n";

void sweep_start(void)
{
    flow_start();
    flow_write("p.yaml", sweep_pipeline);
}

int sweep_count(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += strlen(word))
        n++;
    return n;
}

void sweep_expect_once(const char *trace)
{
    ck_assert_msg(sweep_count(trace, "flow-make") == SWEEP_MAKES && sweep_count(trace, "flow-add") == SWEEP_ADDS &&
                      sweep_count(trace, "flow-slow from 0") == SWEEP_WALKS,
                  "%s", trace);
}

const struct command_result *sweep_expect(const struct command_result *r, int code)
{
    ck_assert_msg(r->code == code, "wanted %d, found %d: %s%s", code, r->code, r->out, r->err);
    return r;
}

void sweep_expect_told(const char *text, const char *words)
{
    ck_assert_msg(strstr(text, words) != NULL, "wanted %s, found %s", words, text);
}

/* Digests of all results of a finished sweep in `workdir`, a line each. */
static const char *sweep_digests(const char *workdir)
{
    static const char *const variant[] = {"K=4,kind=plain,seed=1", "K=4,kind=plain,seed=2", "K=4,kind=half,seed=1", "K=4,kind=half,seed=2"};
    static const char *const stage[] = {"one", "two", "sum", "walk"};
    static char text[4096];
    *text = '\0';
    for (int i = 0; i < 16; i++) {
        char path[300];
        struct tessi_context context;
        struct tess_artefact *a = NULL;
        tessi_base_context_init(&context, NULL);
        snprintf(path, sizeof path, "%s/runs/group/t/%s/%s.h5", workdir, variant[i / 4], stage[i % 4]);
        ck_assert_msg(tessi_store_artefact_open(&context.context, path, &a) == TESS_OK, "%s", tessi_base_context_message(&context.context));
        tessi_base_add(text, sizeof text, "%s\n", tess_artefact_digest(a));
        tessi_store_artefact_close(a);
    }
    return text;
}

void sweep_expect_same(const char *one, const char *two)
{
    static char text[4096];
    snprintf(text, sizeof text, "%s", sweep_digests(one));
    ck_assert_str_eq(text, sweep_digests(two));
}

int sweep_left_behind(void)
{
    return flow_files("wild/runs/.cache", ".partial") + flow_files("wild/runs/.cache", ".checkpoint.h5");
}
