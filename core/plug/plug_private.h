/* Declarations shared by the files of core/plug. SPDX-License-Identifier: MIT */
#ifndef TESSI_PLUG_PRIVATE_H
#define TESSI_PLUG_PRIVATE_H

#include "core/base/text.h"
#include "core/config/scalar.h"
#include "core/plug/registry.h"

/* ---- tables -------------------------------------------------------------------------------------------------------- */

/* Length of the word of a kind, "encoder" of "encoder/1", for %.*s. */
int tessi_plug_kind_length(const char *kind);
/* Size and alignment in bytes of the member behind a parameter of this type; 0 for an unknown type. */
size_t tessi_plug_param_bytes(int32_t type, size_t *align);
/* The i-th choice of an enum "l1|l2", into text; 0 past the end. */
int tessi_plug_option(const struct tess_param *p, int64_t i, char *text, size_t capacity);
/* Index of a name in an enum, or -1. */
int64_t tessi_plug_option_index(const struct tess_param *p, const char *name);
/* 1 where the type is a list (TESS_LIST, TESS_LIST_F64, TESS_LIST_STR, TESS_LIST_COMPONENT). */
int tessi_plug_is_list(int32_t type);
/* i-th item of a list's default; 0 past the end. */
int tessi_plug_list_item(const struct tess_param *p, int64_t i, char *item, size_t capacity);
/* Former names of a parameter, "rate|learning_rate", or NULL; and whether `name` is one of them. */
const char *tessi_plug_param_former(const struct tess_component *k, const struct tess_param *p);
int tessi_plug_was_called(const struct tess_component *k, const struct tess_param *p, const char *name);
/* Splits the text of a component parameter into its kind and, in `like`, the other parameter's name ("" for none); 0 when the text is
 * malformed. */
int tessi_plug_component_text(const struct tess_param *p, char *kind, size_t kind_capacity, char *like, size_t like_capacity);
/* The values a parameter takes, for errors: "an integer 1 .. 4096". */
const char *tessi_plug_param_wants(const struct tess_param *p, char *text, size_t capacity);
const struct tess_param *tessi_plug_param_named(const struct tess_component *k, const char *name, int64_t *index);

/* Checks everything that the host promises to check before a plugin's code runs, but for names other files took. 1: fine; 0: `why` says,
 * without the path, what was wanted and what was found. */
int tessi_plug_plugin_check(const struct tess_plugin *p, const struct tess_host *host, char *why, size_t capacity);
/* Opens one file and checks the plugin in it; NULL and the reason, without the path, when it is refused. */
const struct tess_plugin *tessi_plug_plugin_open(const char *path, const struct tess_host *host, char *why, size_t capacity);
/* Opens and checks a plugin's file of any origin. A file that is not part of the release (`shipped` 0) is first examined, digested and
 * tried in a child process. *out NULL: the file is refused, and `why` says why. `digest` is "" for a file of the release. Fails where the
 * file cannot be read or no process can be created. */
int tessi_plug_registry_open_file(struct tess_context *ctx, const struct tessi_registry *r, const char *path, int shipped,
                                  char digest[TESS_DIGEST_TEXT], const struct tess_plugin **out, char *why, size_t capacity) TESS_CHECKED;
/* Folder beside plugins, with the files (modules) that are loaded when a component is opened. */
#define TESSI_LIBRARIES "libraries"
/* Path of the module that component k of p names, beside the plugin's file; 0: it names none, or the path is too long. */
int tessi_plug_module_path(const char *file, const struct tess_plugin *p, const struct tess_component *k, char *path, size_t capacity);
/* Appends words on a component whose kind this program does not know. */
void tessi_plug_kind_words(const struct tess_component *k, char *text, size_t capacity);
/* i-th component by stride; NULL at the end. */
const struct tess_component *tessi_plug_component_at(const struct tess_plugin *p, int64_t i);
/* Folder of the plugins when the program `exe` runs from a build tree: 1 and the folder, or 0. */
int tessi_plug_tree_plugins(const char *exe, char *folder, size_t capacity);

/* ---- instances ----------------------------------------------------------------------------------------------------- */

struct tess_instance {
    const struct tess_component *component;
    const struct tess_plugin *plugin;
    void *self;
    int opened;                   /* 1: open() was called, so close() must be */
    struct tessi_config *values;    /* `use` and every parameter, canonical; strings in self point into it */
    struct tessi_config *identity;  /* `values` without paths and neutral parameters */
    char *resolved, *config_text;        /* texts of `values` and of `identity` */
    int64_t parts;                /* number of rows of the parameter table */
    struct tess_instance **part;  /* opened sub-components, by row */
    struct tess_instance **listed; /* opened sub-components of lists, in order */
    int64_t listeds;
};

/* Notes the values of an instance that stay from the component before, or went with it, and make a difference. */
void tessi_plug_note_former(struct tess_context *ctx, const struct tess_instance *i, const struct tessi_config *config);

/* Fills i->self, values, identity and part from the configuration; see tessi_plug_instance_new. */
int tessi_plug_params_fill(struct tess_context *ctx, const struct tessi_registry *r, struct tess_instance *i, struct tessi_config *config,
                      const struct tess_instance *like, const char *const *skip, int open) TESS_CHECKED;

#endif
