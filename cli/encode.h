/* `tessera encode`: its command line, and the steps from there to an archive. SPDX-License-Identifier: MIT */
#ifndef TESSI_CLI_ENCODE_H
#define TESSI_CLI_ENCODE_H

#include "cli/flags.h"
#include "core/config/config.h"
#include "core/flow/pipeline.h"

enum { CLI_ENCODE_SETS = 64 };

struct cli_encode {
    const char *source, *model, *output;
    const char *list; /* file that standard input was written to, where the source is `-` */
    const char *use, *fit, *resize, *flip, *crops, *crops_of, *labels, *shard;
    int64_t size, crop, pad, fill, crop_count, limit, batch, shard_items, checkpoint_seconds, seed;
    int tiles, skip_bad, append, portable;
    const char *set[CLI_ENCODE_SETS];
    int64_t sets;
};

/* A finished or unfinished archive being made. */
struct cli_archive {
    const struct cli_encode *o;
    const struct cli_globals *g;
    struct tessi_runtime *runtime;
    struct tessi_config *stage; /* the stage of the command line, without the items of a part */
    char *list;                 /* path of the list from standard input, or NULL */
    char *work;                 /* folder of cache, checkpoints and locks */
    char tokenizer[TESS_DIGEST_TEXT];
    int64_t row_bits; /* bits of a picture's codes */
};

/* ---- encode.c ---- */

/* The words of a command line, from `encode` on, into `o`, whose seed is -1 at first; 0, or the exit code after a message. */
int cli_encode_read(struct cli_globals *g, int argc, char **argv, struct cli_encode *o);
/* 1 for the name of an archive that is one file, 0 for that of a folder of shards. */
int cli_encode_is_file(const char *path);
/* Reads the tokenizer's digest, and the bits of an image's codes. */
int cli_encode_model(struct tess_context *ctx, struct cli_archive *a) TESS_CHECKED;

/* ---- encode_plan.c ---- */

/* Plans what the words of a command line, from `encode` on, would encode. `tasks`: of an array, which give themselves their --shard; 0:
 * none. 0, or the exit code after a message. */
int cli_encode_plan(struct cli_globals *g, int argc, char **argv, int64_t tasks);

/* ---- encode_stage.c ---- */

/* The stage of the command line as a tree, `{use: encode, ...}`, all paths absolute; freed by tessi_config_free. */
int cli_encode_stage(struct tess_context *ctx, const struct cli_encode *o, struct tessi_config **stage) TESS_CHECKED;
/* Adds a key to a map: a number or a word as it is, or `quoted` a text. */
int cli_encode_put(struct tess_context *ctx, struct tessi_config *map, const char *key, const char *text, int quoted) TESS_CHECKED;
int cli_encode_put_i64(struct tess_context *ctx, struct tessi_config *map, const char *key, int64_t value) TESS_CHECKED;
/* Writes a pipeline of one stage, or `text`, lines of stages, as PATH. */
int cli_encode_write(struct tess_context *ctx, const char *path, const char *name, const char *text) TESS_CHECKED;
/* Prints the line of a stage, as cli_encode_line makes it. */
int cli_encode_put_line(struct tess_context *ctx, const char *name, const struct tessi_config *stage, FILE *to) TESS_CHECKED;
/* A line of a pipeline, "  NAME: {...}\n"; freed with tess_free. */
int cli_encode_line(struct tess_context *ctx, const char *name, const struct tessi_config *stage, char **line) TESS_CHECKED;

/* ---- encode_paths.c ---- */

enum { CLI_PATHS_ABSOLUTE, CLI_PATHS_RELATIVE, CLI_PATHS_NONE };
/* Makes the paths of a stage (inputs, and parameters that are files) absolute, relative to a folder, or empty. Relative ones are relative
 * to `folder`; NULL: to the current folder. */
int cli_encode_paths(struct tess_context *ctx, const struct tessi_registry *r, struct tessi_config *stage, const char *folder,
                     int to) TESS_CHECKED;

/* ---- encode_work.c ---- */

/* Encodes one stage in the archive's work folder and makes `path` its result. A file that is there already and is that result stays; any
 * other is TESS_E_DATA with what differs. *computed: 1 where anything was computed. */
int cli_encode_part(struct tess_context *ctx, const struct cli_archive *a, const char *name, const struct tessi_config *stage,
                    const char *path, int *computed) TESS_CHECKED;
/* Plans the stage in the archive's work folder, and encodes nothing. */
int cli_encode_part_plan(struct tess_context *ctx, const struct cli_archive *a, const char *name,
                         const struct tessi_config *stage) TESS_CHECKED;
/* Removes the work folder and all in it. */
void cli_encode_remove_work(const struct cli_archive *a);

/* ---- encode_recipe.c ---- */

#define CLI_ENCODE_RECIPE "encode.yaml"

/* An archive that is a folder. */
struct cli_folder {
    struct cli_archive *a;
    const char *path;
    int64_t items, shard_items;  /* images of the source; of a shard at most */
    int64_t shards;              /* shards in all, as the recipe has them */
    int64_t mine, of;            /* share of the shards: those of number mine - 1, mine - 1 + of, ... */
    struct tessi_config *recipe; /* encode.yaml */
    int lock;
    char lock_path[4096];
};

enum { CLI_ENCODE_NAME = 64 };
void cli_encode_shard_name(int64_t i, char name[CLI_ENCODE_NAME]);
/* The stage of a shard of the n items from `first` on, as the recipe has it. */
int cli_encode_shard(struct tess_context *ctx, const struct cli_folder *f, int64_t first, int64_t n,
                     struct tessi_config **stage) TESS_CHECKED;
/* Writes the recipe of a new archive, or holds the command against that of one that was begun; loads it. */
int cli_encode_recipe_begin(struct tess_context *ctx, struct cli_folder *f) TESS_CHECKED;
int cli_encode_recipe_load(struct tess_context *ctx, struct cli_folder *f) TESS_CHECKED;
/* The stage of this command for the shard that the recipe has under `name`; its paths are the command's, and absolute. */
int cli_encode_recipe_stage(struct tess_context *ctx, const struct cli_folder *f, const char *name,
                            struct tessi_config **stage) TESS_CHECKED;
/* Writes the first n stages of a recipe as PATH. */
int cli_encode_recipe_cut(struct tess_context *ctx, const struct tessi_config *recipe, int64_t n, const char *path) TESS_CHECKED;

/* ---- encode_append.c ---- */

/* Adds shards of the images whose contents a complete archive has not yet to its recipe; *added: their number. */
int cli_encode_append(struct tess_context *ctx, struct cli_folder *f, int64_t *added) TESS_CHECKED;
/* Name in an archive's folder of the list of images that the shards from number `shard` on are of. */
void cli_encode_append_name(int64_t shard, char name[CLI_ENCODE_NAME]);

/* ---- encode_archive.c ---- */

/* Encodes into a folder of shards. */
int cli_encode_folder(struct tess_context *ctx, struct cli_archive *a) TESS_CHECKED;
/* Number of shards that a new folder would have. */
int cli_encode_shards(struct tess_context *ctx, struct cli_archive *a, int64_t *shards) TESS_CHECKED;

#endif
