/* The lock around HDF5, its silence, and its reasons. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/store/store_private.h"

#include <ctype.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define HDF5_MEMORY (4 << 20)

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static char reason[240]; /* why the first call failed since the lock was taken */
static int wants_memory; /* 1: HDF5's own memory could not be allocated, which says nothing about the file */

/* 1 where so much memory can be mapped; it is released at once. */
static bool hdf5_memory_available(size_t bytes)
{
    void *buffer = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        return false;
    (void)munmap(buffer, bytes);
    return true;
}

void tessi_store_close(hid_t id)
{
    if (id >= 0)
        (void)H5Idec_ref(id);
}

struct frames {
    const char *text; /* reason of the innermost call */
    int filter;       /* 1: a filter is among the frames: HDF5 does not tell why it failed */
};

/* Visits the frames from the innermost outwards: the first says what really happened. */
static herr_t first_description(unsigned n, const H5E_error2_t *error, void *user)
{
    (void)n;
    struct frames *f = user;
    wants_memory |= error->maj_num == H5E_RESOURCE;
    f->filter |= error->maj_num == H5E_PLINE;
    if (!f->text && error->desc && *error->desc)
        f->text = error->desc;
    return 0;
}

/* Keeps the reason of a failed call; called by HDF5. Every later call, closing what was opened, say, clears its stack of errors: it is read
 * now. A filter fails on damage and without memory alike; what it had is free again by now, so twice as much must be available. */
static herr_t hdf5_remember(hid_t stack, void *user)
{
    struct frames f = {0};
    (void)user;
    if (*reason)
        return 0;
    (void)H5Ewalk2(stack, H5E_WALK_UPWARD, first_description, &f);
    wants_memory |= f.filter && !hdf5_memory_available(2 * HDF5_MEMORY);
    (void)snprintf(reason, sizeof reason, "%s", f.text ? f.text : "");
    for (char *at = reason; *at; at++)
        if (iscntrl((unsigned char)*at))
            *at = ' ';
    return 0;
}

void tessi_store_lock(void)
{
    static int prepared;
    pthread_mutex_lock(&mutex);
    if (!prepared) {
        prepared = 1;
        (void)H5dont_atexit(); /* a file that could be neither written nor closed would crash it at the end; ours are closed by then */
        (void)H5open();
        (void)H5PLset_loading_state(0); /* a file must not make HDF5 load filter code from somewhere */
    }
    (void)H5Eset_auto2(H5E_DEFAULT, hdf5_remember, NULL); /* a setting of each thread where HDF5 was built for threads */
    tessi_store_forget();
}

void tessi_store_forget(void)
{
    (void)H5Eclear2(H5E_DEFAULT);
    *reason = '\0';
    wants_memory = 0;
}

void tessi_store_unlock(void)
{
    pthread_mutex_unlock(&mutex);
}

const char *tessi_store_reason(void)
{
    return *reason ? reason : "HDF5 gives no reason";
}

int tessi_store_memory_check(struct tess_context *ctx, const struct tess_artefact *a)
{
    if (!hdf5_memory_available(HDF5_MEMORY))
        return ctx->fail(ctx, TESS_E_MEMORY, "%s: no memory to open it: HDF5 wants some %d MiB; end other programs, or raise the limit",
                         a->path, HDF5_MEMORY >> 20);
    return TESS_OK;
}

static herr_t hdf5_pass_link(hid_t group, const char *name, const H5L_info_t *info, void *user)
{
    (void)group, (void)name, (void)info, (void)user;
    return 0;
}

/* HDF5 (1.10.8) lists the links of a large group in a table before it sorts them, and where reading them fails half way it frees the other
 * half, which was never set. In the order in which they lie in the file they need no table, so what cannot be read is found in that order
 * first. */
herr_t tessi_store_visit_links(hid_t file, H5L_iterate_t op, void *user)
{
    if (H5Lvisit(file, H5_INDEX_NAME, H5_ITER_NATIVE, hdf5_pass_link, NULL) < 0)
        return -1;
    return H5Lvisit(file, H5_INDEX_NAME, H5_ITER_INC, op, user);
}

int tessi_store_fail(struct tess_context *ctx, const struct tess_artefact *a, const char *what)
{
    char place[1400];
    const char *why = tessi_store_reason();
    (void)snprintf(place, sizeof place, *what ? "%s: /%.100s" : "%s", a->path, what);
    if (a->disk.error && a->writing)
        return tessi_base_cannot_write(ctx, TESS_E_IO, a->path, a->disk.error);
    if (a->disk.error)
        return ctx->fail(ctx, TESS_E_IO, "%s cannot be read: %s; look at the disk", place, strerror(a->disk.error));
    if (wants_memory)
        return ctx->fail(ctx, TESS_E_MEMORY, "%s cannot be %s: no memory (%s); end other programs, or raise the limit", place,
                       a->writing ? "written" : "read", why);
    if (a->writing)
        return ctx->fail(ctx, TESS_E_IO, "%s cannot be written: %s", place, why);
    return ctx->fail(ctx, TESS_E_DATA, "%s cannot be read: %s; the file is damaged: delete it and run again what writes it", place, why);
}
