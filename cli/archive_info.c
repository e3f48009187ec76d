/* `tessera archive info`: what an archive holds, on one screen. SPDX-License-Identifier: MIT */
#include "cli/archive.h"
#include "cli/plan.h"
#include "core/base/json.h"

#include <tessera/levels.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { REASONS_MAX = 64, REASON_MAX = 160 };

struct info {
    const char *path;
    const struct tess_artefact *a;
    struct tess_artefact *first; /* the first shard, or `a` */
    int64_t shards, rows, items, skipped, height, width, depth, level_size[TESS_DEPTH_MAX], codebook_size;
    int64_t bytes, code_bytes, rows_min, rows_max, reasons;
    struct {
        char text[REASON_MAX];
        int64_t count;
    } reason[REASONS_MAX];
};

/* ---- gathering ------------------------------------------------------------------------------------------------------------ */

static int64_t info_file_bytes(const struct tess_artefact *a)
{
    struct stat st;
    return fstat(tessi_store_artefact_descriptor(a), &st) == 0 ? (int64_t)st.st_size : 0;
}

static void info_add_file(struct info *f, const struct tess_artefact *a)
{
    struct tess_tensor shape;
    int32_t bits;
    int64_t stored, rows = tess_attrs_i64_or(tess_artefact_attrs(a), "count", 0);
    const char *name;
    f->bytes += info_file_bytes(a);
    f->rows_min = f->rows_min < 0 || rows < f->rows_min ? rows : f->rows_min;
    f->rows_max = rows > f->rows_max ? rows : f->rows_max;
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(a, i, &shape, &bits, &stored)); i++)
        if (strcmp(name, "codes") == 0)
            f->code_bytes += stored;
}

static int info_add_shards(struct tess_context *ctx, struct info *f)
{
    f->rows_min = -1;
    if (!f->shards)
        info_add_file(f, f->a);
    else
        f->bytes = info_file_bytes(f->a);
    for (int64_t i = 0; i < f->shards; i++) {
        struct tess_artefact *part;
        TESS_TRY(tessi_store_part_acquire(ctx, f->a, i, &part));
        info_add_file(f, part);
        tessi_store_part_release(f->a, i);
    }
    return TESS_OK;
}

/* Counts a reason, "NAME: REASON (DETAILS)". Name and details, a decoder's own words, differ from picture to picture and are left out.
 * Reasons that find no entry any more are counted as `others`, the last entry. */
static void info_add_reason(struct info *f, const char *text)
{
    const char *reason = strstr(text, ": ") ? strstr(text, ": ") + 2 : text, *details = strstr(reason, " (");
    char shorter[REASON_MAX];
    int64_t i = 0;
    (void)snprintf(shorter, sizeof shorter, "%.*s", (int)(details ? details - reason : (int64_t)strlen(reason)), reason);
    while (i < f->reasons && strcmp(f->reason[i].text, shorter) != 0)
        i++;
    if (i == f->reasons && i < REASONS_MAX) {
        (void)snprintf(f->reason[i].text, REASON_MAX, "%s", i < REASONS_MAX - 1 ? shorter : "others");
        f->reasons++;
    }
    f->reason[i < REASONS_MAX ? i : REASONS_MAX - 1].count++;
}

static int info_add_reasons(struct tess_context *ctx, struct info *f)
{
    struct tess_tensor shape;
    int32_t bits;
    int64_t stored;
    const char *name;
    void *memory;
    for (int64_t i = 0; (name = tessi_store_artefact_dataset_at(f->a, i, &shape, &bits, &stored)); i++)
        if (strcmp(name, "skipped") == 0)
            f->skipped = shape.dim[0];
    if (!f->skipped)
        return TESS_OK;
    TESS_TRY(tess_alloc(ctx, (size_t)f->skipped * sizeof(char *), "reasons", &memory));
    char **text = memory;
    int status = tessi_store_artefact_strings(ctx, f->a, "skipped", f->skipped, text);
    for (int64_t i = 0; i < f->skipped; i++) {
        if (text[i])
            info_add_reason(f, text[i]);
        tess_free(text[i]);
    }
    tess_free(memory);
    return status;
}

static int info_gather(struct tess_context *ctx, struct info *f)
{
    const struct tess_attrs *attrs = tess_artefact_attrs(f->a);
    f->shards = tessi_store_parts_count(f->a);
    f->rows = tess_attrs_i64_or(attrs, "count", 0);
    f->height = tess_attrs_i64_or(attrs, "height", 0);
    f->width = tess_attrs_i64_or(attrs, "width", 0);
    f->codebook_size = tess_attrs_i64_or(attrs, "codebook_size", 0);
    TESS_TRY(tess_levels_get(ctx, attrs, f->codebook_size, &f->depth, f->level_size));
    TESS_TRY(info_add_shards(ctx, f));
    TESS_TRY(info_add_reasons(ctx, f));
    f->items = tessi_archive_items(attrs, f->skipped);
    return TESS_OK;
}

static double info_bits(const struct info *f, int64_t bytes)
{
    double codes = (double)f->rows * (double)f->height * (double)f->width * (double)f->depth;
    return codes > 0 ? 8 * (double)bytes / codes : 0;
}

/* ---- as text -------------------------------------------------------------------------------------------------------------- */

static void info_row(const char *name, const char *value)
{
    printf("  %-10s  %s\n", name, cli_shown(value));
}

static void info_print_codes(const struct info *f)
{
    printf("  %-10s  %lld x %lld", "maps", (long long)f->height, (long long)f->width);
    if (f->depth > 1)
        printf(" x %lld levels", (long long)f->depth);
    printf(" of codes below");
    for (int64_t l = 0; l < f->depth; l++)
        if (l == 0 || f->level_size[l] != f->level_size[l - 1])
            printf("%s %lld", l ? "," : "", (long long)f->level_size[l]);
    putchar('\n');
}

static void info_print_size(const struct info *f)
{
    char size[24], one[32], other[32];
    if (f->shards && f->rows_min != f->rows_max)
        printf("  %-10s  %lld, of %s to %s rows\n", "shards", (long long)f->shards, cli_archive_count(f->rows_min, one),
               cli_archive_count(f->rows_max, other));
    else if (f->shards)
        printf("  %-10s  %lld, of %s rows\n", "shards", (long long)f->shards, cli_archive_count(f->rows_max, one));
    printf("  %-10s  %s, %.2f bits a code in all, %.2f of codes alone\n", "size", cli_bytes((double)f->bytes, size, sizeof size),
           info_bits(f, f->bytes), info_bits(f, f->code_bytes));
}

/* Text "labels of 10 classes, names, crops, ..." of the datasets beside the codes. */
static void info_print_rows(const struct info *f)
{
    static const struct {
        const char *dataset, *words;
    } beside[] = {{"names", "names"}, {"error", "errors"}, {"crops", "crops"}, {"flipped", "flips"}, {"codebook", "the codebook"}};
    int64_t classes = tess_attrs_i64_or(tess_artefact_attrs(f->a), "classes", 0);
    int n = 0;
    printf("  %-10s  ", "has");
    if (tess_artefact_has(f->a, "labels"))
        printf(classes ? "labels of %lld classes" : "labels", (long long)classes), n++;
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
        if (tess_artefact_has(f->a, beside[i].dataset))
            printf("%s%s", n++ ? ", " : "", beside[i].words);
    puts(n ? "" : "codes alone");
}

static void info_print(const struct info *f)
{
    static const char *const notes[] = {"parameters", "tool"};
    char rows[32], items[32], skipped[32];
    printf("%s\n", cli_shown(f->path));
    printf("  %-10s  %s", "rows", cli_archive_count(f->rows, rows));
    if (f->skipped || f->items != f->rows)
        printf(" of %s items, %s skipped", cli_archive_count(f->items, items), cli_archive_count(f->skipped, skipped));
    putchar('\n');
    info_print_codes(f);
    info_print_size(f);
    info_row("tokenizer", tess_attrs_text_or(tess_artefact_attrs(f->a), "tokenizer", "not said"));
    info_print_rows(f);
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (tessi_store_artefact_provenance(f->first, notes[i]))
            info_row(i ? "tool" : "made by", tessi_store_artefact_provenance(f->first, notes[i]));
    info_row("digest", tess_artefact_digest(f->a));
    for (int64_t i = 0; i < f->reasons; i++)
        printf("  %-10s  %s: %s\n", i ? "" : "skipped", cli_archive_count(f->reason[i].count, skipped), cli_shown(f->reason[i].text));
}

/* ---- as JSON -------------------------------------------------------------------------------------------------------------- */

static void info_json_text(const char *name, const char *text)
{
    printf(",\"%s\":", name);
    tessi_base_json_text(stdout, text);
}

static void info_print_json(const struct info *f)
{
    fputs("{\"path\":", stdout);
    tessi_base_json_text(stdout, f->path);
    printf(",\"shards\":%lld,\"rows\":%lld,\"items\":%lld,\"skipped\":%lld,\"height\":%lld,\"width\":%lld,\"depth\":%lld,"
           "\"level_sizes\":[",
           (long long)f->shards, (long long)f->rows, (long long)f->items, (long long)f->skipped, (long long)f->height, (long long)f->width,
           (long long)f->depth);
    for (int64_t l = 0; l < f->depth; l++)
        printf("%s%lld", l ? "," : "", (long long)f->level_size[l]);
    printf("],\"classes\":%lld,\"bytes\":%lld,\"bits_per_code\":", (long long)tess_attrs_i64_or(tess_artefact_attrs(f->a), "classes", 0),
           (long long)f->bytes);
    tessi_base_json_f64(stdout, info_bits(f, f->bytes));
    fputs(",\"bits_per_code_of_codes\":", stdout);
    tessi_base_json_f64(stdout, info_bits(f, f->code_bytes));
    info_json_text("tokenizer", tess_attrs_text_or(tess_artefact_attrs(f->a), "tokenizer", NULL));
    info_json_text("digest", tess_artefact_digest(f->a));
    info_json_text("parameters", tessi_store_artefact_provenance(f->first, "parameters"));
    info_json_text("tool", tessi_store_artefact_provenance(f->first, "tool"));
    fputs(",\"datasets\":[", stdout);
    for (int64_t i = 0, n = 0; tess_artefact_name_at(f->a, i); i++)
        if (strncmp(tess_artefact_name_at(f->a, i), "parts/", 6) != 0) {
            fputs(n++ ? "," : "", stdout);
            tessi_base_json_text(stdout, tess_artefact_name_at(f->a, i));
        }
    fputs("],\"reasons\":[", stdout);
    for (int64_t i = 0; i < f->reasons; i++) {
        fputs(i ? ",{\"reason\":" : "{\"reason\":", stdout);
        tessi_base_json_text(stdout, f->reason[i].text);
        printf(",\"count\":%lld}", (long long)f->reason[i].count);
    }
    puts("]}");
}

/* ---- the verb ------------------------------------------------------------------------------------------------------------- */

static int info_show(struct tess_context *ctx, const struct cli_archive_one *o)
{
    static struct info f;
    struct tess_artefact *a;
    TESS_TRY(cli_archive_open(ctx, o->path, &a));
    f = (struct info){.path = o->path, .a = a, .first = a};
    int status = info_gather(ctx, &f);
    if (status == TESS_OK && f.shards)
        status = tessi_store_part_acquire(ctx, a, 0, &f.first);
    if (status == TESS_OK) {
        (o->json ? info_print_json : info_print)(&f);
        if (f.shards)
            tessi_store_part_release(a, 0);
    }
    tessi_store_artefact_close(a);
    return status;
}

static int info(struct cli_globals *g, int argc, char **argv)
{
    struct cli_archive_one o = {NULL, 0};
    struct tessi_context context;
    int code = cli_archive_read(g, &cli_archive_info, argc, argv, &o);
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = info_show(&context.context, &o);
    return status == TESS_OK ? 0 : cli_failed(&context.context, status);
}

static const struct cli_flag flags[] = {
    {.name = "--json", .help = "the same as one JSON object", .type = CLI_SWITCH, .offset = offsetof(struct cli_archive_one, json)},
    {.name = NULL}};

const struct cli_verb cli_archive_info = {
    .name = "archive info",
    .summary = "rows, shards, size, tokenizer, sources, and why items were skipped",
    .arguments = "ARCHIVE|FILE.h5",
    .description = "Reads attributes and the list of shards, not the codes: `tessera archive verify` reads everything.\n",
    .flags = flags,
    .run = info,
    .apart = 1,
};
