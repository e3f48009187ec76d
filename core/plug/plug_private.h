/* Declarations shared by the files of core/plug. SPDX-License-Identifier: MIT */
#ifndef TESSI_PLUG_PRIVATE_H
#define TESSI_PLUG_PRIVATE_H

#include "core/base/text.h"
#include "core/config/scalar.h"
#include "core/plug/registry.h"

/* ---- tables -------------------------------------------------------------------------------------------------------- */

/* "encoder" of "encoder/1", as a length for %.*s. */
int tessi_plug_kind_length(const char *kind);
/* Bytes and alignment of the member behind a parameter of this type; 0 for an unknown type. */
size_t tessi_plug_param_bytes(int32_t type, size_t *align);
/* The i-th choice of an enum "l1|l2", into text; 0 past the end. */
int tessi_plug_option(const struct tess_param *p, int64_t i, char *text, size_t capacity);
/* Index of a name in an enum, or -1. */
int64_t tessi_plug_option_index(const struct tess_param *p, const char *name);
/* Whether it is one of the lists. */
int tessi_plug_is_list(int32_t type);
/* i-th item of a list's default; 0 past the end. */
int tessi_plug_list_item(const struct tess_param *p, int64_t i, char *item, size_t capacity);
/* Former names of a parameter, "rate|learning_rate", or NULL; and whether `name` is one of them. */
const char *tessi_plug_param_former(const struct tess_component *k, const struct tess_param *p);
int tessi_plug_was_called(const struct tess_component *k, const struct tess_param *p, const char *name);
/* Kind and, in `like`, the other parameter's name ("" for none) of a component parameter; 0 when the text does not say so. */
int tessi_plug_component_text(const struct tess_param *p, char *kind, size_t kind_capacity, char *like, size_t like_capacity);
/* The values a parameter takes, for errors: "an integer 1 .. 4096". */
const char *tessi_plug_param_wants(const struct tess_param *p, char *text, size_t capacity);
const struct tess_param *tessi_plug_param_named(const struct tess_component *k, const char *name, int64_t *index);

/* Everything the host promises to check before a plugin's code runs, but for names other files took. 1: fine; 0: `why` says,
 * without the path, what was wanted and what was found. */
int tessi_plug_plugin_check(const struct tess_plugin *p, const struct tess_host *host, char *why, size_t capacity);
/* Opens one file and checks what is in it; NULL and the reason, without the path, when it is refused. */
const struct tess_plugin *tessi_plug_plugin_open(const char *path, const struct tess_host *host, char *why, size_t capacity);
/* The same for a file of whoever: examined, digested and tried in a process of its own before, unless it is of the release (`shipped`);
 * what it is refused for is in `why`, and *out NULL. `digest` is "" for one of the release. Fails where the file or a process cannot be
 * had. */
int tessi_plug_registry_open_file(struct tess_context *ctx, const struct tessi_registry *r, const char *path, int shipped,
                                  char digest[TESS_DIGEST_TEXT], const struct tess_plugin **out, char *why, size_t capacity) TESS_CHECKED;
/* The folder, beside plugins, of the files that are loaded when a component is opened. */
#define TESSI_LIBRARIES "libraries"
/* The file of the library that component k of p names, beside the plugin's file; 0: it names none, or the path is too long. */
int tessi_plug_module_path(const char *file, const struct tess_plugin *p, const struct tess_component *k, char *path, size_t capacity);
/* Adds what is to be said of a component whose kind this program does not know. */
void tessi_plug_kind_words(const struct tess_component *k, char *text, size_t capacity);
/* i-th component by stride; NULL at the end. */
const struct tess_component *tessi_plug_component_at(const struct tess_plugin *p, int64_t i);
/* Where the plugins are when the program `exe` runs from a build tree: 1 and the folder, or 0. */
int tessi_plug_tree_plugins(const char *exe, char *folder, size_t capacity);

/* ---- instances ----------------------------------------------------------------------------------------------------- */

struct tess_instance {
    const struct tess_component *component;
    const struct tess_plugin *plugin;
    void *self;
    int opened;                   /* open() was called, so close() must be */
    struct tessi_config *values;    /* `use` and every parameter, canonical; strings in self point into it */
    struct tessi_config *identity;  /* the same without paths and neutral ones */
    char *resolved, *config_text;        /* text of the two */
    int64_t parts;                /* rows of the table */
    struct tess_instance **part;  /* by row: opened sub-components */
    struct tess_instance **listed; /* and those of lists, as they came */
    int64_t listeds;
};

/* A note of the values of an instance that stay from the component before, or went with it, and make a difference. */
void tessi_plug_note_former(struct tess_context *ctx, const struct tess_instance *i, const struct tessi_config *config);

/* Fills i->self, values, identity and part from spec; see tessi_plug_instance_new. */
int tessi_plug_params_fill(struct tess_context *ctx, const struct tessi_registry *r, struct tess_instance *i, struct tessi_config *config,
                      const struct tess_instance *like, const char *const *skip, int open) TESS_CHECKED;

#endif
