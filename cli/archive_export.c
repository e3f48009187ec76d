/* `tessera archive export`: codes for other programs. SPDX-License-Identifier: MIT */
#include "cli/archive.h"
#include "core/base/aside.h"

#include <stdio.h>
#include <string.h>

static const char *const formats[] = {"npy", "safetensors", "tar", "png", "h5"};
enum { FORMATS = sizeof formats / sizeof *formats };

struct export_options {
    struct cli_archive_one one; /* first */
    const char *to, *format;
};

/* Number of the format that was named, or that the output's name ends in; -1: none. */
static int export_format(const struct export_options *o)
{
    const char *name = o->format ? o->format : strrchr(o->to, '.') ? strrchr(o->to, '.') + 1 : "";
    for (int i = 0; i < FORMATS; i++)
        if (strcmp(formats[i], name) == 0)
            return i;
    return -1;
}

static int export_archive(struct tess_context *ctx, const struct cli_globals *g, const struct export_options *o)
{
    struct tessi_log *log = NULL;
    TESS_TRY(tessi_base_not_over(ctx, o->to, o->one.path));
    TESS_TRY(tessi_base_log_new(ctx, stderr, g->level, g->colour, &log));
    const struct tessi_archive_export x = {.from = o->one.path, .to = o->to, .format = export_format(o), .log = log};
    tessi_base_progress_start(log, "export");
    int status = tessi_archive_export(ctx, &x);
    tessi_base_progress_end(log);
    tessi_base_log_free(log);
    return status;
}

static int export_run(struct cli_globals *g, int argc, char **argv)
{
    struct export_options o = {.to = NULL};
    struct tessi_context context;
    int code = cli_archive_read(g, &cli_archive_export, argc, argv, &o.one);
    if (code == 0 && !o.to)
        code = cli_usage_error(cli_archive_export.name, "wanted -o with the name of the output");
    if (code == 0 && export_format(&o) < 0)
        code = cli_usage_error(cli_archive_export.name, "wanted --format npy, safetensors, tar, png or h5, found %s%s%s",
                               o.format ? "`" : "none", o.format ? o.format : "", o.format ? "`" : "");
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = export_archive(&context.context, g, &o);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

#define EXPORT(m) .offset = offsetof(struct export_options, m)
static const struct cli_flag flags[] = {{.name = "--output",
                                         .brief = "-o",
                                         .value = "OUT",
                                         .help = "a file; for png a new folder",
                                         .type = CLI_TEXT,
                                         .complete = CLI_COMPLETE_FILES,
                                         EXPORT(to)},
                                        {.name = "--format",
                                         .value = "FORMAT",
                                         .help = "npy, safetensors, tar, png or h5",
                                         .initial = "as OUT's name ends",
                                         .choices = "npy safetensors tar png h5",
                                         .type = CLI_TEXT,
                                         EXPORT(format)},
                                        {.name = NULL}};

const struct cli_verb cli_archive_export = {
    .name = "archive export",
    .summary = "write codes as NPY, safetensors, a tar of samples, pictures, or HDF5 that any reader knows",
    .arguments = "ARCHIVE|FILE.h5 -o OUT",
    .description = "  npy          (N, h, w) unsigned integers; labels and codebook as OUT.labels.npy and OUT.codebook.npy\n"
                   "  safetensors  tensors codes, labels, codebook\n"
                   "  tar          samples as WebDataset reads them: KEY.npy, KEY.cls and, with the source's name, KEY.txt\n"
                   "  png          a folder of code maps: grey values up to 256 codes, else code = 65536 red + 256 green + blue\n"
                   "  h5           one artefact with whole bytes, shuffle and deflate alone and the metadata of HDF5 1.8\n"
                   "\n"
                   "Images of codes are the matter of `tessera decode`.\n",
    .flags = flags,
    .run = export_run,
    .apart = 1,
};
