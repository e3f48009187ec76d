/* Carrying a dataset from one artefact over to another. SPDX-License-Identifier: MIT */
#include "core/store/store_private.h"

#include <string.h>

static int read_all(struct tess_call *c, const struct tess_artefact *a, const struct tessi_entry *e, void *to)
{
    tessi_store_lock();
    hid_t dataset = H5Dopen2(a->file, e->name, H5P_DEFAULT);
    int status = dataset < 0 ? tessi_store_fail(c, a, e->name) : tessi_read_rows(c, a, e, dataset, 0, e->dim[0], to);
    if (dataset >= 0)
        H5Dclose(dataset);
    tessi_store_unlock();
    return status;
}

/* A text that fills its width has no zero after it in the file. */
static void end_texts(const char *packed, int64_t n, size_t width, char *ended, const char **list)
{
    for (int64_t i = 0; i < n; i++) {
        char *text = ended + (size_t)i * (width + 1);
        memcpy(text, packed + (size_t)i * width, width);
        text[width] = '\0';
        list[i] = text;
    }
}

static int copy_texts(struct tess_call *c, struct tess_artefact *to, const char *name, const struct tess_artefact *from,
                      const struct tessi_entry *e)
{
    int64_t n = e->dim[0];
    size_t width = tessi_entry_size(e);
    void *packed = NULL, *ended = NULL, *list = NULL;
    int status = tess_alloc(c, (size_t)n * width + 1, "texts", &packed);
    if (status == TESS_OK)
        status = tess_alloc(c, (size_t)n * (width + 1) + 1, "texts", &ended);
    if (status == TESS_OK)
        status = tess_alloc(c, (size_t)n * sizeof(char *) + 1, "texts", &list);
    if (status == TESS_OK && n)
        status = read_all(c, from, e, packed);
    if (status == TESS_OK) {
        end_texts(packed, n, width, ended, list);
        status = tess_artefact_put_strings(c, to, name, n, list);
    }
    tess_free(packed);
    tess_free(ended);
    tess_free(list);
    return status;
}

int tess_artefact_copy(struct tess_call *c, struct tess_artefact *a, const char *name, const struct tess_artefact *from,
                       const struct tess_dataset *d)
{
    const struct tessi_entry *e = tessi_entry_find(from, name + strspn(name, "/"));
    struct tess_dataset how = {.size = sizeof how};
    struct tess_tensor all;
    if (!e)
        return TESS_OK;
    if (e->dtype == TESSI_TEXT)
        return copy_texts(c, a, name, from, e);
    if (d)
        memcpy(&how, d, d->size < sizeof how ? d->size : sizeof how);
    if (e->precision < 8 * (int32_t)tess_dtype_size(e->dtype))
        how.bits = e->precision;
    TESS_TRY(tess_artefact_load(c, from, name, e->dtype, &all));
    int status = tess_artefact_put(c, a, name, &all, &how);
    tess_free(all.data);
    return status;
}
