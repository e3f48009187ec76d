/* The way of an artefact's bytes to the disk (through the writer aside) and back: opening, and an HDF5 file driver in between. The driver
 * does what HDF5's own POSIX driver does, and two things more. It remembers errno, so that a full disk is not "unable to flush file". And a
 * file that was given up takes every further write without a word: HDF5 insists on writing when it closes a file, and where that fails it
 * can neither close nor forget it.
 *
 * There are no HDF5 file locks: a file under its final name never changes, and the one aside has one writer.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/inject.h"
#include "core/base/pulse.h"
#include "core/store/store_private.h"

#if H5_VERSION_GE(1, 13, 0)
#include <H5FDdevelop.h>
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the driver ---------------------------------------------------------------------------------------------------- */

struct access {
    struct tessi_disk *disk;
};

struct file {
    H5FD_t head; /* first: HDF5's own part */
    struct tessi_disk *disk;
    haddr_t eoa;
};

static struct tessi_disk *disk_of(H5FD_t *f)
{
    return ((struct file *)(void *)f)->disk;
}

static herr_t disk_trouble(struct tessi_disk *d)
{
    if (!d->error)
        d->error = errno;
    d->discard |= d->closing;
    return d->closing ? 0 : -1;
}

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t fapl, haddr_t max)
{
    (void)name;
    (void)max;
    const struct access *access = H5Pget_driver_info(fapl);
    struct stat st;
    if (!access)
        return NULL;
    if ((flags & H5F_ACC_TRUNC) && ftruncate(access->disk->fd, 0) != 0) {
        (void)disk_trouble(access->disk);
        return NULL;
    }
    if (fstat(access->disk->fd, &st) != 0) {
        (void)disk_trouble(access->disk);
        return NULL;
    }
    struct file *f = calloc(1, sizeof *f); /* freed by HDF5's close, which has no context to account memory to */
    if (!f)
        return NULL;
    f->disk = access->disk;
    f->disk->eof = (haddr_t)st.st_size;
    return &f->head;
}

static herr_t driver_close(H5FD_t *f)
{
    free(f);
    return 0;
}

/* Compares two open files: never the same to HDF5, or it would share one's driver with the other. */
static int driver_cmp(const H5FD_t *a, const H5FD_t *b)
{
    return a < b ? -1 : a > b;
}

static herr_t driver_query(const H5FD_t *f, unsigned long *flags)
{
    (void)f;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *f, H5FD_mem_t type)
{
    (void)type;
    return ((const struct file *)(const void *)f)->eoa;
}

static herr_t driver_set_eoa(H5FD_t *f, H5FD_mem_t type, haddr_t eoa)
{
    (void)type;
    ((struct file *)(void *)f)->eoa = eoa;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *f, H5FD_mem_t type)
{
    (void)type;
    return ((const struct file *)(const void *)f)->disk->eof;
}

/* Reads behind the end of a file: zeros, as HDF5's own driver does, for HDF5 reads ahead and reads what it is about to write. Values that
 * were written once and are not there are refused: the file was cut off after it was opened, and a chunk of zeros has the right checksum.
 */
static herr_t disk_behind_end(const struct tessi_disk *d, H5FD_mem_t type, void *to, size_t bytes)
{
    memset(to, 0, bytes);
    if (type != H5FD_MEM_DRAW || d->aside)
        return 0;
    (void)H5Epush2(H5E_DEFAULT, __FILE__, __func__, __LINE__, H5E_ERR_CLS, H5E_IO, H5E_READERROR,
                   "the file was cut off after it was opened");
    return -1;
}

static herr_t driver_read(H5FD_t *f, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t bytes, void *to)
{
    (void)transfer;
    struct tessi_disk *d = disk_of(f);
    char *here = to;
    d->last_at = at;
    d->last_bytes = bytes;
    while (bytes) {
        tessi_base_pulse();
        ssize_t got = tessi_base_inject(TESSI_AT_READ) ? -1 : pread(d->fd, here, bytes, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return disk_trouble(d);
        if (got == 0)
            return disk_behind_end(d, type, here, bytes);
        here += got;
        at += (haddr_t)got;
        bytes -= (size_t)got;
    }
    return 0;
}

static herr_t driver_write(H5FD_t *f, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t bytes, const void *from)
{
    (void)type;
    (void)transfer;
    struct tessi_disk *d = disk_of(f);
    int error = d->discard || !d->aside ? 0 : tessi_base_aside_write_at(d->aside, from, bytes, (off_t)at);
    if (error) {
        errno = error;
        return disk_trouble(d);
    }
    if (at + bytes > d->eof)
        d->eof = at + bytes;
    return 0;
}

static herr_t driver_truncate(H5FD_t *f, hid_t transfer, hbool_t closing)
{
    (void)transfer;
    (void)closing;
    struct tessi_disk *d = disk_of(f);
    haddr_t eoa = ((struct file *)(void *)f)->eoa;
    if (eoa == d->eof)
        return 0;
    if (!d->discard && ftruncate(d->fd, (off_t)eoa) != 0)
        return disk_trouble(d);
    d->eof = eoa;
    return 0;
}

static const H5FD_class_t driver = {
#ifdef H5FD_CLASS_VERSION
    .version = H5FD_CLASS_VERSION,
    .value = (H5FD_class_value_t)0x7e5,
#endif
    .name = "tessera",
    .maxaddr = (haddr_t)1 << 62,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(struct access),
    .open = driver_open,
    .close = driver_close,
    .cmp = driver_cmp,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t tessi_store_disk_access(struct tessi_disk *d)
{
    static hid_t id = -1; /* guarded by the lock around HDF5 */
    struct access access = {d};
    if (id < 0)
        id = H5FDregister(&driver);
    hid_t p = H5Pcreate(H5P_FILE_ACCESS);
    const H5F_libver_t version = d->portable ? H5F_LIBVER_V18 : H5F_LIBVER_V110;
    /* The newest metadata of HDF5 1.10 has checksums throughout. */
    if (id < 0 || p < 0 || H5Pset_driver(p, id, &access) < 0 || H5Pset_fclose_degree(p, H5F_CLOSE_STRONG) < 0 ||
        H5Pset_libver_bounds(p, version, version) < 0) {
        tessi_store_close(p);
        return -1;
    }
    return p;
}

/* ---- the file ------------------------------------------------------------------------------------------------------ */

int tessi_store_disk_create(struct tess_context *ctx, struct tessi_disk *d, const char *path)
{
    TESS_TRY(tessi_base_aside_open(ctx, path, 1, &d->aside));
    d->fd = tessi_base_aside_descriptor(d->aside);
    return TESS_OK;
}

static int disk_missing(struct tess_context *ctx, const char *path)
{
    char partial[4096];
    if (tessi_base_aside_left(path, partial, sizeof partial))
        return ctx->fail(ctx, TESS_E_IO, "%s: no such file, but there is an unfinished %s; run again what writes it", path, partial);
    return ctx->fail(ctx, TESS_E_IO, "%s: no such file; check the name, or run what writes it", path);
}

int tessi_store_disk_open(struct tess_context *ctx, struct tessi_disk *d, const char *path)
{
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char found[8];
    struct stat st;
    d->fd = tessi_base_inject(TESSI_AT_OPEN) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (d->fd < 0 && errno == ENOENT)
        return disk_missing(ctx, path);
    if (d->fd < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be opened: %s; check the name and its permissions", path, strerror(errno));
    if (fstat(d->fd, &st) == 0 && !S_ISREG(st.st_mode))
        return ctx->fail(ctx, TESS_E_IO, "%s: is %s, an artefact (an HDF5 file) was wanted", path,
                         S_ISDIR(st.st_mode) ? "a folder without an " TESSI_STORE_INDEX : "not a file");
    ssize_t got = pread(d->fd, found, sizeof found, 0);
    if (got < 0)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be read: %s", path, strerror(errno));
    if (got == 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is empty, an artefact (an HDF5 file) was wanted; delete it and run again what writes it",
                         path);
    if (got < 8 || memcmp(found, signature, 8) != 0)
        return ctx->fail(ctx, TESS_E_DATA, "%s: is no HDF5 file, an artefact was wanted; check the name", path);
    return TESS_OK;
}

void tessi_store_disk_close(struct tessi_disk *d)
{
    if (d->aside)
        tessi_base_aside_close(d->aside);
    else if (d->fd >= 0)
        close(d->fd);
    d->aside = NULL;
    d->fd = -1;
}
