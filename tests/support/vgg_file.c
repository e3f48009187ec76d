/* SPDX-License-Identifier: MIT */
#include "tests/support/vgg_file.h"
#include "tests/support/suite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tessera/random.h>

struct out {
    const struct vgg_file *f;
    FILE *header, *data;
    long bytes;
    int entries;
};

static int is(const char *name, const char *other)
{
    return other && strcmp(name, other) == 0;
}

static void write_values(struct out *o, const char *name, int64_t count, double spread)
{
    float *value = malloc((size_t)count * sizeof *value);
    if (o->f->values) {
        double *given = o->f->values(o->f->user, name, count);
        for (int64_t i = 0; i < count; i++)
            value[i] = (float)given[i];
        free(given);
    } else {
        struct tess_stream s = {.seed = o->f->seed, .purpose = tess_purpose(name)};
        tess_random_normal(&s, 0, count, value);
        for (int64_t i = 0; i < count; i++)
            value[i] = spread < 0.0 ? fabsf(value[i]) : (float)spread * value[i];
    }
    for (int64_t i = 0; i < count && is(name, o->f->negative); i++)
        value[i] = -value[i];
    if (is(name, o->f->spoilt))
        value[count / 2] = NAN;
    ck_assert_int_eq((int64_t)fwrite(value, sizeof *value, (size_t)count, o->data), count);
    free(value);
}

/* The names of a tensor: LPIPS's, and as the file has it. spread < 0: no weight is negative. */
static void add(struct out *o, const char *name, const char *written, const char *shape, int64_t count, double spread)
{
    int is_head = strncmp(name, "lin", 3) == 0;
    if (is(name, o->f->missing) || (o->f->part && is_head != (o->f->part == 2)))
        return;
    for (int i = 0; i < 1 + is(name, o->f->twice); i++) {
        fprintf(o->header, "%s\"%s%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%ld,%ld]}", o->entries++ ? "," : "",
                i ? "perceptual." : o->f->prefix, written, shape, o->bytes, o->bytes + 4 * (long)count);
        o->bytes += 4 * (long)count;
        write_values(o, name, count, spread);
    }
}

static void add_convolution(struct out *o, int block, int layer, int64_t from, int64_t to)
{
    char name[64], written[64], shape[64];
    for (int bias = 0; bias < 2; bias++) {
        const char *part = bias ? "bias" : "weight";
        snprintf(name, sizeof name, "net.slice%d.%d.%s", block + 1, layer, part);
        if (o->f->listed)
            snprintf(written, sizeof written, "features.%d.%s", layer, part);
        else
            snprintf(written, sizeof written, "%s", name);
        if (bias)
            snprintf(shape, sizeof shape, "%d", (int)to);
        else
            snprintf(shape, sizeof shape, is(name, o->f->reshaped) ? "3,%d,%d,3" : "%d,%d,3,3", (int)to, (int)from);
        add(o, name, written, shape, bias ? to : 9 * from * to, bias ? 0.1 : sqrt(2.0 / (9.0 * (double)from)));
    }
}

void vgg_write(const char *path, const struct vgg_file *f)
{
    static const int layer[5][3] = {{0, 2, -1}, {5, 7, -1}, {10, 12, 14}, {17, 19, 21}, {24, 26, 28}}, width[5] = {1, 2, 4, 8, 8};
    struct out o = {.f = f};
    char *header = NULL, *data = NULL, shape[64], name[64];
    size_t header_bytes = 0, data_bytes = 0;
    int64_t from = 3;
    o.header = open_memstream(&header, &header_bytes);
    o.data = open_memstream(&data, &data_bytes);
    fprintf(o.header, f->noted ? "{\"__metadata__\":{\"saved\":\"again\",\"by\":\"another program\"}," : "{");
    for (int i = 0; i < 5; i++) {
        int64_t to = f->channels * width[i];
        for (int k = 0; k < 3 && layer[i][k] >= 0; k++, from = to)
            add_convolution(&o, i, layer[i][k], from, to);
        snprintf(name, sizeof name, "lin%d.model.1.weight", i);
        snprintf(shape, sizeof shape, "1,%d,1,1", (int)to);
        add(&o, name, name, shape, to, -1.0);
    }
    fprintf(o.header, "}");
    fclose(o.header);
    fclose(o.data);
    uint64_t bytes = header_bytes; /* little-endian, as the machines are that run this */
    FILE *to = fopen(path, "wb");
    ck_assert_ptr_nonnull(to);
    fwrite(&bytes, sizeof bytes, 1, to);
    fwrite(header, 1, header_bytes, to);
    fwrite(data, 1, data_bytes, to);
    ck_assert_int_eq(fclose(to), 0);
    free(header);
    free(data);
}
