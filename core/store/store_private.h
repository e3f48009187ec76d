/* Declarations shared by the files of this room: the artefact's insides, the lock around HDF5, the file driver.
 *
 * HDF5 is used by one thread at a time: every public function takes the lock, and everything declared here that touches HDF5 wants
 * it held. HDF5 reaches the disk through our own driver (disk.c), which remembers the system's error number; so a full disk is
 * told as such, and a file that cannot be written any more can still be closed.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSI_STORE_PRIVATE_H
#define TESSI_STORE_PRIVATE_H

#ifndef H5_USE_18_API
#define H5_USE_18_API 1 /* HDF5 declares the functions of 1.8, whatever its version */
#endif
#include <hdf5.h>
#include <pthread.h>

#include <tessera/digest.h>
#include "core/base/aside.h"
#include "core/base/attributes_private.h"
#include "core/base/digest_queue.h"
#include "core/store/store.h"

#define TESSI_FORMAT 1          /* version of the file format: root attribute `format` */
#define TESSI_TEXT 0            /* an entry's dtype when it holds strings */
#define TESSI_BLOCK (1 << 20)   /* bytes processed at a time */
#define TESSI_FILE_BITS_MAX 31  /* widest precision an i32 holds */
#define TESSI_NAME_MAX 1024     /* bytes of a dataset's path */

/* ---- disk.c -------------------------------------------------------------------------------------------------------- */

struct tessi_disk {
    int fd;
    struct tessi_aside *aside; /* writer of the partial file, which has the descriptor; NULL when reading */
    int error;   /* errno of the first failed read or write; 0: none */
    int portable; /* 1: the file is for readers that know little of HDF5 */
    int discard; /* 1: writes are dropped and succeed: the file is given up and only has to be closed */
    int closing; /* 1: a write that fails gives the file up and is kept in `error`, and HDF5 is not told: it cannot close a file twice */
    haddr_t eof;
    uint64_t last_at; /* place and size of the last read */
    size_t last_bytes;
};

/* Creates the partial file. */
int tessi_store_disk_create(struct tess_context *ctx, struct tessi_disk *d, const char *path) TESS_CHECKED;
/* Opens a file for reading and checks its signature. */
int tessi_store_disk_open(struct tess_context *ctx, struct tessi_disk *d, const char *path) TESS_CHECKED;
/* Closes the file, and removes it unless it was finished. */
void tessi_store_disk_close(struct tessi_disk *d);
/* Access properties that send a file's bytes through `d`; negative on failure. */
hid_t tessi_store_disk_access(struct tessi_disk *d);

/* ---- hdf5.c -------------------------------------------------------------------------------------------------------- */

void tessi_store_lock(void);
void tessi_store_unlock(void);
/* Checks that there is memory for a file to be opened, else TESS_E_MEMORY: HDF5 (1.10.8) follows a NULL pointer where it cannot allocate
 * the tables of its cache. */
int tessi_store_memory_check(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;
/* The library's own reason for the first call that failed since the lock was taken, on one line; whatever was called after it. */
const char *tessi_store_reason(void);
/* Clears the failures so far: a call was tried, and there is another way. */
void tessi_store_forget(void);
/* Closes an object of HDF5 of any kind but a file, whose failure changes nothing; negative: there is none. */
void tessi_store_close(hid_t id);
/* Calls `op` for each link of the file, group by group in the order of their names: H5Lvisit, for files that may be damaged. */
herr_t tessi_store_visit_links(hid_t file, H5L_iterate_t op, void *user);
/* Fails for an HDF5 call on `a`, while writing or reading `what` ("codes"; "" for the file). */
int tessi_store_fail(struct tess_context *ctx, const struct tess_artefact *a, const char *what);
/* Fails for an HDF5 call while writing: the file is given up, and further writes are dropped. */
int tessi_store_give_up(struct tess_context *ctx, struct tess_artefact *a, const char *what);

/* ---- the artefact -------------------------------------------------------------------------------------------------- */

/* A dataset. While writing, `digest` takes the values as they come. */
struct tessi_entry {
    char *name;        /* path, without a leading slash */
    int32_t dtype;     /* as stored: TESS_U8, TESS_U16, TESS_I32, TESS_F32, TESSI_TEXT */
    int32_t precision; /* significant bits of integers, 0 for reals, 8 x width for texts */
    int32_t is_signed; /* 1: an i32 of full width */
    int32_t rank;
    int64_t dim[TESS_MAX_RANK];
    int64_t stored; /* bytes in the file, known when reading */
    hid_t dataset;  /* HDF5's handle, open while the dataset is written; when reading, from the first partial read on; -1: closed */
    int32_t given;  /* dtype the writer hands in */
    int64_t rows;   /* rows written so far */
    int portable;   /* 1: whole bytes, shuffle and deflate alone */
    int32_t joined; /* 1 + its number among the joined datasets of an artefact in parts; 0: the file's own */
    struct tess_digest digest;
    int chunked;                 /* 1: it lies in chunks, known when reading */
    struct tessi_chunks *chunks; /* where its chunks lie; NULL: not read so far */
    int64_t chunk_rows;          /* rows of a chunk that is written without HDF5's filters (chunk_write.c); 0: HDF5 writes them */
    unsigned char *filling;      /* that chunk: rows % chunk_rows rows so far, and space for its checksum; NULL: none was begun */
    unsigned char *room;         /* memory of that chunk and of those before it that are still digested */
    int apart;                   /* 1: its chunks are digested on the thread a->digests */
};

struct tessi_metric {
    char *name, *unit;
    double value, standard_error, low, high; /* as in struct tess_metric_value */
    int32_t better;
};

struct tessi_note { /* a provenance attribute as text */
    char *name, *value;
};

struct tessi_parts;

struct tess_artefact {
    char *path, *kind;
    int writing;
    int drops; /* 1: rows are counted, and neither written nor digested */
    char digest[TESS_DIGEST_TEXT];
    struct tess_attrs *attrs;
    struct tessi_disk disk;
    hid_t file;
    int failed;                /* 1: a write failed, and further writes are refused */
    struct tessi_digest_queue *digests; /* thread that digests chunks while they are written; NULL: none */
    struct tessi_entry *entry; /* datasets; when reading, in name order */
    int64_t entries, entry_capacity;
    struct tessi_metric *metric;
    int64_t metrics, metric_capacity;
    char **picture; /* names of the pictures, in the order written */
    int64_t pictures, picture_capacity;
    struct tessi_note *note;
    int64_t notes, note_capacity;
    struct tessi_parts *parts;                   /* table of its parts; NULL: the artefact is one file */
    struct tessi_chunk_cache *cache, *own_cache; /* chunks read last: the index's of a part, else its own; NULL: none yet */
};

struct tessi_entry *tessi_store_entry_find(const struct tess_artefact *a, const char *name);
/* Order of two entries by name, for qsort. */
int tessi_store_entry_order(const void *a, const void *b);
void tessi_store_artefact_free(struct tess_artefact *a);

/* ---- artefact_open.c ----------------------------------------------------------------------------------------------- */

/* Reads rank and sizes of a dataspace; 0 where they are more than any dataset of ours could have. */
int tessi_store_known_shape(hid_t space, struct tessi_entry *e);
/* Defect in where or how an entry's values are stored, by its creation properties; NULL: none. `dtype`, sizes and `stored` are set. */
const char *tessi_store_foreign_storage(hid_t layout, const struct tessi_entry *e);

/* ---- layout.c ------------------------------------------------------------------------------------------------------ */

/* Bytes of one element, and elements of one row (dim[0] left out; all of a scalar). */
size_t tessi_store_entry_size(const struct tessi_entry *e);
int64_t tessi_store_entry_row(const struct tessi_entry *e);
int64_t tessi_store_entry_count(const struct tessi_entry *e);
/* Types in the file (little-endian) and in memory. They agree on the precision, so HDF5 converts nothing. */
hid_t tessi_store_file_type(const struct tessi_entry *e);
hid_t tessi_store_memory_type(const struct tessi_entry *e);
/* Rows of a chunk: within 256 KiB .. 1 MiB, by the row 16 .. 32 KiB, the number that wastes least in the last chunk; the larger of equals.
 */
int64_t tessi_store_chunk_rows(int64_t rows, int64_t row_bytes, int by_row);
/* Rows of a chunk of a dataset whose chunks hold plain values and a checksum; 0 where it is of another kind. */
int64_t tessi_store_plain_chunk(const struct tessi_entry *e, const struct tess_dataset *d);
/* Creation properties: contiguous or chunked, filters. Only what is chunked can be made shorter. */
hid_t tessi_store_layout(const struct tessi_entry *e, const struct tess_dataset *d);
/* Access properties of a dataset that is written in order, a few rows at a time: a chunk is in memory until it is full. */
hid_t tessi_store_layout_write_cache(const struct tessi_entry *e, const struct tess_dataset *d);
/* Access properties with a chunk cache for rows read a few at a time, or none. */
enum { TESSI_CACHE_NONE, TESSI_CACHE_READ };
hid_t tessi_store_layout_cache(const struct tessi_entry *e, int use);
/* Attributes; a text is a fixed-width UTF-8 string, null-padded. Negative on failure. */
herr_t tessi_store_attribute_text(hid_t object, const char *name, const char *text);
herr_t tessi_store_attribute_number(hid_t object, const char *name, hid_t file_type, hid_t memory_type, const void *value);
/* Creates a group that remembers the order of its members. */
herr_t tessi_store_ordered_group(const struct tess_artefact *a, const char *name);
/* Metrics in the open file. Reading appends the dataset `name` ("metrics/psnr") to the artefact's list, and refuses what is no metric. */
int tessi_store_metric_read(struct tess_context *ctx, struct tess_artefact *a, const char *name, hid_t dataset) TESS_CHECKED;

/* ---- chunk_write.c ------------------------------------------------------------------------------------------------- */

/* Appends rows in their stored dtype to an entry with chunk_rows; whole chunks are written, and digested where e->apart is set: it is
 * decided at the first rows. e->rows is the caller's to raise. */
int tessi_store_chunk_fill(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const void *values,
                           int64_t rows) TESS_CHECKED;
/* Writes the last chunk, padded with zeros, where it was begun, and frees its memory; e->digest then has all rows. */
int tessi_store_chunk_end(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e) TESS_CHECKED;

/* ---- artefact_write.c, artefact_head.c ----------------------------------------------------------------------------- */

/* Writes a whole dataset at a checked path; `d` is not NULL. */
int tessi_store_put(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tess_tensor *t,
              const struct tess_dataset *d) TESS_CHECKED;
/* Steps of writing a dataset (artefact_write.c), the lock held: its name without slashes in front, and checked; the planned entry begun;
 * rows in their stored dtype appended; and after the last row the dataset closed. */
const char *tessi_store_bare_name(const char *name);
int tessi_store_check_reserved(struct tess_context *ctx, const struct tess_artefact *a, const char *name) TESS_CHECKED;
int tessi_store_check_new(struct tess_context *ctx, const struct tess_artefact *a, const char *name) TESS_CHECKED;
int tessi_store_start(struct tess_context *ctx, struct tess_artefact *a, const char *name, const struct tessi_entry *planned,
                      const struct tess_dataset *d) TESS_CHECKED;
int tessi_store_write_rows(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, const void *values,
                           int64_t rows) TESS_CHECKED;
int tessi_store_complete(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e) TESS_CHECKED;
/* Writes a whole dataset of strings at a checked path. */
int tessi_store_put_strings(struct tess_context *ctx, struct tess_artefact *a, const char *name, int64_t n,
                            const char *const *text) TESS_CHECKED;

/* Fails unless the text is one line and can be shown as it is: names and units of metrics, names of pictures, which tables print. `what` is
 * "name for a metric". */
int tessi_store_check_line(struct tess_context *ctx, const struct tess_artefact *a, const char *text, const char *what) TESS_CHECKED;
/* 1 for a path that a dataset may have; 1 where its first part is reserved for the store itself. */
int tessi_store_good_name(const char *name);
int tessi_store_reserved_name(const char *name);

struct tessi_value {
    int32_t type; /* TESSI_ATTR_I64, TESSI_ATTR_F64 or TESSI_ATTR_TEXT */
    int64_t i64;
    int is_unsigned;
    double f64;
    char *text; /* to be freed */
};
/* Reads an attribute, a scalar of one of the types we write. out->text is to be freed, whatever is returned. */
int tessi_store_read_value(struct tess_context *ctx, const struct tess_artefact *a, const char *where, hid_t attribute,
                     struct tessi_value *out) TESS_CHECKED;
int tessi_store_read_head(struct tess_context *ctx, struct tess_artefact *a) TESS_CHECKED;
int tessi_store_read_provenance(struct tess_context *ctx, struct tess_artefact *a) TESS_CHECKED;
/* Fails with TESS_E_DATA: /NAME WHAT, which tessera does not write. */
int tessi_store_foreign(struct tess_context *ctx, const struct tess_artefact *a, const char *name, const char *what);

/* ---- artefact_read.c, artefact_digest.c ---------------------------------------------------------------------------- */

/* Reads rows in their stored dtype, through an open dataset. */
int tessi_store_read_rows(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_entry *e, hid_t dataset,
                          int64_t first, int64_t rows, void *to) TESS_CHECKED;
/* Reads rows in their stored dtype, of the file's own dataset or of one that lies in parts. The lock is not held. */
int tessi_store_entry_read(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_entry *e, int64_t first, int64_t rows,
                           void *to) TESS_CHECKED;
/* Has HDF5 close a file, whose descriptor stays open, and open it again where it did. Both for artefacts opened for reading; the lock is
 * held for tessi_store_resume. */
void tessi_store_suspend(struct tess_artefact *a);
int tessi_store_resume(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;
/* Opens a dataset on its first partial read; it stays open until the file is closed. The lock is held. */
int tessi_store_keep_open(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_entry *e) TESS_CHECKED;
/* Closes a dataset that tessi_store_keep_open opened; it may be opened again. The lock is not held. */
void tessi_store_close_dataset(struct tessi_entry *e);
/* Widens integers in place, from the last to the first: the narrow values stand at the start of `values`. */
void tessi_store_widen(void *values, int64_t count, int32_t from, int32_t to);
/* 1 where every value of the first dtype is one of the second. */
int tessi_store_can_widen(int32_t from, int32_t to);
/* Adds values (or texts: rows of `width` bytes) to a digest, little-endian whatever the machine. */
void tessi_store_digest_values(struct tess_digest *d, const struct tessi_entry *e, const void *values, int64_t count);
/* Reads the values of an entry of the file's own and leaves their digest in it. The lock is not held. */
int tessi_store_digest_entry(struct tess_context *ctx, const struct tess_artefact *a, struct tessi_entry *e) TESS_CHECKED;
/* Checks the bytes after a text's end in its row, which the digest leaves out: they must be zero. */
int tessi_store_check_padding(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_entry *e, const void *values,
                              int64_t rows) TESS_CHECKED;
/* Compares the content's digest with the one that the file says, and the provenance with its sum. TESS_E_DATA. */
int tessi_store_compare_digest(struct tess_context *ctx, const struct tess_artefact *a, const char *digest) TESS_CHECKED;
/* SHA-256 of the provenance attributes, by name, but for the content digest and the sum itself. */
#define TESSI_NOTE_DIGEST "digest"
#define TESSI_NOTE_SUM "sum"
int tessi_store_digest_notes(struct tess_context *ctx, const struct tess_artefact *a, char sum[TESS_DIGEST_TEXT]) TESS_CHECKED;
/* The content digest, from the finished digests of the entries. */
int tessi_store_digest_content(struct tess_context *ctx, const struct tess_artefact *a, char digest[TESS_DIGEST_TEXT]) TESS_CHECKED;

/* ---- file_sum.c -------------------------------------------------------------------------------------------------------- */

/* The end of the file as its superblock (version 2 or 3) has it, or -1. */
int64_t tessi_store_promised_end(const struct tessi_disk *d);
/* Adds the line with the sum to a file that HDF5 has closed. */
int tessi_store_file_sum_write(struct tess_context *ctx, struct tess_artefact *a) TESS_CHECKED;
/* Checks that what stands behind HDF5's end, if anything, is such a line. */
int tessi_store_file_sum_expect(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;

/* ---- chunks.c, chunk_codec.c ------------------------------------------------------------------------------------------ */

int tessi_store_chunk_cache_new(struct tess_context *ctx, struct tessi_chunk_cache **out) TESS_CHECKED;
void tessi_store_chunk_cache_free(struct tessi_chunk_cache *c);
void tessi_store_chunks_free(struct tessi_chunks *k);
/* 1 where a dataset is read without HDF5, as far as is known. */
int tessi_store_chunks_raw(const struct tessi_entry *e);
/* Reads rows in their stored dtype from chunks, without HDF5. *done of them were read, the first ones: the others are left to HDF5, all of
 * them where the dataset is not one of tessera's chunks. The lock is not held. [any thread] */
int tessi_store_chunks_read(struct tess_context *ctx, struct tess_artefact *a, struct tessi_entry *e, int64_t first, int64_t rows, void *to,
                            int64_t *done) TESS_CHECKED;
/* HDF5's checksum of a chunk. */
uint32_t tessi_store_fletcher32(const unsigned char *data, size_t bytes);
/* Unpacks elements first .. first + count - 1 of a chunk of the n-bit filter; 8 bytes behind its end are read. `size` is an element's: 1, 2
 * or 4 bytes. */
void tessi_store_unpack(const unsigned char *packed, int64_t first, int64_t count, int32_t precision, size_t size, void *to);
/* Undoes the shuffle filter. */
void tessi_store_unshuffle(const unsigned char *from, size_t bytes, size_t size, unsigned char *to);
/* Inflates a zlib stream; its length, 0 where it is damaged or longer than `capacity`. */
size_t tessi_store_inflate(const unsigned char *from, size_t bytes, unsigned char *to, size_t capacity);

/* ---- artefact_parts.c, artefact_parts_table.c ------------------------------------------------------------------------- */

#define TESSI_PARTS_MAX (1 << 16)

/* A file that an artefact in parts consists of, as the index has it. */
struct tessi_part {
    char *file; /* name of the part in the index's folder */
    char *digest;
    int64_t rows;
    struct tess_artefact *open; /* NULL: closed */
    int64_t readers;            /* number of readers at work: it stays open */
    uint64_t used;              /* turn of its last use */
    int in_hdf5;                /* 1: HDF5 has it open, as far as is known */
    int seen;                   /* 1: it was opened before, and was then as follows */
    uint64_t inode;
    int64_t bytes, changed;
};

struct tessi_parts {
    int64_t count, joined;
    struct tessi_part *part;
    int64_t *first;        /* (joined, count + 1): number of rows before each part */
    char **summed, *start; /* attributes that are sums over the parts, and where each begins in a range, or NULL */
    int64_t sums;
    pthread_mutex_t mutex; /* guards the open parts */
    int64_t *list, kept, kept_max, list_capacity; /* indices of the open parts */
    int64_t in_hdf5;
    uint64_t turn;
};

/* Prepares an empty table for its parts. */
int tessi_store_parts_start(struct tess_context *ctx, struct tess_artefact *a) TESS_CHECKED;
/* Opens the i-th part as tessi_store_part_acquire does, for reading rows: HDF5 may not have it open. */
int tessi_store_part_use(struct tess_context *ctx, const struct tess_artefact *a, int64_t i, struct tess_artefact **part) TESS_CHECKED;

/* Reads the table of parts of an artefact just opened, where it has one, and adds the joined datasets to its entries. */
int tessi_store_parts_read_table(struct tess_context *ctx, struct tess_artefact *a) TESS_CHECKED;
/* Closes the parts and frees the table. NULL is fine. The lock is not held. */
void tessi_store_parts_free(struct tessi_parts *p);
/* Opens every part once, which holds it against the index. */
int tessi_store_parts_check(struct tess_context *ctx, const struct tess_artefact *a) TESS_CHECKED;
/* Index of the part that has row `row` of a joined dataset. */
int64_t tessi_store_parts_find(const struct tessi_parts *p, const struct tessi_entry *e, int64_t row);
/* Reads rows of a joined dataset, from as many parts as they lie in. */
int tessi_store_parts_read(struct tess_context *ctx, const struct tess_artefact *a, const struct tessi_entry *e, int64_t first,
                           int64_t rows, void *to) TESS_CHECKED;

#endif
