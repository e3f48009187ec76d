/* The sampler at work on one sequence, with logits that are known. SPDX-License-Identifier: MIT */
#include <tessera/kind/sampler.h>
#include <tessera/test.h>

#include <stdio.h>
#include <string.h>

enum { CODES = 3, TOKENS = 4, MASK = CODES };

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

static int holds(int condition, const char *what)
{
    printf("%-40s %s\n", what, condition ? "ok" : "not");
    return !condition;
}

/* A token that is decided, and three masked ones, the last the surest. Two steps are left: two of the three are revealed in the first. */
static int test_steps(struct tess_test_host *h, struct tess_instance *i)
{
    struct tess_context *ctx = tess_test_context(h);
    const struct tess_sampler_1 *sampler = (const struct tess_sampler_1 *)tess_instance_ops(i, "sampler/1");
    const float logits[TOKENS * CODES] = {0, 0, 0, 30, 0, 0, 20, 20, 0, 0, 0, 90};
    int32_t x[TOKENS] = {1, MASK, MASK, MASK};
    uint8_t where[TOKENS];
    struct tess_sampler_step s;
    struct tess_reverse r;
    memset(&s, 0, sizeof s);
    memset(&r, 0, sizeof r);
    s.size = sizeof s;
    s.left = s.steps = 2;
    s.reverse = &r;
    r.size = sizeof r;
    r.tokens = TOKENS;
    r.codebook_size = CODES;
    r.temperature = 1.0;
    r.logits = logits;
    r.x = r.next = x;
    int wrong = holds(sampler->reads(NULL, &s, where) == 3 && !where[0] && where[3], "logits of masked tokens are read");
    wrong += check(h, sampler->draw(NULL, ctx, &s), "a step");
    wrong += holds(x[0] == 1 && x[1] == 0 && x[2] == MASK && x[3] == 2, "the surest are revealed");
    s.left = 1;
    wrong += check(h, sampler->draw(NULL, ctx, &s), "the last step");
    return wrong + holds(x[0] == 1 && (x[2] == 0 || x[2] == 1), "the others follow");
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    wrong = wrong || check(h, tess_instance_open(tess_test_context(h), "sampler/1", "{use: template-name}", "test", &i), "opened");
    wrong = wrong || test_steps(h, i);
    tess_instance_close(i);
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
