/* Components that each break one promise; which, their only parameter says, and the test that must notice. SPDX-License-Identifier: MIT */
#ifndef BROKEN_H
#define BROKEN_H

#include <tessera/tessera.h>

#include <stdlib.h>
#include <string.h>

/* Functions that open and close a component; a file that has some names them before it includes this. */
#ifndef BROKEN_OPEN
#define BROKEN_OPEN NULL
#define BROKEN_CLOSE NULL
#endif

struct broken {
    int64_t how; /* the promise that is broken; 0: none */
    int64_t count;
    void *memory;
};

/* A table whose one number can only be n. */
#define BROKEN_PARAMS(n)                                                                                                                   \
    static const struct tess_param params_##n[] = {{.name = "how",                                                                         \
                                                    .help = "the promise that is broken",                                                  \
                                                    .type = TESS_I64,                                                                      \
                                                    .offset = offsetof(struct broken, how),                                                \
                                                    .lo = n,                                                                               \
                                                    .hi = n + 0.25,                                                                        \
                                                    .def = n},                                                                             \
                                                   {.name = NULL}};
#define BROKEN_ROW(name_, kind_, n, ops_)                                                                                                  \
    {                                                                                                                                      \
        .name = name_, .kind = kind_, .summary = "breaks one promise", .params = params_##n, .param_stride = sizeof(struct tess_param),    \
        .self_size = sizeof(struct broken), .open = BROKEN_OPEN, .close = BROKEN_CLOSE, .ops = ops_                                        \
    }

static inline int64_t broken_how(void *self)
{
    return ((struct broken *)self)->how;
}

#endif
