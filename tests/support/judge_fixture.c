/* A runtime and verdicts for the judge's suites, see the header. SPDX-License-Identifier: MIT */
#include "tests/support/judge_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <string.h>

static struct tessi_runtime *runtime;

void judge_runtime_open(void)
{
    struct tessi_context context;
    tessi_base_context_init(&context, NULL);
    ck_assert_int_eq(tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.threads = 1}, &runtime), TESS_OK);
    ck_assert_int_eq(tessi_host_runtime_compute(&context.context, runtime), TESS_OK);
}

void judge_runtime_close(void)
{
    tessi_host_runtime_free(runtime);
}

struct tessi_runtime *judge_runtime(void)
{
    return runtime;
}

static void take_verdict(void *user, const struct tessi_judge_result *r)
{
    struct verdicts *v = user;
    char *text = r->outcome == TESSI_JUDGE_FAILED ? v->failed : r->outcome == TESSI_JUDGE_SKIPPED ? v->skipped : NULL;
    size_t used = text ? strlen(text) : 0;
    v->count++;
    if (text && used < sizeof v->failed - 1)
        snprintf(text + used, sizeof v->failed - used, "%s %s: %.300s [%.200s]\n", r->component, r->test, r->text, r->config);
}

int judge_verdicts(const struct tessi_judge_options *o, struct verdicts *v, struct tessi_judge_report *report, char *message)
{
    struct tessi_context context;
    memset(v, 0, sizeof *v);
    tessi_base_context_init(&context, NULL);
    int status = tessi_judge_run(&context.context, runtime, o, take_verdict, v, report);
    snprintf(message, TESSI_MESSAGE_CAPACITY, "%s", tess_message(&context.context));
    return status;
}
