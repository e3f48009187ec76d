/* `tessera archive verify`: every byte of an archive read and compared. SPDX-License-Identifier: MIT */
#include "cli/archive.h"
#include "cli/plan.h"
#include "core/base/json.h"
#include "core/base/workers.h"

#include <stdio.h>
#include <string.h>

struct verify_options {
    struct cli_archive_one one; /* first */
    int deep;
};

struct verify_show {
    int json;
    int64_t printed;
};

/* "shard-000002.h5: /codes rows 128 to 159 (1128 to 1159 of the archive): ..." */
static void verify_print(const struct tessi_archive_fault *f)
{
    printf("%s:", cli_shown(f->file));
    if (*f->dataset)
        printf(" /%s", cli_shown(f->dataset));
    if (f->rows == 1)
        printf(" row %lld", (long long)f->first);
    else if (f->rows > 1)
        printf(" rows %lld to %lld", (long long)f->first, (long long)(f->first + f->rows - 1));
    if (f->shard >= 0 && f->archive_row >= 0 && f->rows > 0)
        printf(f->rows == 1 ? " (%lld of the archive)" : " (%lld to %lld of the archive)", (long long)f->archive_row,
               (long long)(f->archive_row + f->rows - 1));
    printf("%s %s\n", *f->dataset || f->rows ? ":" : "", cli_shown(f->text));
}

static void verify_print_json(const struct tessi_archive_fault *f)
{
    fputs("{\"file\":", stdout);
    tessi_base_json_text(stdout, f->file);
    printf(f->shard >= 0 ? ",\"shard\":%lld,\"dataset\":" : ",\"shard\":null,\"dataset\":", (long long)f->shard);
    tessi_base_json_text(stdout, *f->dataset ? f->dataset : NULL);
    printf(",\"first_row\":%lld,\"rows\":%lld", (long long)f->first, (long long)f->rows);
    printf(f->archive_row >= 0 ? ",\"archive_row\":%lld" : ",\"archive_row\":null", (long long)f->archive_row);
    fputs(",\"message\":", stdout);
    tessi_base_json_text(stdout, f->text);
    putchar('}');
}

static void verify_fault(void *user, const struct tessi_archive_fault *f)
{
    struct verify_show *s = user;
    if (s->json)
        fputs(s->printed ? "," : "", stdout);
    (s->json ? verify_print_json : verify_print)(f);
    s->printed++;
}

static void verify_summary(const char *path, const struct verify_show *s, const struct tessi_archive_counts *c)
{
    char rows[32], items[32], skipped[32], size[24], rate[24];
    if (s->json) {
        printf("],\"whole\":%s,\"fault_count\":%lld,\"faulty_files\":%lld,\"shards\":%lld,\"rows\":%lld,\"items\":%lld,\"skipped\":%lld,"
               "\"bytes\":%lld,\"seconds\":",
               c->faults ? "false" : "true", (long long)c->faults, (long long)c->faulty, (long long)c->shards, (long long)c->rows,
               (long long)c->items, (long long)c->skipped, (long long)c->bytes);
        tessi_base_json_f64(stdout, c->seconds);
        puts("}");
        return;
    }
    printf("%s: %lld %s, %s %s of %s %s, %s skipped; %s at %s/s: ", cli_shown(path), (long long)(c->shards ? c->shards : 1),
           c->shards > 1 ? "shards"
           : c->shards   ? "shard"
                         : "file",
           cli_archive_count(c->rows, rows), c->rows == 1 ? "row" : "rows", cli_archive_count(c->items, items),
           c->items == 1 ? "item" : "items", cli_archive_count(c->skipped, skipped), cli_bytes((double)c->bytes, size, sizeof size),
           cli_bytes(c->seconds > 0 ? (double)c->bytes / c->seconds : 0, rate, sizeof rate));
    if (c->faults)
        printf("%lld %s in %lld %s\n", (long long)c->faults, c->faults == 1 ? "fault" : "faults", (long long)c->faulty,
               c->faulty == 1 ? "file" : "files");
    else
        printf("whole\n");
}

static int verify_archive(struct tess_context *ctx, const struct cli_globals *g, const struct verify_options *all)
{
    const struct cli_archive_one *o = &all->one;
    struct verify_show show = {.json = o->json};
    struct tessi_archive_counts counts;
    struct tessi_log *log = NULL;
    TESS_TRY(tessi_base_log_new(ctx, stderr, g->level, g->colour, &log));
    const struct tessi_archive_verify v = {.path = o->path,
                                           .processes = g->threads ? (int)g->threads : tessi_base_processors(),
                                           .deep = all->deep,
                                           .log = log,
                                           .fault = verify_fault,
                                           .user = &show};
    if (o->json) {
        fputs("{\"path\":", stdout);
        tessi_base_json_text(stdout, o->path);
        fputs(",\"faults\":[", stdout);
    }
    tessi_base_progress_start(log, "verify");
    int status = tessi_archive_verify(ctx, &v, &counts);
    tessi_base_progress_end(log);
    tessi_base_log_free(log);
    if (status != TESS_OK && o->json)
        puts("]}");
    TESS_TRY(status);
    verify_summary(o->path, &show, &counts);
    return counts.faults ? ctx->fail(ctx, TESS_E_DATA,
                                     "%s: is damaged: %lld of its files; `tessera archive repair` encodes damaged shards again, or get "
                                     "them from where they came from",
                                     o->path, (long long)counts.faulty)
                         : TESS_OK;
}

static int verify(struct cli_globals *g, int argc, char **argv)
{
    struct verify_options o = {.deep = 0};
    struct tessi_context context;
    int code = cli_archive_read(g, &cli_archive_verify, argc, argv, &o.one);
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = verify_archive(&context.context, g, &o);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

static const struct cli_flag flags[] = {
    {.name = "--json", .help = "the same as one JSON object", .type = CLI_SWITCH, .offset = offsetof(struct cli_archive_one, json)},
    {.name = "--deep",
     .help = "decode and digest all contents, though the files' bytes have the right sums: no trust in who wrote them",
     .type = CLI_SWITCH,
     .offset = offsetof(struct verify_options, deep)},
    {.name = NULL}};

const struct cli_verb cli_archive_verify = {
    .name = "archive verify",
    .summary = "read everything: checksums, codes in range, all shards there, no item lost",
    .arguments = "ARCHIVE|FILE.h5",
    .description =
        "Reads every byte, in processes of its own, which a file made to harm may crash and the command not: each file's checksum,\n"
        "codes at or above the codebook size of their level, labels of no class, shards that are missing, from elsewhere or\n"
        "swapped, and that rows and skipped items are all items. A file with another checksum is decoded to say what is damaged.\n"
        "One line for each fault, with shard and rows, then a summary. Exit code 65 where there is a fault.\n",
    .flags = flags,
    .run = verify,
};
