/* Status codes and the context that carries a message: what every other header stands on.
 *
 * Functions return TESS_OK or a negative TESS_E_*; results travel in arguments. Whoever detects a failure
 * records one sentence in the context (where, what was wanted, what was found, what to do); whoever receives
 * one passes the code on.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_BASE_H
#define TESSERA_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TESS_EXPORT __attribute__((visibility("default")))
#define TESS_CHECKED __attribute__((warn_unused_result))
#define TESS_PRINTF(text, first) __attribute__((format(printf, text, first)))

/* Version of the boundary between the host and its plugins. The major is part of the entry symbol's name and of
 * the installed folder's; the minor counts appended fields. */
#define TESS_ABI_MAJOR 1
#define TESS_ABI_MINOR 0

/* Status codes, frozen: append only. In brackets the exit code of the command that meets one. */
enum {
    TESS_OK = 0,
    TESS_E_USAGE = -1,     /* a pipeline or command line that asks for the impossible [2] */
    TESS_E_VALUE = -2,     /* a parameter out of range, or parameters that contradict each other [2] */
    TESS_E_SHAPE = -3,     /* sizes that do not fit together [2] */
    TESS_E_DATA = -4,      /* a file that is damaged, mislabelled, or belongs to something else [65] */
    TESS_E_PLUGIN = -5,    /* a plugin that is missing or was refused [69] */
    TESS_E_CREATE = -6,    /* an output that cannot be created [73] */
    TESS_E_IO = -7,        /* reading or writing failed: missing file, full disk [74] */
    TESS_E_STOPPED = -8,   /* asked to stop; what was finished is kept, run again to go on [75] */
    TESS_E_MEMORY = -9,    /* memory could not be allocated [1] */
    TESS_E_FAILED = -10,   /* the computation failed, for example a loss that is not a number [1] */
    TESS_E_INTERNAL = -11, /* a defect of tessera itself [1] */
    /* a bad item among many, an image of a source for example, which may be left out; the others may not. Not for a lack of memory or of
     * threads, nor for a file that cannot be read for the moment: good items would be left out for good [65] */
    TESS_E_ITEM = -12
};

struct tess_host;

/* Made by the host for each call into a plugin and handed down to every function that can fail.
 * A context is used by one thread at a time. */
struct tess_context {
    uint32_t size; /* sizeof(struct tess_context) as the host was compiled */
    uint32_t reserved;
    const struct tess_host *host;
    /* Keep the message (the first one wins; later ones on the same call are dropped) and return `code`. */
    int (*fail)(struct tess_context *ctx, int code, const char *format, ...) TESS_PRINTF(3, 4);
};

/* The host as a plugin sees it: its ABI version and its services. `service` gives NULL for an id it does not know.
 * Ids of this host: "graph/1", "random/1", "digest/1", "artefact/1", "train/1", "stage/1",
 * "array/1". */
struct tess_host {
    uint32_t size;
    uint16_t abi_major, abi_minor;
    const void *(*service)(const struct tess_host *h, const char *id);
};

/* 1 when a table or options struct, whose first member is its `size` as its maker was compiled, has `field`: fields are appended, and what
 * was made before there was one ends before its last byte. No other spelling is right: `size` counts the padding at a struct's end, too. */
#define TESS_HAS(table, field) ((table)->size >= offsetof(__typeof__(*(table)), field) + sizeof (table)->field)

/* Told of each failure that is passed on, by code compiled with TESS_DEBUG (configure --enable-debug): says "FILE:LINE: status N" on stderr
 * when TESSERA_TRACE is set, and is a place for a debugger to stop at. Every host has it. Keeps errno. [any thread] */
TESS_EXPORT void tess_passed(int status, const char *file, int line);
#ifdef TESS_DEBUG
#define TESS_PASSED(status) tess_passed(status, __FILE__, __LINE__)
#else
#define TESS_PASSED(status) ((void)0)
#endif

/* Pass a failure on. */
#define TESS_TRY(expression)                \
    do {                                    \
        int tess_status_ = (expression);    \
        if (tess_status_ != TESS_OK) {      \
            TESS_PASSED(tess_status_);      \
            return tess_status_;            \
        }                                   \
    } while (0)

/* The message kept in a context, "" where there is none; and forgetting it, for a caller that goes on without what failed. */
TESS_EXPORT const char *tess_message(const struct tess_context *ctx);
TESS_EXPORT void tess_forget(struct tess_context *ctx);
/* Add to the message kept, in front ("TEXT: MESSAGE": the place) or behind ("MESSAGETEXT": "; do this next"). The code stays, and where
 * nothing is kept nothing happens. A message is never read for what it says: a code tells failures apart. */
TESS_EXPORT void tess_prepend_message(struct tess_context *ctx, const char *format, ...) TESS_PRINTF(2, 3);
TESS_EXPORT void tess_append_message(struct tess_context *ctx, const char *format, ...) TESS_PRINTF(2, 3);

/* A name of any bytes as UTF-8: unchanged where it is valid; else each invalid byte becomes \xHH, and a backslash two. A name that holds
 * the four letters \xHH gets its backslashes doubled as well, so that different names stay different. Writes at most `capacity` bytes with
 * the end, whole characters; returns the length of the full text. [any thread] */
TESS_EXPORT size_t tess_utf8_text(const char *bytes, char *to, size_t capacity);
/* Text escaped to one line that a terminal or a log can show: a newline is \n, a tab \t; other controls, marks of direction and bytes that
 * are no UTF-8 are \xHH each. Every message that may hold a name or a word of someone else's file goes through this. Writes at most
 * `capacity` bytes with the end, whole characters; returns the length of the full text. [any thread] */
TESS_EXPORT size_t tess_shown_text(const char *bytes, char *to, size_t capacity);

/* Memory with the host's accounting. Zeroed, 64-byte aligned, freed by tess_free (NULL is fine).
 * tess_alloc fails with TESS_E_MEMORY and says how much was wanted and for what. [any thread] */
TESS_EXPORT TESS_CHECKED int tess_alloc(struct tess_context *ctx, size_t bytes, const char *what, void **out);
TESS_EXPORT void tess_free(void *memory);
/* A list that grows. `list` is the address of a pointer to items of `size` bytes, NULL at first, and *capacity the number it has memory
 * for: afterwards at least `wanted`, in doubling steps, the new ones zeroed; those there were are kept and may have moved. On failure list
 * and capacity are as before. The list is freed by tess_free. [any thread] */
TESS_EXPORT TESS_CHECKED int tess_reserve(struct tess_context *ctx, void *list, int64_t *capacity, int64_t wanted, size_t size,
                                          const char *what);
/* A copy of a text, or of its first `bytes`, which have no end of their own; freed by tess_free. [any thread] */
TESS_EXPORT TESS_CHECKED int tess_copy_text(struct tess_context *ctx, const char *text, char **out);
TESS_EXPORT TESS_CHECKED int tess_copy_bytes(struct tess_context *ctx, const char *from, size_t bytes, char **out);

#ifdef __cplusplus
}
#endif
#endif
