/* format/1 `torch`: what torch.save of PyTorch 1.6 and later writes (docs/formats.md, "Checkpoints of others"). A zip file, nothing in it
 * compressed: FOLDER/data.pkl is a pickle that says which tensor is a view of which storage, FOLDER/data/KEY is the storage's bytes.
 * The zip is libzip's matter, which checks each member's sum when it is read; the pickle is read by pickle.c and runs nothing.
 *
 * A storage is read whole and kept until another is wanted, so that a file whose tensors share one costs no more than it holds.
 *
 * SPDX-License-Identifier: MIT */
#include "kit/format/numbers.h"
#include "plugins/formats/torch/pickle.h"

#include <tessera/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

enum { MEMBERS_MAX = 1 << 17, FOLDER_MAX = 255 };

struct torch {
    const char *path;
    char *path_copy;
    zip_t *zip;
    char folder[FOLDER_MAX + 1]; /* folder inside the zip, "archive" */
    int64_t file_bytes;
    struct pickle pickle;
    struct tess_entry *entry;
    uint8_t *storage; /* storage read last, that of tensor `held` */
    int64_t held;
};

static const uint8_t zip_magic[4] = {'P', 'K', 3, 4};
static const uint8_t old_magic[4] = {0x80, 2, 0x8a, 10}; /* a pickle that begins with an integer of ten bytes */

static int torch_recognises(const uint8_t *head, size_t bytes)
{
    return bytes >= 4 && (memcmp(head, zip_magic, 4) == 0 || memcmp(head, old_magic, 4) == 0);
}

static int torch_damaged(struct tess_context *ctx, const struct torch *t, const char *member)
{
    return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` in it cannot be read: %s; fetch the file again", t->path, member, zip_strerror(t->zip));
}

/* ---- members ------------------------------------------------------------------------------------------------------- */

/* Finds a member of plain bytes: stored uncompressed, all of it inside the file. */
static int check_member(struct tess_context *ctx, const struct torch *t, zip_uint64_t index, zip_stat_t *st)
{
    const zip_uint64_t wanted = ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
    const char *name = zip_get_name(t->zip, index, ZIP_FL_ENC_RAW);
    if (!name || zip_stat_index(t->zip, index, ZIP_FL_ENC_RAW, st) != 0)
        return torch_damaged(ctx, t, name ? name : "a member");
    if ((st->valid & wanted) != wanted || st->comp_method != ZIP_CM_STORE || st->encryption_method != ZIP_EM_NONE ||
        st->size != st->comp_size || st->size > (zip_uint64_t)t->file_bytes)
        return ctx->fail(ctx, TESS_E_DATA,
                       "%s: `%.200s` in it is compressed, encrypted or larger than the file; torch.save writes plain bytes", t->path, name);
    return TESS_OK;
}

/* Reads all bytes of a member; the read beyond the last is what makes libzip compare the sum. */
static int read_member(struct tess_context *ctx, const struct torch *t, zip_uint64_t index, uint8_t **out, size_t *bytes)
{
    zip_stat_t st;
    void *memory;
    uint8_t beyond;
    const char *name = zip_get_name(t->zip, index, ZIP_FL_ENC_RAW);
    TESS_TRY(check_member(ctx, t, index, &st));
    TESS_TRY(tess_alloc(ctx, (size_t)st.size + 1, "a tensor's storage", &memory));
    zip_file_t *f = zip_fopen_index(t->zip, index, 0);
    zip_int64_t got = f ? zip_fread(f, memory, st.size) : -1;
    int whole = got == (zip_int64_t)st.size && zip_fread(f, &beyond, 1) == 0;
    int status = whole ? TESS_OK
                       : ctx->fail(ctx, TESS_E_DATA, "%s: `%.200s` in it cannot be read: %s; fetch the file again", t->path, name,
                                 f && got < 0 ? zip_file_strerror(f) : f ? "its sum is not that of its bytes" : zip_strerror(t->zip));
    if (f)
        zip_fclose(f);
    if (status != TESS_OK) {
        tess_free(memory);
        return status;
    }
    *out = memory;
    *bytes = (size_t)st.size;
    return TESS_OK;
}

static int torch_by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Names in order, so that one that is there twice shows: readers differ in which of the two they take. */
static int check_names(struct tess_context *ctx, const struct torch *t, zip_int64_t n, const char **name)
{
    for (zip_int64_t i = 0; i < n; i++) {
        name[i] = zip_get_name(t->zip, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        if (!name[i])
            return torch_damaged(ctx, t, "a member");
    }
    qsort(name, (size_t)n, sizeof *name, torch_by_name);
    for (zip_int64_t i = 1; i < n; i++)
        if (strcmp(name[i - 1], name[i]) == 0)
            return ctx->fail(ctx, TESS_E_DATA, "%s: has two members called `%.200s`; no such file comes from torch.save", t->path, name[i]);
    return TESS_OK;
}

/* The folder is called after the file when it was saved: it is where data.pkl lies. */
static int find_folder(struct tess_context *ctx, struct torch *t, zip_int64_t n, const char *const *name)
{
    static const char tail[] = "/data.pkl";
    size_t found = 0;
    for (zip_int64_t i = 0; i < n; i++) {
        size_t length = strlen(name[i]), folder = length - (sizeof tail - 1);
        if (length < sizeof tail || strcmp(name[i] + folder, tail) != 0 || memchr(name[i], '/', folder))
            continue;
        if (found++ || folder > FOLDER_MAX)
            return ctx->fail(ctx, TESS_E_DATA, "%s: has data.pkl in more than one folder, or in one with too long a name", t->path);
        memcpy(t->folder, name[i], folder);
        t->folder[folder] = '\0';
    }
    if (!found)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is a zip file without FOLDER/data.pkl: not one of torch.save, or a model as TorchScript",
                       t->path);
    return TESS_OK;
}

/* Number of the member "archive/data/17"; -1 when there is none. */
static zip_int64_t torch_locate(const struct torch *t, const char *what, const char *key)
{
    char name[FOLDER_MAX + TESS_ENTRY_NAME + 16];
    snprintf(name, sizeof name, "%s/%s%s", t->folder, what, key);
    return zip_name_locate(t->zip, name, ZIP_FL_ENC_RAW);
}

/* Files before 2.1 do not say; those were written on machines like this one. */
static int check_byte_order(struct tess_context *ctx, const struct torch *t)
{
    uint8_t *text;
    size_t bytes;
    zip_int64_t index = torch_locate(t, "byteorder", "");
    if (index < 0)
        return TESS_OK;
    TESS_TRY(read_member(ctx, t, (zip_uint64_t)index, &text, &bytes));
    int little = bytes >= 6 && memcmp(text, "little", 6) == 0;
    tess_free(text);
    return little ? TESS_OK
                  : ctx->fail(ctx, TESS_E_DATA, "%s: its numbers are not little-endian; save it again on another machine", t->path);
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int open_zip(struct tess_context *ctx, struct torch *t)
{
    char head[4] = {0};
    struct stat st;
    int code = 0;
    FILE *f = fopen(t->path, "rbe");
    if (!f || fstat(fileno(f), &st) != 0)
        st.st_size = 0;
    else
        (void)!fread(head, 1, sizeof head, f);
    if (f)
        (void)fclose(f);
    if (memcmp(head, old_magic, 4) == 0)
        return ctx->fail(ctx, TESS_E_DATA,
                         "%s: was written by PyTorch before 1.6, as pickles one after the other; load it and save it again", t->path);
    t->file_bytes = (int64_t)st.st_size;
    t->zip = zip_open(t->path, ZIP_RDONLY, &code);
    if (t->zip)
        return TESS_OK;
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    int status = ctx->fail(ctx, TESS_E_DATA, "%s: is no whole zip file (%s); a part of it may be missing: fetch it again", t->path,
                         zip_error_strerror(&error));
    zip_error_fini(&error);
    return status;
}

static int torch_list_contents(struct tess_context *ctx, struct torch *t)
{
    void *memory;
    zip_int64_t n = zip_get_num_entries(t->zip, 0);
    if (n > MEMBERS_MAX)
        return ctx->fail(ctx, TESS_E_DATA, "%s: has %lld members, %d are the most", t->path, (long long)n, MEMBERS_MAX);
    TESS_TRY(tess_alloc(ctx, (size_t)(n + 1) * sizeof(char *), "names", &memory));
    int status = check_names(ctx, t, n, memory);
    if (status == TESS_OK)
        status = find_folder(ctx, t, n, memory);
    tess_free(memory);
    return status == TESS_OK ? check_byte_order(ctx, t) : status;
}

static int read_pickle(struct tess_context *ctx, struct torch *t)
{
    uint8_t *bytes;
    size_t count;
    zip_stat_t st;
    zip_int64_t index = torch_locate(t, "data.pkl", "");
    if (index < 0)
        return torch_damaged(ctx, t, "data.pkl");
    TESS_TRY(check_member(ctx, t, (zip_uint64_t)index, &st));
    if (st.size > PICKLE_MAX)
        return ctx->fail(ctx, TESS_E_DATA, "%s: its pickle has %llu bytes, %d are the most", t->path, (unsigned long long)st.size,
                         PICKLE_MAX);
    TESS_TRY(read_member(ctx, t, (zip_uint64_t)index, &bytes, &count));
    int status = pickle_read(ctx, t->path, bytes, count, &t->pickle);
    tess_free(bytes);
    return status;
}

/* Checks that each tensor's storage is there and of the size that the pickle says. */
static int check_storage(struct tess_context *ctx, const struct torch *t, const struct pickle_tensor *p)
{
    zip_stat_t st;
    zip_int64_t index = torch_locate(t, "data/", p->storage);
    if (index < 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is in storage %s, which the file has not", t->path, p->name, p->storage);
    TESS_TRY(check_member(ctx, t, (zip_uint64_t)index, &st));
    int64_t bytes;
    if (!number_capacity(p->type, 1, &p->numbers, &bytes) || (zip_uint64_t)bytes != st.size)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is in storage %s, of %lld numbers of %s by the pickle and of %llu bytes in the file",
                       t->path,
                       p->name, p->storage, (long long)p->numbers, number_name(p->type), (unsigned long long)st.size);
    return TESS_OK;
}

static int torch_list_entries(struct tess_context *ctx, struct torch *t)
{
    void *memory;
    int64_t twice;
    TESS_TRY(tess_alloc(ctx, (size_t)(t->pickle.count + 1) * sizeof *t->entry, "tensors", &memory));
    t->entry = memory;
    for (int64_t i = 0; i < t->pickle.count; i++) {
        const struct pickle_tensor *p = &t->pickle.tensor[i];
        TESS_TRY(check_storage(ctx, t, p));
        t->entry[i] = (struct tess_entry){
            .name = p->name, .dtype = number_name(p->type), .is_real = number_is_real(p->type), .rank = p->rank};
        memcpy(t->entry[i].dim, p->dim, sizeof p->dim);
    }
    TESS_TRY(number_twice(ctx, t->entry, t->pickle.count, &twice));
    if (twice >= 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: `%s` is there twice", t->path, t->entry[twice].name);
    return TESS_OK;
}

static int torch_open_file(void *self, struct tess_context *ctx, const char *path)
{
    struct torch *t = self;
    TESS_TRY(tess_copy_text(ctx, path, &t->path_copy));
    t->path = t->path_copy;
    t->held = -1;
    TESS_TRY(open_zip(ctx, t));
    TESS_TRY(torch_list_contents(ctx, t));
    TESS_TRY(read_pickle(ctx, t));
    return torch_list_entries(ctx, t);
}

static void close_torch(void *self)
{
    struct torch *t = self;
    if (t->zip)
        zip_discard(t->zip);
    pickle_free(&t->pickle);
    tess_free(t->entry);
    tess_free(t->storage);
    tess_free(t->path_copy);
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static int64_t torch_count(void *self)
{
    return ((struct torch *)self)->pickle.count;
}

static const struct tess_entry *torch_entry(void *self, int64_t i)
{
    return &((struct torch *)self)->entry[i];
}

static int hold_storage(struct tess_context *ctx, struct torch *t, int64_t i)
{
    const struct pickle_tensor *p = &t->pickle.tensor[i];
    size_t bytes;
    if (t->held >= 0 && strcmp(t->pickle.tensor[t->held].storage, p->storage) == 0)
        return TESS_OK;
    tess_free(t->storage);
    t->storage = NULL;
    t->held = -1;
    TESS_TRY(read_member(ctx, t, (zip_uint64_t)torch_locate(t, "data/", p->storage), &t->storage, &bytes));
    t->held = i;
    return TESS_OK;
}

/* Copies a view row by row along the last dimension, the others counted up like an odometer. All of the view was found to be inside. */
static void torch_gather(const struct pickle_tensor *p, const uint8_t *storage, float *to)
{
    int64_t at[TESS_ENTRY_RANK] = {0}, bytes = number_bytes(p->type), place = p->offset;
    int32_t last = p->rank - 1;
    int64_t row = p->rank ? p->dim[last] : 1, stride = p->rank ? p->stride[last] : 1;
    for (;;) {
        if (stride == 1)
            number_to_f32(p->type, storage + place * bytes, row, to);
        else
            for (int64_t k = 0; k < row; k++)
                number_to_f32(p->type, storage + (place + k * stride) * bytes, 1, to + k);
        to += row;
        int32_t d = last - 1;
        for (; d >= 0; d--) {
            place += p->stride[d];
            if (++at[d] < p->dim[d])
                break;
            place -= p->dim[d] * p->stride[d];
            at[d] = 0;
        }
        if (d < 0)
            return;
    }
}

static int torch_read_tensor(void *self, struct tess_context *ctx, int64_t i, float *to)
{
    struct torch *t = self;
    const struct pickle_tensor *p = &t->pickle.tensor[i];
    int64_t bytes;
    if (!number_is_real(p->type))
        return number_refuse(ctx, t->path, &t->entry[i]);
    if (!number_capacity(p->type, p->rank, p->dim, &bytes) || bytes == 0)
        return TESS_OK;
    TESS_TRY(hold_storage(ctx, t, i));
    torch_gather(p, t->storage, to);
    return TESS_OK;
}

static const struct tess_format_1 ops = {.size = sizeof ops,
                                         .recognises = torch_recognises,
                                         .open_file = torch_open_file,
                                         .count = torch_count,
                                         .entry = torch_entry,
                                         .read = torch_read_tensor};

TESS_PLUGIN("tessera-torch", "0.1.0", "MIT", TESS_NEEDS_NONE,
            TESS_COMPONENT_DOCUMENTED("PyTorch, torch.save: a ZIP archive with a pickle",
                                      "tessera import last.ckpt -o tokenizer.h5 --as taming", "torch", "format/1",
                                      "dictionaries of weights that torch.save wrote (.th, .pt, .pth); read only", sizeof(struct torch),
                                      NULL, NULL, close_torch, &ops));
