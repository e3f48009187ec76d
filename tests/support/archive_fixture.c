/* SPDX-License-Identifier: MIT */
#include "tests/support/archive_fixture.h"

#include "core/archive/archive.h"

#include <check.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define D(...) (&(struct tess_dataset){.size = sizeof(struct tess_dataset), __VA_ARGS__})

int archive_is_skipped(int64_t item)
{
    return item % 7 == 3;
}

int32_t archive_code(const struct archive_shard *s, int64_t item, int64_t k)
{
    int64_t size = s->codebook_size ? s->codebook_size : 40;
    return (int32_t)(store_number((uint64_t)(item * 1009 + k)) % (uint32_t)size);
}

static int bits_for(int64_t n)
{
    int bits = 1;
    while ((int64_t)1 << bits < n)
        bits++;
    return bits;
}

/* Memory of a shard on its way. */
struct made {
    int64_t rows, skipped, token;
    int32_t *codes, *label, *item;
    uint8_t *flipped;
    char (*text)[40];
    const char **name, **reason;
};

static void make_rows(const struct archive_shard *s, struct made *m)
{
    for (int64_t i = s->first; i < s->first + s->items; i++) {
        if (archive_is_skipped(i)) {
            snprintf(m->text[s->items + m->skipped], 40, "%lld.png: is %s", (long long)i, i % 2 ? "truncated" : "empty");
            m->reason[m->skipped] = m->text[s->items + m->skipped];
            m->skipped++;
            continue;
        }
        for (int view = 0; view < 1 + s->crops; view++, m->rows++) {
            for (int64_t k = 0; k < m->token; k++)
                m->codes[m->rows * m->token + k] = archive_code(s, i, view * m->token + k);
            m->label[m->rows] = (int32_t)(i % 5);
            m->item[m->rows] = (int32_t)i;
            m->flipped[m->rows] = (uint8_t)view;
            snprintf(m->text[i - s->first], 40, "%lld.png", (long long)i);
            m->name[m->rows] = m->text[i - s->first];
        }
    }
    if (s->wrong_code)
        m->codes[3 * m->token + 1] = (int32_t)((s->codebook_size ? s->codebook_size : 40) + 1);
    if (s->wrong_label)
        m->label[2] = 6;
    m->rows -= s->lost_item;
}

static void put_rows(struct tess_artefact *a, const struct archive_shard *s, const struct made *m, int64_t depth)
{
    int64_t h = s->height ? s->height : 4, w = s->width ? s->width : 4, size = s->codebook_size ? s->codebook_size : 40;
    struct tess_tensor t = tess_tensor_over(m->codes, TESS_I32, depth > 1 ? 4 : 3, (int64_t[]){m->rows, h, w, depth});
    store_ok(tess_artefact_put(C, a, "codes", &t, D(.bits = bits_for(size), .by_row = 1, .labels = "image y x")));
    t = tess_tensor_over(m->label, TESS_I32, 1, &m->rows);
    store_ok(tess_artefact_put(C, a, "labels", &t, D(.bits = 3)));
    if (s->crops) {
        t = tess_tensor_over(m->item, TESS_I32, 1, &m->rows);
        store_ok(tess_artefact_put(C, a, "item", &t, D(.compress = 1)));
        t = tess_tensor_over(m->flipped, TESS_U8, 1, &m->rows);
        store_ok(tess_artefact_put(C, a, "flipped", &t, D(.bits = 1)));
    }
    store_ok(tess_artefact_put_strings(C, a, "names", m->rows, m->name));
    if (m->skipped)
        store_ok(tess_artefact_put_strings(C, a, "skipped", m->skipped, m->reason));
}

static void describe(struct tess_artefact *a, const struct archive_shard *s, int64_t rows, int64_t depth)
{
    struct tess_attrs *f = tess_artefact_describe(a);
    const struct {
        const char *name;
        int64_t value;
    } list[] = {{"count", rows},
                {"train_count", rows},
                {"height", s->height ? s->height : 4},
                {"width", s->width ? s->width : 4},
                {"codebook_size", s->codebook_size ? s->codebook_size : 40},
                {"code_dim", 2},
                {"classes", 5},
                {"first_item", s->first},
                {"items", s->items}};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        store_ok(tess_attrs_set_i64(C, f, list[i].name, list[i].value));
    if (depth > 1)
        store_ok(tess_attrs_set_i64(C, f, "depth", depth));
    store_ok(tess_attrs_set_text(C, f, "tokenizer", s->tokenizer ? s->tokenizer : "abc"));
}

void archive_write_shard(const char *name, const struct archive_shard *s)
{
    int64_t depth = s->depth ? s->depth : 1, views = 1 + s->crops, size = s->codebook_size ? s->codebook_size : 40;
    struct made m = {.token = (s->height ? s->height : 4) * (s->width ? s->width : 4) * depth};
    m.codes = calloc((size_t)(s->items * views * m.token), sizeof *m.codes);
    m.label = calloc((size_t)(s->items * views), sizeof *m.label);
    m.item = calloc((size_t)(s->items * views), sizeof *m.item);
    m.flipped = calloc((size_t)(s->items * views), 1);
    m.text = calloc((size_t)(2 * s->items), sizeof *m.text);
    m.name = calloc((size_t)(s->items * views), sizeof *m.name);
    m.reason = calloc((size_t)s->items, sizeof *m.reason);
    float *book = calloc((size_t)(size * 2), sizeof *book);
    for (int64_t i = 0; i < size * 2; i++)
        book[i] = (float)i / 8;
    make_rows(s, &m);
    struct tess_artefact *a = store_create(name, "codes");
    put_rows(a, s, &m, depth);
    if (depth == 1) {
        struct tess_tensor t = tess_tensor_over(book, TESS_F32, 2, (int64_t[]){size, 2});
        store_ok(tess_artefact_put(C, a, "codebook", &t, D(.labels = "code channel")));
    }
    store_ok(tess_artefact_put_strings(C, a, "classes", 5, (const char *const[]){"a", "b", "c", "d", "e"}));
    describe(a, s, m.rows, depth);
    store_finish(a, NULL);
    free(m.codes), free(m.label), free(m.item), free(m.flipped), free(m.text), free(m.name), free(m.reason), free(book);
}

void archive_folder(const char *folder)
{
    ck_assert_int_eq(mkdir(store_path(folder), 0777), 0);
}

void archive_setup(const char *folder, int64_t n, const struct archive_shard *shard)
{
    char name[64][64], path[128];
    const char *file[64];
    archive_folder(folder);
    for (int64_t i = 0; i < n; i++) {
        struct archive_shard s = shard ? *shard : (struct archive_shard){0};
        s.items = s.items ? s.items : ARCHIVE_ITEMS;
        s.first = i * s.items;
        snprintf(name[i], sizeof name[i], "shard-%06lld.h5", (long long)i);
        file[i] = name[i];
        snprintf(path, sizeof path, "%s/%s", folder, name[i]);
        archive_write_shard(path, &s);
    }
    snprintf(path, sizeof path, "%s/index.h5", folder);
    store_ok(tessi_archive_write_index(C, store_path(path), file, n, NULL));
}

void archive_flip_code(const char *name)
{
    hid_t file = H5Fopen(store_path(name), H5F_ACC_RDONLY, H5P_DEFAULT), codes = H5Dopen2(file, "codes", H5P_DEFAULT);
    haddr_t at = H5Dget_offset(codes);
    ck_assert(codes >= 0 && at != HADDR_UNDEF);
    H5Dclose(codes);
    H5Fclose(file);
    FILE *f = fopen(store_path(name), "r+b");
    ck_assert(f && fseek(f, (long)at, SEEK_SET) == 0);
    int byte = getc(f);
    ck_assert(fseek(f, (long)at, SEEK_SET) == 0 && putc(byte ^ 1, f) != EOF && fclose(f) == 0);
}
