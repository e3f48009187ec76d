/* Making, freeing and walking facts. SPDX-License-Identifier: MIT */
#ifndef TESSI_FACTS_PRIVATE_H
#define TESSI_FACTS_PRIVATE_H

#include <tessera/facts.h>

enum { TESSI_FACT_I64 = 1, TESSI_FACT_F64 = 2, TESSI_FACT_TEXT = 3 };

struct tessi_fact {
    char *name;
    int32_t type;
    int64_t i64;
    double f64;
    char *text;
    int32_t at_most; /* planned: any integer from 0 to i64 will do */
};
struct tess_facts {
    struct tessi_fact *item;
    int64_t count, room;
};

int tessi_facts_new(struct tess_call *c, struct tess_facts **out) TESS_CHECKED;
void tessi_facts_free(struct tess_facts *f);
int tessi_facts_copy(struct tess_call *c, const struct tess_facts *from, struct tess_facts *to) TESS_CHECKED;
/* Same names, types and values, in any order; on a difference names the first one in `name`. */
int tessi_facts_equal(const struct tess_facts *a, const struct tess_facts *b, const char **name);

#endif
