/* Tests of parameters, for components of every kind: at the ends of their ranges, and drawn. With any parameters a component opens or
 * refuses with a message. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/base/memory.h"

#include <stdio.h>
#include <string.h>

/* The n-th value at an end of a parameter's range; 0: there is no further one. */
static int ranges_end(const struct tess_param *p, int64_t n, char *text, size_t capacity)
{
    if (p->type == TESS_ENUM)
        return tessi_plug_option(p, n, text, capacity);
    if (p->type == TESS_BOOL && n < 2)
        return snprintf(text, capacity, "%s", n ? "true" : "false") > 0;
    if ((p->type != TESS_I64 && p->type != TESS_F64 && p->type != TESS_LIST && p->type != TESS_LIST_F64) || n > 1)
        return 0;
    double value = n ? p->hi : p->lo;
    if (p->type == TESS_LIST || p->type == TESS_LIST_F64)
        return snprintf(text, capacity, p->type == TESS_LIST ? "[%.0f]" : "[%.17g]", value) > 0;
    return snprintf(text, capacity, p->type == TESS_I64 ? "%.0f" : "%.17g", value) > 0;
}

/* Opens told->config and closes: a refusal keeps the rules, and all memory comes back. */
static int ranges_try(struct judge *j, int *status)
{
    struct tess_instance *i;
    int64_t before = tessi_base_memory_in_use();
    *status = judge_open(j, j->ctx, 1, &i);
    JUDGE_TRY(judge_status(j, j->ctx, "open", *status));
    tess_instance_close(i);
    tess_forget(j->ctx);
    if (tessi_base_memory_in_use() > before)
        return judge_fail(j, "wanted all memory back after %s, found %lld bytes more in use", *status ? "a refusal" : "close",
                          (long long)(tessi_base_memory_in_use() - before));
    return TESS_OK;
}

/* Opens the component once before anything is measured, so that memory which the host keeps for later is allocated. */
static int ranges_begin(struct judge *j)
{
    struct tess_instance *i;
    if (!tessi_plug_param_at(j->component, 0))
        return judge_skip(j, "it has no parameters");
    JUDGE_TRY(judge_variant(j, 0, JUDGE_NEAR));
    (void)judge_open(j, j->ctx, 1, &i);
    tess_instance_close(i);
    return TESS_OK;
}

static int ranges_ends(struct judge *j)
{
    const struct tess_param *p;
    char text[80];
    int status;
    JUDGE_TRY(ranges_begin(j));
    for (int64_t i = 0; (p = tessi_plug_param_at(j->component, i)); i++)
        for (int64_t n = 0; ranges_end(p, n, text, sizeof text); n++) {
            JUDGE_TRY(judge_variant_with(j, p->name, text));
            JUDGE_TRY(ranges_try(j, &status));
        }
    return TESS_OK;
}

static int ranges_drawn(struct judge *j)
{
    int status;
    JUDGE_TRY(ranges_begin(j));
    for (int64_t v = 1; v <= 16 * (int64_t)j->level; v++) {
        JUDGE_TRY(judge_variant(j, v, JUDGE_WIDE));
        JUDGE_TRY(ranges_try(j, &status));
    }
    return TESS_OK;
}

static int ranges_near(struct judge *j)
{
    int status;
    JUDGE_TRY(ranges_begin(j));
    for (int64_t v = 1; v <= 16 * (int64_t)j->level; v++) {
        JUDGE_TRY(judge_variant(j, v, JUDGE_NEAR));
        JUDGE_TRY(ranges_try(j, &status));
    }
    return TESS_OK;
}

static int ranges_again(struct judge *j)
{
    JUDGE_TRY(ranges_begin(j));
    for (int64_t v = 1; v <= 8 * (int64_t)j->level; v++) {
        int first, again;
        JUDGE_TRY(judge_variant(j, v, JUDGE_WIDE));
        JUDGE_TRY(ranges_try(j, &first));
        JUDGE_TRY(ranges_try(j, &again));
        if (first != again)
            return judge_fail(j, "wanted the same of the same parameters, found status %d and then %d", first, again);
    }
    return TESS_OK;
}

/* Checks that a value outside its type is refused by the host, before the component sees it. */
static int ranges_outside(struct judge *j)
{
    const struct tess_param *p;
    struct tess_instance *i;
    char text[80];
    JUDGE_TRY(ranges_begin(j));
    for (int64_t n = 0; (p = tessi_plug_param_at(j->component, n)); n++) {
        if (p->type == TESS_STR || p->type == TESS_COMPONENT || p->type == TESS_LIST_STR || p->type == TESS_LIST_COMPONENT)
            continue;
        snprintf(text, sizeof text, "\"a text that is none\"");
        JUDGE_TRY(judge_variant_with(j, p->name, text));
        int status = judge_open(j, j->ctx, 1, &i);
        tess_instance_close(i);
        if (status == TESS_OK)
            return judge_fail(j, "wanted `%s: %s` to be refused, found that it opens", p->name, text);
        JUDGE_TRY(judge_status(j, j->ctx, "open", status));
        tess_forget(j->ctx);
    }
    return TESS_OK;
}

const struct judge_test judge_params_tests[] = {
    {"ends", 1, "every parameter at both ends of its range, every choice: opens or refuses with a sentence", ranges_ends},
    {"drawn", 1, "parameters drawn over their whole ranges: opens or refuses with a sentence", ranges_drawn},
    {"drawn-near", 1, "parameters drawn around the defaults: opens or refuses with a sentence", ranges_near},
    {"drawn-again", 1, "the same parameters open or are refused the same way again", ranges_again},
    {"outside", 1, "a parameter of another type is refused", ranges_outside},
    {NULL, 0, NULL, NULL}};
