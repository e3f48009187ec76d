/* A bench for tests of plugins: a folder of one's own, filled with chosen fixtures, and a host that scans it.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_PLUG_FIXTURE_H
#define TESTS_SUPPORT_PLUG_FIXTURE_H

#include "core/plug/plug_private.h"
#include "core/host/runtime.h"

struct plug_fixture {
    char folder[256];
    struct tessi_runtime *runtime;
    struct tessi_context context;
    struct tess_context *ctx; /* &call.call */
};

/* A fresh folder, and a host; nothing is scanned yet. */
void plug_start(struct plug_fixture *b);
/* Puts the fixture NAME.so into the folder (under `sub`, "" for none). */
void plug_add(struct plug_fixture *b, const char *sub, const char *name);
/* A file of the folder with this text. */
void plug_write(struct plug_fixture *b, const char *name, const char *text);
/* The runtime whose registry has looked at the folder. */
void plug_scan(struct plug_fixture *b);
void plug_end(struct plug_fixture *b);

/* Parses YAML and opens it as a component; the failure's message, or NULL. The caller closes *out. */
const char *plug_open(struct plug_fixture *b, const char *kind, const char *yaml, int open, struct tess_instance **out);
/* Reason why the file NAME.so was refused; "" when it was accepted, NULL when the scan did not meet it. */
const char *plug_refusal(const struct plug_fixture *b, const char *name);

#endif
