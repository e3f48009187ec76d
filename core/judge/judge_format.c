/* Kinds format/1 and checkpoint/1: files of other programs. A written file is read back; a truncated or changed one is refused with a
 * message or read, and never more than that. SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/base/attributes_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- format/1 ------------------------------------------------------------------------------------------------------ */

enum { FORMAT_ENTRIES = 3, FORMAT_VALUES = 24, FORMAT_PIECE = 5 };

static const struct tess_entry format_entry[FORMAT_ENTRIES] = {
    {.name = "encoder.weight", .dtype = "f32", .is_real = 1, .rank = 4, .dim = {2, 3, 2, 2}},
    {.name = "encoder.bias", .dtype = "f32", .is_real = 1, .rank = 1, .dim = {5}},
    {.name = "scale", .dtype = "f32", .is_real = 1, .rank = 2, .dim = {1, 7}}};

struct format_file {
    char path[64];
    int fd;
    float value[FORMAT_VALUES];
    size_t bytes;
};

static int64_t format_count(const struct tess_entry *e)
{
    int64_t n = 1;
    for (int32_t k = 0; k < e->rank; k++)
        n *= e->dim[k];
    return n;
}

static int format_values(void *user, struct tess_context *ctx, int64_t i, const float **out)
{
    struct format_file *f = user;
    (void)ctx;
    for (int k = 0; k < FORMAT_VALUES; k++)
        f->value[k] = (float)(100 * i + k) * 0.37f - 3.0f;
    *out = f->value;
    return TESS_OK;
}

static int format_put(void *user, struct tess_context *ctx, const void *bytes, size_t count)
{
    struct format_file *f = user;
    f->bytes += count;
    return write(f->fd, bytes, count) == (ssize_t)count ? TESS_OK : ctx->fail(ctx, TESS_E_IO, "a file of the test cannot be written");
}

static int format_open(struct judge *j, struct format_file *f)
{
    memset(f, 0, sizeof *f);
    snprintf(f->path, sizeof f->path, "/tmp/tessera-check-XXXXXX");
    f->fd = mkstemp(f->path);
    return f->fd >= 0 ? TESS_OK : judge_fail(j, "a file of the test cannot be made in /tmp");
}

static void format_close(struct format_file *f)
{
    if (f->fd >= 0) {
        close(f->fd);
        (void)unlink(f->path);
    }
}

static int format_write(struct judge *j, const struct tess_format_1 *ops, void *self, struct format_file *f)
{
    static const char *const note[2] = {"title", "a file of a test"};
    const struct tess_format_file file = {.size = sizeof file,
                                          .notes = 1,
                                          .entries = FORMAT_ENTRIES,
                                          .entry = format_entry,
                                          .note = note,
                                          .user = f,
                                          .values = format_values,
                                          .put = format_put};
    if (!TESS_HAS(ops, write) || !ops->write)
        return judge_skip(j, "it does not write");
    return judge_ok(j, j->ctx, "write", ops->write(self, j->ctx, &file));
}

/* Opens another instance, to read a file: an instance reads only one. */
static int format_reader(struct judge *j, struct tess_instance **out)
{
    return judge_ok(j, j->ctx, "opening it", judge_open(j, j->ctx, 1, out));
}

/* Reads entry k in pieces, where the format can. */
static int format_in_pieces(struct judge *j, const struct tess_format_1 *ops, void *self, int64_t k, const struct tess_entry *e,
                            const float *value)
{
    float got[FORMAT_VALUES];
    if (!TESS_HAS(ops, read_part) || !ops->read_part)
        return TESS_OK;
    for (int64_t at = 0, n = format_count(e); at < n; at += FORMAT_PIECE)
        JUDGE_TRY(
            judge_ok(j, j->ctx, "read_part", ops->read_part(self, j->ctx, k, at, n - at < FORMAT_PIECE ? n - at : FORMAT_PIECE, got + at)));
    if (memcmp(got, value, (size_t)format_count(e) * sizeof *got) != 0)
        return judge_fail(j, "wanted the values of `%s` in pieces of %d as `read` gives them, found others", e->name, FORMAT_PIECE);
    return TESS_OK;
}

static int format_same(struct judge *j, const struct tess_format_1 *ops, void *self, struct format_file *f)
{
    int64_t n = ops->count(self);
    if (n != FORMAT_ENTRIES)
        return judge_fail(j, "wanted the %d tensors that were written, found %lld", FORMAT_ENTRIES, (long long)n);
    for (int64_t k = 0; k < n; k++) {
        const struct tess_entry *e = ops->entry(self, k), *want = NULL;
        float got[FORMAT_VALUES];
        const float *value;
        int64_t at = 0;
        for (; e && at < n; at++)
            if (strcmp(format_entry[at].name, e->name) == 0) {
                want = &format_entry[at];
                break;
            }
        if (!want || !e->is_real || e->rank != want->rank || memcmp(e->dim, want->dim, (size_t)want->rank * sizeof *want->dim) != 0)
            return judge_fail(j, "wanted the names and shapes that were written, found `%s`", e ? e->name : "none");
        JUDGE_TRY(judge_ok(j, j->ctx, "read", ops->read(self, j->ctx, k, got)));
        (void)format_values(f, j->ctx, at, &value);
        if (memcmp(got, value, (size_t)format_count(want) * sizeof *got) != 0)
            return judge_fail(j, "wanted the values of `%s` that were written, found others", e->name);
        JUDGE_TRY(format_in_pieces(j, ops, self, k, e, value));
    }
    return TESS_OK;
}

static int format_round_trip_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_format_1 *ops = tess_instance_ops(i, "format/1");
    struct tess_instance *reader = NULL;
    struct format_file f;
    uint8_t head[64];
    JUDGE_TRY(format_open(j, &f));
    int status = format_write(j, ops, tess_instance_self(i), &f);
    ssize_t bytes = status == TESS_OK ? pread(f.fd, head, sizeof head, 0) : 0;
    if (status == TESS_OK && ops->recognises(head, (size_t)bytes) != 1)
        status = judge_fail(j, "wanted its own file recognised by its first bytes, found that it is not");
    if (status == TESS_OK)
        status = format_reader(j, &reader);
    if (status == TESS_OK)
        status = judge_ok(j, j->ctx, "open_file of its own file", ops->open_file(tess_instance_self(reader), j->ctx, f.path));
    if (status == TESS_OK)
        status = format_same(j, ops, tess_instance_self(reader), &f);
    tess_instance_close(reader);
    format_close(&f);
    return status;
}

static int format_round_trip(struct judge *j)
{
    return judge_over(j, 1, format_round_trip_body);
}

/* Reads a file of any bytes: it is refused with TESS_E_DATA and its path, or read to its end. */
static int format_hostile(struct judge *j, const struct tess_format_1 *ops, const struct format_file *f, const char *what)
{
    struct tess_instance *reader;
    JUDGE_TRY(format_reader(j, &reader));
    void *self = tess_instance_self(reader);
    int opened = ops->open_file(self, j->ctx, f->path), status = judge_status(j, j->ctx, "open_file", opened);
    if (status == TESS_OK && opened != TESS_OK && opened != TESS_E_DATA)
        status = judge_fail(j, "%s: wanted TESS_E_DATA (%d), found %d: %s", what, TESS_E_DATA, opened, tess_message(j->ctx));
    if (status == TESS_OK && opened != TESS_OK && !strstr(tess_message(j->ctx), f->path))
        status = judge_fail(j, "%s: wanted a message that names the file, found: %s", what, tess_message(j->ctx));
    tess_forget(j->ctx);
    for (int64_t k = 0, n = opened == TESS_OK ? ops->count(self) : 0; status == TESS_OK && k < n; k++) {
        const struct tess_entry *e = ops->entry(self, k);
        if (!e || !e->name || e->rank < 0 || e->rank > TESS_ENTRY_RANK)
            status = judge_fail(j, "%s: wanted an entry with a name and at most %d dimensions, found none", what, TESS_ENTRY_RANK);
        int64_t values = status == TESS_OK ? format_count(e) : 0;
        float *to = values > 0 && values < 1 << 20 ? malloc((size_t)values * sizeof *to) : NULL;
        if (to && e->is_real)
            status = judge_status(j, j->ctx, "read", ops->read(self, j->ctx, k, to));
        free(to);
        tess_forget(j->ctx);
    }
    tess_instance_close(reader);
    return status;
}

static int format_rewrite(struct judge *j, struct format_file *f, const uint8_t *bytes, size_t count)
{
    if (ftruncate(f->fd, 0) != 0 || pwrite(f->fd, bytes, count, 0) != (ssize_t)count)
        return judge_fail(j, "a file of the test cannot be written");
    return TESS_OK;
}

/* Reads a file of its own truncated at every length, and with every byte changed in one way. */
static int format_damaged_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_format_1 *ops = tess_instance_ops(i, "format/1");
    struct format_file f;
    JUDGE_TRY(format_open(j, &f));
    int status = format_write(j, ops, tess_instance_self(i), &f);
    size_t bytes = f.bytes;
    uint8_t *whole = malloc(bytes + 1);
    if (status == TESS_OK && (!whole || pread(f.fd, whole, bytes, 0) != (ssize_t)bytes))
        status = judge_fail(j, "a file of the test cannot be read");
    for (size_t n = 0; status == TESS_OK && n < bytes; n++) {
        status = format_rewrite(j, &f, whole, n);
        if (status == TESS_OK)
            status = format_hostile(j, ops, &f, "a file that is cut off");
    }
    for (size_t n = 0; status == TESS_OK && n < bytes; n++) {
        uint8_t kept = whole[n];
        whole[n] = (uint8_t)(kept ^ (1 + judge_draw_below(j, "byte", 0, (int64_t)n, 255)));
        status = format_rewrite(j, &f, whole, bytes);
        if (status == TESS_OK)
            status = format_hostile(j, ops, &f, "a file with a changed byte");
        whole[n] = kept;
    }
    free(whole);
    format_close(&f);
    return status;
}

static int format_damaged(struct judge *j)
{
    return judge_over(j, 1, format_damaged_body);
}

static int format_random_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_format_1 *ops = tess_instance_ops(i, "format/1");
    struct format_file f;
    uint32_t word[256];
    JUDGE_TRY(format_open(j, &f));
    int status = TESS_OK;
    for (uint32_t n = 0; status == TESS_OK && n < 32 * (uint32_t)j->level; n++) {
        const struct tess_stream s = {.seed = j->seed, .step = n};
        tess_random_u32(&s, 0, 256, word);
        (void)ops->recognises((const uint8_t *)word, n % 65);
        status = format_rewrite(j, &f, (const uint8_t *)word, n == 0 ? 0 : 1 + n * 31 % sizeof word);
        if (status == TESS_OK)
            status = format_hostile(j, ops, &f, "a file of random bytes");
    }
    format_close(&f);
    return status;
}

static int format_random(struct judge *j)
{
    return judge_over(j, 1, format_random_body);
}

static int format_missing_body(struct judge *j, struct tess_instance *i)
{
    const struct tess_format_1 *ops = tess_instance_ops(i, "format/1");
    int status = ops->open_file(tess_instance_self(i), j->ctx, "/nowhere/there/is/no.such.file");
    JUDGE_TRY(judge_status(j, j->ctx, "open_file", status));
    return status != TESS_OK ? TESS_OK : judge_fail(j, "wanted a file that is not there refused, found that it opens");
}

static int format_missing(struct judge *j)
{
    return judge_over(j, 1, format_missing_body);
}

static const struct judge_test format_tests[] = {
    {"round-trip", 1, "what it writes it recognises and reads: names, shapes, values", format_round_trip},
    {"damaged", 1, "its own file cut off anywhere, or with any byte changed: TESS_E_DATA and the path, or read", format_damaged},
    {"random-bytes", 1, "a file of random bytes: TESS_E_DATA and the path, or read", format_random},
    {"missing", 1, "a file that is not there is refused with a message", format_missing},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_format = {"format/1", format_tests, NULL};

/* ---- checkpoint/1 -------------------------------------------------------------------------------------------------- */

enum { CHECKPOINT_ENTRIES = 16 };

/* Plans the import of a list of tensors that is of no architecture: refused with TESS_E_DATA, or each of them skipped or unknown. */
static int checkpoint_import(struct judge *j, const struct tess_checkpoint_1 *ops, void *self, int64_t entries,
                             const struct tess_entry *entry)
{
    struct tess_import_use use[CHECKPOINT_ENTRIES];
    struct tess_attrs *attrs = NULL;
    memset(use, 0, sizeof use);
    JUDGE_TRY(judge_ok(j, j->ctx, "the test", tessi_base_attrs_new(j->ctx, &attrs)));
    struct tess_import_plan p = {.size = sizeof p, .entries = entries, .entry = entry, .use = use, .attrs = attrs};
    int planned = ops->plan_import(self, j->ctx, &p), status = judge_status(j, j->ctx, "plan_import", planned);
    if (status == TESS_OK && planned != TESS_OK && planned != TESS_E_DATA && planned != TESS_E_VALUE)
        status = judge_fail(j, "plan_import of a list that is of no model: wanted TESS_E_DATA (%d), found %d: %s", TESS_E_DATA, planned,
                            tess_message(j->ctx));
    if (status == TESS_OK && planned == TESS_OK && entries == 0)
        status = judge_fail(j, "plan_import of no tensors: wanted TESS_E_DATA, found a model");
    tessi_base_attrs_free(attrs);
    tess_forget(j->ctx);
    return status;
}

static int checkpoint_empty_body(struct judge *j, struct tess_instance *i)
{
    return checkpoint_import(j, tess_instance_ops(i, "checkpoint/1"), tess_instance_self(i), 0, NULL);
}

static int checkpoint_empty(struct judge *j)
{
    return judge_over(j, 1, checkpoint_empty_body);
}

static int checkpoint_drawn_body(struct judge *j, struct tess_instance *i)
{
    static const char *const word[8] = {"encoder", "decoder", "quantize", "conv_in", "weight", "blocks", "0", "1"};
    for (int64_t round = 0; round < 64 * (int64_t)j->level; round++) {
        char name[CHECKPOINT_ENTRIES][TESS_ENTRY_NAME];
        struct tess_entry entry[CHECKPOINT_ENTRIES];
        for (int64_t k = 0; k < CHECKPOINT_ENTRIES; k++) {
            int64_t at = 100 * round + k;
            snprintf(name[k], sizeof name[k], "%s.%s.%lld.%s", word[judge_draw_below(j, "a", at, 0, 8)],
                     word[judge_draw_below(j, "b", at, 0, 8)], (long long)k, word[judge_draw_below(j, "c", at, 0, 8)]);
            entry[k] = (struct tess_entry){
                .name = name[k], .dtype = "f32", .is_real = 1, .rank = (int32_t)judge_draw_below(j, "rank", at, 0, TESS_ENTRY_RANK + 1)};
            for (int32_t d = 0; d < entry[k].rank; d++)
                entry[k].dim[d] = judge_draw_below(j, "dim", at, d, 5) == 0 ? (int64_t)1 << 40 : judge_draw_below(j, "size", at, d, 300);
        }
        JUDGE_TRY(checkpoint_import(j, tess_instance_ops(i, "checkpoint/1"), tess_instance_self(i), CHECKPOINT_ENTRIES, entry));
    }
    return TESS_OK;
}

static int checkpoint_drawn(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, checkpoint_drawn_body);
}

/* Plans the export of a model without attributes, of either kind and of none. */
static int checkpoint_export_body(struct judge *j, struct tess_instance *i)
{
    static const char *const kind[3] = {"autoencoder", "prior", "codes"};
    const struct tess_checkpoint_1 *ops = tess_instance_ops(i, "checkpoint/1");
    for (int k = 0; k < 3; k++) {
        struct tess_attrs *attrs = NULL;
        struct tess_export_weight w = {.ours = "encoder.conv_in.weight",
                                       .shape = tess_tensor_over(NULL, TESS_F32, 1, (const int64_t[]){3})};
        JUDGE_TRY(judge_ok(j, j->ctx, "the test", tessi_base_attrs_new(j->ctx, &attrs)));
        struct tess_export_plan p = {.size = sizeof p, .kind = kind[k], .attrs = attrs, .weights = 1, .weight = &w};
        int planned = ops->plan_export(tess_instance_self(i), j->ctx, &p), status = judge_status(j, j->ctx, "plan_export", planned);
        if (status == TESS_OK && planned == TESS_OK && k == 2)
            status = judge_fail(j, "plan_export of codes, which are no model: wanted TESS_E_VALUE, found that it is taken");
        tessi_base_attrs_free(attrs);
        tess_forget(j->ctx);
        JUDGE_TRY(status);
    }
    return TESS_OK;
}

static int checkpoint_export(struct judge *j)
{
    return judge_over(j, (int64_t)j->level, checkpoint_export_body);
}

static const struct judge_test checkpoint_tests[] = {
    {"import-empty", 1, "no tensors are no model: TESS_E_DATA", checkpoint_empty},
    {"import-drawn", 1, "tensors of drawn names and shapes: TESS_E_DATA, or taken", checkpoint_drawn},
    {"export-foreign", 1, "a model that it does not know is refused with a message", checkpoint_export},
    {NULL, 0, NULL, NULL}};

const struct judge_kind judge_checkpoint = {"checkpoint/1", checkpoint_tests, NULL};
