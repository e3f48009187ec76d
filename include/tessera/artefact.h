/* Artefacts: one HDF5 file each, data or a model, with the provenance that made it. docs/formats.md has every layout.
 *
 * Written aside, synced and renamed when complete; so a file under its own name is complete. All HDF5 work of
 * a process runs on one thread at a time; these functions take a lock.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_ARTEFACT_H
#define TESSERA_ARTEFACT_H

#include <tessera/attributes.h>
#include <tessera/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tess_artefact; /* opened by the host, for reading or for writing; a stage gets its inputs and its output */

/* Kind of the artefact, "images", "autoencoder", "codes", "prior", "samples", "metrics" ...: what a stage's ports ask for. */
TESS_EXPORT const char *tess_artefact_kind(const struct tess_artefact *a);
TESS_EXPORT const char *tess_artefact_path(const struct tess_artefact *a);
/* SHA-256 over kind, attributes, dataset names, dtypes, shapes and values; not over times, hosts or provenance. "" while writing. */
TESS_EXPORT const char *tess_artefact_digest(const struct tess_artefact *a);
TESS_EXPORT const struct tess_attrs *tess_artefact_attrs(const struct tess_artefact *a);

/* ---- writing ------------------------------------------------------------------------------------------------------- */

/* Attributes of the artefact being written (set them before it is finished). */
TESS_EXPORT struct tess_attrs *tess_artefact_describe(struct tess_artefact *a);

/* Optional properties of a dataset; zero is the plain case. */
struct tess_dataset {
    uint32_t size;
    int32_t bits;       /* unsigned integers: precision in bits; stored with the n-bit filter. 0: the dtype's own width */
    int32_t compress;   /* 1: shuffle and deflate filters */
    const char *labels; /* names of the dimensions, "image y x channel": attribute `labels` */
    const char *unit;   /* attribute `unit` */
    int32_t may_end;    /* 1: tess_artefact_end may come before all rows are appended */
    int32_t by_row;     /* 1: rows will be read one at a time, in any order: chunks of 16 to 32 KiB, each of which is decoded whole */
};
/* A whole dataset at once. `name` may be a path ("weights/encoder/..."): groups are made. `d` may be NULL. */
TESS_EXPORT TESS_CHECKED int tess_artefact_put(struct tess_context *ctx, struct tess_artefact *a, const char *name,
                                               const struct tess_tensor *t, const struct tess_dataset *d);
/* A dataset of known final shape, filled in order by rows (dim[0]); chunks of whole rows, 256 KiB to 1 MiB (by_row: less), fletcher32. */
TESS_EXPORT TESS_CHECKED int tess_artefact_begin(struct tess_context *ctx, struct tess_artefact *a, const char *name,
                                                 const struct tess_tensor *shape, const struct tess_dataset *d);
TESS_EXPORT TESS_CHECKED int tess_artefact_append(struct tess_context *ctx, struct tess_artefact *a, const char *name,
                                                  const struct tess_tensor *rows);
/* A dataset begun with `may_end` has the rows appended so far, at least one, and no more. */
TESS_EXPORT TESS_CHECKED int tess_artefact_end(struct tess_context *ctx, struct tess_artefact *a, const char *name);
/* A dataset of strings, one a row (UTF-8, fixed width, null-padded). */
TESS_EXPORT TESS_CHECKED int tess_artefact_put_strings(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t n,
                                                       const char *const *text);
/* A dataset of n strings of at most `width` bytes each (1 to 65536), filled in order a few at a time; its file is that of
 * tess_artefact_put_strings where `width` is the length of the longest. */
TESS_EXPORT TESS_CHECKED int tess_artefact_begin_strings(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t n,
                                                         int64_t width);
TESS_EXPORT TESS_CHECKED int tess_artefact_append_strings(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t n,
                                                          const char *const *text);
/* A dataset of another artefact under its name there, numbers at their precision or strings; `d` says what the file does not tell
 * (labels, compress) and may be NULL. Nothing where `from` has none of that name. */
TESS_EXPORT TESS_CHECKED int tess_artefact_copy(struct tess_context *ctx, struct tess_artefact *a, const char *name,
                                                const struct tess_artefact *from, const struct tess_dataset *d);
/* Copies n rows of a dataset of another artefact: row i of the new dataset is row[i] of the other, in any order, repeats allowed. */
TESS_EXPORT TESS_CHECKED int tess_artefact_copy_rows(struct tess_context *ctx, struct tess_artefact *a, const char *name,
                                                     const struct tess_artefact *from, int64_t n, const int64_t *row,
                                                     const struct tess_dataset *d);
/* A picture to look at, u8 (H, W, 1 or 3), under /pictures/NAME: the run's folder gets it as STAGE.NAME.png. */
TESS_EXPORT TESS_CHECKED int tess_artefact_put_picture(struct tess_context *ctx, struct tess_artefact *a, const char *name,
                                                       const struct tess_tensor *t);
/* A picture that is a contact sheet: `count` tiles of height x width pixels, `across` side by side, each enlarged `zoom` times, `gap`
 * pixels apart. A report shows its tiles beside those of other runs. */
struct tess_tiles {
    uint32_t size;
    int32_t zoom, gap;
    int64_t count, across, height, width;
    const char *rows; /* contents of the lines of tiles, from the top and then over again: "original|reconstruction". NULL: all alike */
};
TESS_EXPORT TESS_CHECKED int tess_artefact_put_tiles(struct tess_context *ctx, struct tess_artefact *a, const char *name,
                                                     const struct tess_tensor *t, const struct tess_tiles *tiles);

enum { TESS_METRIC_LOWER = -1, TESS_METRIC_HIGHER = 1 }; /* which of two values is the better */

/* A metric: one number of the final table. TESS_METRIC_VALUE is an initialiser for one without an error or interval. */
struct tess_metric_value {
    uint32_t size;
    int32_t better;        /* TESS_METRIC_LOWER, TESS_METRIC_HIGHER; 0: neither, or unknown */
    const char *name;      /* without `/`; unique within the artefact */
    const char *unit;      /* "dB", "bits/token"; "" or NULL for none */
    double value;          /* not NaN */
    double standard_error; /* standard error of `value`, in its unit; below 0: none */
    double low, high;      /* interval, which need not contain the value (a percentile interval may not); low > high: none */
};
#define TESS_METRIC_VALUE(name, value, unit, better)                                                                                       \
    {                                                                                                                                      \
        (uint32_t)sizeof(struct tess_metric_value), (better), (name), (unit), (value), -1.0, 1.0, 0.0                                      \
    }

/* Writes a metric under /metrics/NAME. Texts are copied; the order of writing is kept. TESS_E_VALUE for a NaN. */
TESS_EXPORT TESS_CHECKED int tess_artefact_put_metric_value(struct tess_context *ctx, struct tess_artefact *a,
                                                            const struct tess_metric_value *v);
/* Writes a metric of which neither a lower nor a higher value is better, such as a count or a size; else as
 * tess_artefact_put_metric_value. */
TESS_EXPORT TESS_CHECKED int tess_artefact_put_metric(struct tess_context *ctx, struct tess_artefact *a, const char *name, double value,
                                                      const char *unit);

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* Shape and dtype (data NULL): u8, u16 or i32 for integers, f32 for reals. TESS_E_DATA names file and dataset when absent. */
TESS_EXPORT TESS_CHECKED int tess_artefact_shape(struct tess_context *ctx, const struct tess_artefact *a, const char *name,
                                                 struct tess_tensor *shape);
TESS_EXPORT int tess_artefact_has(const struct tess_artefact *a, const char *name);
/* Name of the i-th dataset, metrics left out, in no particular order; NULL past the end. Borrowed. */
TESS_EXPORT const char *tess_artefact_name_at(const struct tess_artefact *a, int64_t i);
/* Rows first .. first + t->dim[0] - 1 into t (dtype of t may be wider: u8 -> i32). Shapes must agree but for dim[0]. */
TESS_EXPORT TESS_CHECKED int tess_artefact_read(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int64_t first,
                                                struct tess_tensor *t);
/* The whole dataset into memory the caller frees with tess_free(t->data). */
TESS_EXPORT TESS_CHECKED int tess_artefact_load(struct tess_context *ctx, const struct tess_artefact *a, const char *name, int32_t dtype,
                                                struct tess_tensor *t);

/* Number of strings in a dataset of them; -1: there is none of that name. */
TESS_EXPORT int64_t tess_artefact_strings(const struct tess_artefact *a, const char *name);
/* Strings first .. first + n - 1 of a dataset, each freed with tess_free; where it fails, the entries that could not be read are NULL. */
TESS_EXPORT TESS_CHECKED int tess_artefact_read_strings(struct tess_context *ctx, const struct tess_artefact *a, const char *name,
                                                        int64_t first, int64_t n, char **text);

/* A contact sheet: n images u8 (n, H, W, C) in a grid `across` wide with a gap of `gap` pixels (white), nearest-enlarged
 * `zoom` times, into a picture the caller frees with tess_free(out->data). across 0: the squarest. */
TESS_EXPORT TESS_CHECKED int tess_contact_sheet(struct tess_context *ctx, const struct tess_tensor *images, int64_t across, int64_t gap,
                                                int64_t zoom, struct tess_tensor *out);

#ifdef __cplusplus
}
#endif
#endif
