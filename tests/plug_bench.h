/* A bench for tests of plugins: a folder of one's own, filled with chosen fixtures, and a host that scans it.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_PLUG_BENCH_H
#define TESTS_PLUG_BENCH_H

#include "core/plug/plug_private.h"
#include "core/plug/runtime.h"

struct bench {
    char folder[256];
    struct tessi_runtime *runtime;
    struct tessi_call call;
    struct tess_call *c; /* &call.call */
};

/* A fresh folder, and a host; nothing is scanned yet. */
void bench_start(struct bench *b);
/* Puts the fixture NAME.so into the folder (under `sub`, "" for none). */
void bench_add(struct bench *b, const char *sub, const char *name);
/* A file of the folder with this text. */
void bench_write(struct bench *b, const char *name, const char *text);
/* The runtime whose registry has looked at the folder. */
void bench_scan(struct bench *b);
void bench_end(struct bench *b);

/* Parses YAML and opens it as a component; the failure's message, or NULL. The caller closes *out. */
const char *bench_open(struct bench *b, const char *kind, const char *yaml, int open, struct tess_instance **out);
/* What became of the file NAME.so: its refusal, "" when accepted, NULL when it was not looked at. */
const char *bench_refusal(const struct bench *b, const char *name);

#endif
