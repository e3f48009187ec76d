/* Files of PyTorch 1.6 and later: a ZIP archive with nothing in it compressed. FOLDER/data.pkl is the pickle, FOLDER/data/KEY a storage's
 * bytes. SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/storage_sum.h"
#include "plugins/formats/torch/torch_file.h"

#include <stdio.h>
#include <string.h>

/* The folder is called after the file when it was saved: it is where data.pkl lies. */
static int torch_zip_find_folder(struct tess_context *ctx, struct torch_file *f)
{
    static const char tail[] = "/data.pkl";
    size_t found = 0;
    for (int64_t i = 0; i < f->zip.count; i++) {
        const char *name = f->zip.member[i].name;
        size_t length = strlen(name), folder = length - (sizeof tail - 1);
        if (length < sizeof tail || strcmp(name + folder, tail) != 0 || memchr(name, '/', folder))
            continue;
        if (found++ || folder > TORCH_FOLDER_MAX)
            return ctx->fail(ctx, TESS_E_DATA, "%s: has data.pkl in more than one folder, or in one with too long a name", f->path);
        memcpy(f->folder, name, folder);
        f->folder[folder] = '\0';
    }
    if (!found)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is a zip file without FOLDER/data.pkl: not one of torch.save, or a model as TorchScript",
                         f->path);
    return TESS_OK;
}

/* The member "archive/data/17", or NULL. */
static const struct zip_member *torch_zip_find(const struct torch_file *f, const char *what, const char *key)
{
    char name[TORCH_FOLDER_MAX + TESS_ENTRY_NAME + 16];
    (void)snprintf(name, sizeof name, "%s/%s%s", f->folder, what, key);
    return zip_member_find(&f->zip, name);
}

/* Reads all bytes of a member of at most `max` bytes. */
static int torch_zip_member(struct tess_context *ctx, const struct torch_file *f, const struct zip_member *m, int64_t max, uint8_t **out)
{
    int64_t offset;
    void *memory;
    TESS_TRY(zip_member_place(ctx, f->path, f->fd, &f->zip, m, &offset));
    if (m->bytes > max)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%.200s` in it has %lld bytes, %lld are the most", f->path, m->name, (long long)m->bytes,
                         (long long)max);
    TESS_TRY(tess_alloc(ctx, (size_t)m->bytes + 1, "a member of an archive", &memory));
    int status = steady_read_at(ctx, f->path, f->fd, offset, (size_t)m->bytes, memory);
    if (status == TESS_OK && f->zip.has_sums && storage_sum(0, memory, (size_t)m->bytes) != m->sum)
        status = ctx->fail(ctx, TESS_E_DATA, "%s: `%.200s` in it cannot be read: its sum is not that of its bytes; fetch the file again",
                           f->path, m->name);
    *out = memory;
    if (status != TESS_OK)
        tess_free(memory);
    return status;
}

/* Files before 2.1 do not say; those were written on machines like this one. */
static int torch_zip_byte_order(struct tess_context *ctx, const struct torch_file *f)
{
    uint8_t *text;
    const struct zip_member *m = torch_zip_find(f, "byteorder", "");
    if (!m)
        return TESS_OK;
    TESS_TRY(torch_zip_member(ctx, f, m, 4096, &text));
    int little = m->bytes >= 6 && memcmp(text, "little", 6) == 0;
    tess_free(text);
    return little ? TESS_OK
                  : ctx->fail(ctx, TESS_E_DATA, "%s: its numbers are not little-endian; save it again on another machine", f->path);
}

int torch_zip_open(struct tess_context *ctx, struct torch_file *f, const char *key)
{
    uint8_t *bytes;
    TESS_TRY(zip_members_read(ctx, f->path, f->fd, f->about.bytes, &f->zip));
    TESS_TRY(torch_zip_find_folder(ctx, f));
    TESS_TRY(torch_zip_byte_order(ctx, f));
    const struct zip_member *m = torch_zip_find(f, "data.pkl", "");
    TESS_TRY(torch_zip_member(ctx, f, m, PICKLE_MAX, &bytes));
    int status = pickle_read(ctx, f->path, bytes, (size_t)m->bytes, key, &f->pickle, NULL);
    tess_free(bytes);
    return status;
}

int torch_zip_range(struct tess_context *ctx, const struct torch_file *f, const struct pickle_tensor *p, struct torch_range *out)
{
    const struct zip_member *m = torch_zip_find(f, "data/", p->storage);
    if (!m)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is in storage %s, which the file has not", f->path, p->name, p->storage);
    TESS_TRY(zip_member_place(ctx, f->path, f->fd, &f->zip, m, &out->offset));
    if (m->bytes != p->storage_bytes)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is in storage %s, of %lld bytes by the pickle and of %lld bytes in the file", f->path,
                         p->name, p->storage, (long long)p->storage_bytes, (long long)m->bytes);
    out->bytes = m->bytes;
    out->sum = m->sum;
    out->has_sum = f->zip.has_sums;
    return TESS_OK;
}
