/* Making, freeing and walking attributes. SPDX-License-Identifier: MIT */
#ifndef TESSI_ATTRIBUTES_PRIVATE_H
#define TESSI_ATTRIBUTES_PRIVATE_H

#include <tessera/attributes.h>

enum { TESSI_ATTR_I64 = 1, TESSI_ATTR_F64 = 2, TESSI_ATTR_TEXT = 3 };

struct tessi_attr {
    char *name;
    int32_t type;
    int64_t i64;
    double f64;
    char *text;
    int32_t at_most; /* 1: a planned upper bound, which any integer from 0 to i64 satisfies */
};
struct tess_attrs {
    struct tessi_attr *item;
    int64_t count, capacity;
};

int tessi_base_attrs_new(struct tess_context *ctx, struct tess_attrs **out) TESS_CHECKED;
void tessi_base_attrs_free(struct tess_attrs *f);
int tessi_base_attrs_copy(struct tess_context *ctx, const struct tess_attrs *from, struct tess_attrs *to) TESS_CHECKED;
/* 1 where both have the same names, types and values, in any order; else `name` receives the first name that differs. */
int tessi_base_attrs_equal(const struct tess_attrs *a, const struct tess_attrs *b, const char **name);

#endif
