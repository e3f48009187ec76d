/* format/1 `template-name`: weights with a head that a person can read. The first line is "template-name 1 N"; N lines follow, each with a
 * tensor's name, its rank and its dimensions; then all values, f32 in the order of the lines, little-endian as machines here are.
 *
 * SPDX-License-Identifier: MIT */
#include <tessera/exchange.h>
#include <tessera/plugin.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIRST_LINE "template-name 1 "

struct tensor {
    char name[TESS_ENTRY_NAME];
    struct tess_entry entry;
    int64_t at; /* offset of its values, in bytes from the end of the head */
};

/* Reader of one file: an instance reads one, opened by the host. */
struct template_name {
    FILE *file;
    char *path;
    int64_t count, head; /* tensors; bytes of the head */
    struct tensor *tensor;
};

static void template_name_close(void *self)
{
    struct template_name *f = (struct template_name *)self;
    if (f->file)
        (void)fclose(f->file);
    tess_free(f->path);
    tess_free(f->tensor);
}

static int64_t values_of(const struct tess_entry *e)
{
    int64_t n = 1;
    for (int32_t i = 0; i < e->rank; i++)
        n *= e->dim[i];
    return n;
}

/* ---- reading: nothing that a file says is believed before it is checked ---- */

static int template_name_recognises(const uint8_t *head, size_t bytes)
{
    return bytes >= sizeof FIRST_LINE - 1 && memcmp(head, FIRST_LINE, sizeof FIRST_LINE - 1) == 0;
}

/* Reads a line "NAME RANK DIM ..." of the head into t, whose values begin at `at`. */
static int read_line(struct template_name *f, struct tensor *t, int64_t at)
{
    int64_t left = (int64_t)1 << 40; /* limit of the number of values, divided by each dimension that was read */
    long long dim;
    char end;
    if (fscanf(f->file, "%255s %d", t->name, &t->entry.rank) != 2 || t->entry.rank < 0 || t->entry.rank > TESS_ENTRY_RANK)
        return 0;
    for (int32_t i = 0; i < t->entry.rank; i++) {
        if (fscanf(f->file, "%lld", &dim) != 1 || dim < 1 || dim > left)
            return 0;
        t->entry.dim[i] = dim;
        left /= dim;
    }
    t->entry.name = t->name;
    t->entry.dtype = "f32";
    t->entry.is_real = 1;
    t->at = at;
    return fscanf(f->file, "%c", &end) == 1 && end == '\n';
}

static int read_head(struct template_name *f, struct tess_context *ctx)
{
    void *memory = NULL;
    long long count = -1;
    int64_t at = 0;
    if (fscanf(f->file, FIRST_LINE "%lld", &count) != 1 || fgetc(f->file) != '\n' || count < 0 || count > 1000000)
        return ctx->fail(ctx, TESS_E_DATA, "%s: wanted `" FIRST_LINE "N`, a number of tensors, in its first line", f->path);
    TESS_TRY(tess_alloc(ctx, (size_t)(count + 1) * sizeof *f->tensor, "the list of tensors", &memory));
    f->tensor = (struct tensor *)memory;
    for (f->count = 0; f->count < count; f->count++) {
        struct tensor *t = &f->tensor[f->count];
        if (!read_line(f, t, at))
            return ctx->fail(ctx, TESS_E_DATA, "%s: wanted a name, a rank and as many dimensions in line %lld", f->path,
                             (long long)f->count + 2);
        for (int64_t i = 0; i < f->count; i++)
            if (strcmp(f->tensor[i].name, t->name) == 0)
                return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is there twice", f->path, t->name);
        at += values_of(&t->entry) * (int64_t)sizeof(float);
    }
    f->head = ftell(f->file);
    if (fseek(f->file, 0, SEEK_END) != 0 || ftell(f->file) != f->head + at)
        return ctx->fail(ctx, TESS_E_DATA, "%s: wanted %lld bytes of values behind its head, found others; fetch it again", f->path,
                         (long long)at);
    return TESS_OK;
}

static int template_name_open_file(void *self, struct tess_context *ctx, const char *path)
{
    struct template_name *f = (struct template_name *)self;
    void *memory = NULL;
    TESS_TRY(tess_alloc(ctx, strlen(path) + 1, "a path", &memory));
    f->path = (char *)memory;
    memcpy(f->path, path, strlen(path) + 1);
    f->file = fopen(path, "rb");
    if (!f->file)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s; check the path", path, strerror(errno));
    return read_head(f, ctx);
}

static int64_t template_name_count(void *self)
{
    return ((const struct template_name *)self)->count;
}

static const struct tess_entry *template_name_entry(void *self, int64_t i)
{
    return &((const struct template_name *)self)->tensor[i].entry;
}

static int template_name_read(void *self, struct tess_context *ctx, int64_t i, float *to)
{
    const struct template_name *f = (const struct template_name *)self;
    const size_t n = (size_t)values_of(&f->tensor[i].entry);
    if (fseek(f->file, (long)(f->head + f->tensor[i].at), SEEK_SET) != 0 || fread(to, sizeof *to, n, f->file) != n)
        return ctx->fail(ctx, TESS_E_IO, "%s: `%s` cannot be read; did the file become shorter?", f->path, f->tensor[i].name);
    return TESS_OK;
}

/* ---- writing: the host puts the bytes into a file ---- */

static int put_line(struct tess_context *ctx, const struct tess_format_file *out, const struct tess_entry *e)
{
    char line[TESS_ENTRY_NAME + 24 * (TESS_ENTRY_RANK + 1)];
    size_t length = (size_t)snprintf(line, sizeof line, "%s %d", e->name, (int)e->rank);
    for (int32_t i = 0; i < e->rank; i++)
        length += (size_t)snprintf(line + length, sizeof line - length, " %lld", (long long)e->dim[i]);
    line[length++] = '\n';
    return out->put(out->user, ctx, line, length);
}

static int template_name_write(void *self, struct tess_context *ctx, const struct tess_format_file *out)
{
    char first[64];
    const float *values = NULL;
    (void)self;
    int length = snprintf(first, sizeof first, FIRST_LINE "%lld\n", (long long)out->entries);
    TESS_TRY(out->put(out->user, ctx, first, (size_t)length));
    for (int64_t i = 0; i < out->entries; i++)
        TESS_TRY(put_line(ctx, out, &out->entry[i]));
    for (int64_t i = 0; i < out->entries; i++) {
        TESS_TRY(out->values(out->user, ctx, i, &values));
        TESS_TRY(out->put(out->user, ctx, values, (size_t)values_of(&out->entry[i]) * sizeof(float)));
    }
    return TESS_OK;
}

static const struct tess_format_1 ops = {sizeof(struct tess_format_1), template_name_recognises, template_name_open_file,
                                         template_name_count,          template_name_entry,      template_name_read,
                                         template_name_write};

TESS_PLUGIN("template-name", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT("template-name", "format/1", "weights with a head that a person can read", sizeof(struct template_name), NULL,
                           NULL, template_name_close, &ops));
