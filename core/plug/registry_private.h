/* The registry's lists, for its own files. SPDX-License-Identifier: MIT */
#ifndef TESSI_REGISTRY_PRIVATE_H
#define TESSI_REGISTRY_PRIVATE_H

#include "core/plug/plug_private.h"
#include "core/plug/trial.h"

#include <sys/types.h>

struct tessi_registry_folder {
    char *path;
    char note[160]; /* reason why the folder was not searched; "": it was */
};

struct tessi_registry_file {
    struct tessi_found found;
    dev_t device; /* identity with `inode`: the same file under another path is examined once */
    ino_t inode;
};

struct tessi_registry_entry {
    const struct tess_component *component;
    const struct tess_plugin *plugin;
    int64_t file;
    char module_digest[TESS_DIGEST_TEXT]; /* digest of the component's library, for a file outside the release; else "" */
};

struct tessi_registry {
    const struct tess_host *host;
    struct tessi_passed *passed;
    double seconds;  /* time limit of a trial, in seconds */
    char *own;      /* folder of this program's plugins */
    struct tessi_registry_folder *folder;
    struct tessi_registry_file *file;
    struct tessi_registry_entry *entry;
    int64_t folders, files, entries;
    int64_t folder_capacity, file_capacity, entry_capacity;
};

#define TESSI_PLUGIN_LIST "the list of plugins" /* in messages about memory */
/* Searches each folder of a colon-separated list, or one folder, and adds every file in it. */
int tessi_plug_registry_scan_list(struct tess_context *ctx, struct tessi_registry *r, const char *list) TESS_CHECKED;
int tessi_plug_registry_scan(struct tess_context *ctx, struct tessi_registry *r, const char *path, size_t length) TESS_CHECKED;
/* Adds one file to the list, accepted or refused, unless it is there under another path. */
int tessi_plug_registry_add(struct tess_context *ctx, struct tessi_registry *r, const char *path) TESS_CHECKED;
/* Adds a plugin that is compiled into the program. */
int tessi_plug_registry_take(struct tess_context *ctx, struct tessi_registry *r, const struct tess_plugin *p) TESS_CHECKED;
/* Called when all files are added: makes the remarks on components of kinds that nobody takes. */
int tessi_plug_registry_judge_kinds(struct tess_context *ctx, struct tessi_registry *r) TESS_CHECKED;
const struct tessi_registry_entry *tessi_plug_registry_entry(const struct tessi_registry *r, const char *kind, const char *name);

#endif
