/* tess_alloc. A block is had from calloc, whose large blocks are untouched zero pages of the system, so gigabytes cost nothing
 * until they are used. A head of one alignment unit in front of what the caller sees remembers the size and where the
 * block really starts. The head, and what aligning leaves over, is forbidden under the address sanitizer: one before the start and one past
 * the end are not forgiven.
 * SPDX-License-Identifier: MIT */
#include "core/base/inject.h"
#include "core/base/memory.h"
#include "core/base/pulse.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#define FORBID(at, bytes) __asan_poison_memory_region(at, bytes)
#define ALLOW(at, bytes) __asan_unpoison_memory_region(at, bytes)
#else
#define FORBID(at, bytes) ((void)0)
#define ALLOW(at, bytes) ((void)0)
#endif

#define ALIGNMENT 64

struct head {
    void *block;
    size_t bytes;
};

_Static_assert(sizeof(struct head) <= ALIGNMENT, "the head fits into one unit of alignment");

static _Atomic int64_t in_use, peak, fail_in;

int64_t tessi_base_memory_in_use(void)
{
    return atomic_load(&in_use);
}

int64_t tessi_base_memory_peak(void)
{
    return atomic_load(&peak);
}

void tessi_base_memory_peak_restart(void)
{
    atomic_store(&peak, atomic_load(&in_use));
}

int64_t tessi_base_memory_resident(void)
{
    long long pages = 0;
    struct rusage max;
    FILE *f = fopen("/proc/self/statm", "re");
    int found = f && fscanf(f, "%*d %lld", &pages) == 1;
    if (f)
        (void)fclose(f);
    if (found)
        return (int64_t)pages * sysconf(_SC_PAGESIZE);
    return getrusage(RUSAGE_SELF, &max) == 0 ? (int64_t)max.ru_maxrss * 1024 : 0;
}

/* The number in a file of one line; -1: there is none, or it is `max`. */
static int64_t memory_number(const char *path)
{
    long long n = -1;
    FILE *f = fopen(path, "re");
    if (f && fscanf(f, "%lld", &n) != 1)
        n = -1;
    if (f)
        (void)fclose(f);
    return n;
}

int64_t tessi_base_memory_available(void)
{
    char line[128];
    long long kib;
    int64_t available = INT64_MAX;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %lld", &kib) == 1)
            available = (int64_t)kib * 1024;
    if (f)
        (void)fclose(f);
    int64_t max = memory_number("/sys/fs/cgroup/memory.max"), used = memory_number("/sys/fs/cgroup/memory.current");
    if (max >= 0 && used >= 0 && max - used < available)
        available = max > used ? max - used : 0;
    return available;
}

int64_t tessi_base_memory_page(void)
{
    long page = sysconf(_SC_PAGESIZE);
    return page > 0 ? page : 4096;
}

void tessi_base_memory_give_back(void *from, size_t bytes)
{
#ifdef MADV_DONTNEED
    size_t page = (size_t)tessi_base_memory_page(), skip = (page - (uintptr_t)from % page) % page;
    if (bytes >= skip + page)
        (void)madvise((char *)from + skip, (bytes - skip) / page * page, MADV_DONTNEED);
#else
    (void)from;
    (void)bytes;
#endif
}

void tessi_base_memory_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

void tessi_base_memory_fail_at(int64_t n)
{
    atomic_store(&fail_in, n);
}

int64_t tessi_base_memory_fail_left(void)
{
    return atomic_load(&fail_in);
}

static int told_to_fail(void)
{
    int64_t left = atomic_load(&fail_in);
    while (left > 0)
        if (atomic_compare_exchange_weak(&fail_in, &left, left - 1))
            return left == 1;
    return 0;
}

int tess_alloc(struct tess_context *ctx, size_t bytes, const char *what, void **out)
{
    char *block = NULL;
    if (!what)
        what = "something that nobody named";
    if (!out)
        return ctx->fail(ctx, TESS_E_VALUE, "memory for %s: there is no place for its address (NULL)", what);
    *out = NULL;
    tessi_base_pulse();
    if (bytes <= PTRDIFF_MAX - 2 * ALIGNMENT && !told_to_fail() && tessi_base_inject(TESSI_AT_ALLOC) == 0)
        block = calloc(1, bytes + 2 * ALIGNMENT);
    if (!block)
        return ctx->fail(ctx, TESS_E_MEMORY, "no memory for %s: %.1f MiB wanted, %.1f MiB in use; use smaller sizes or end other programs",
                       what, (double)bytes / 1048576.0, (double)tessi_base_memory_in_use() / 1048576.0);

    /* At least one unit lies between the block's start and the data, and the head sits at its end. */
    char *data = block + 2 * ALIGNMENT - (uintptr_t)block % ALIGNMENT;
    struct head *head = (struct head *)(void *)data - 1;
    head->block = block;
    head->bytes = bytes;
    FORBID(data + bytes, (size_t)(block + bytes + 2 * ALIGNMENT - (data + bytes)));
    FORBID(block, (size_t)(data - block));

    int64_t now = atomic_fetch_add(&in_use, (int64_t)bytes) + (int64_t)bytes;
    int64_t max = atomic_load(&peak);
    while (max < now && !atomic_compare_exchange_weak(&peak, &max, now))
        continue;
    *out = data;
    return TESS_OK;
}

int tess_reserve(struct tess_context *ctx, void *list, int64_t *capacity, int64_t wanted, size_t size, const char *what)
{
    int64_t more = *capacity > 0 ? *capacity : 16;
    void *before, *memory;
    if (wanted <= *capacity)
        return TESS_OK;
    while (more < wanted)
        more = more > INT64_MAX / 2 ? wanted : 2 * more;
    TESS_TRY(tess_alloc(ctx, (size_t)more > SIZE_MAX / size ? SIZE_MAX : (size_t)more * size, what, &memory));
    memcpy(&before, list, sizeof before);
    if (*capacity > 0)
        memcpy(memory, before, (size_t)*capacity * size);
    tess_free(before);
    memcpy(list, &memory, sizeof memory);
    *capacity = more;
    return TESS_OK;
}

int tess_copy_bytes(struct tess_context *ctx, const char *from, size_t bytes, char **out)
{
    void *memory;
    TESS_TRY(tess_alloc(ctx, bytes + 1, "a text", &memory));
    *out = memcpy(memory, from, bytes);
    return TESS_OK;
}

int tess_copy_text(struct tess_context *ctx, const char *text, char **out)
{
    if (!text)
        return ctx->fail(ctx, TESS_E_VALUE, "a copy of a text that is NULL");
    return tess_copy_bytes(ctx, text, strlen(text), out);
}

void tess_free(void *memory)
{
    if (!memory)
        return;
    struct head *head = (struct head *)memory - 1;
    ALLOW((char *)memory - ALIGNMENT, ALIGNMENT);
    ALLOW(head->block, (size_t)((char *)memory - (char *)head->block));
    atomic_fetch_sub(&in_use, (int64_t)head->bytes);
    ALLOW((char *)memory + head->bytes, (size_t)((char *)head->block + 2 * ALIGNMENT - (char *)memory));
    free(head->block);
}
