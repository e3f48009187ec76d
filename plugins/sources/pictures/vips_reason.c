/* See vips_reason.h. Decoders say what is wrong in their own words, some as errors and some, as libpng does, as warnings before an error
 * that says nothing. The words are for people. Whether an image is bad or the machine short of something is not read from them alone:
 * memory and a thread are asked for, and are there or not.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/pictures/vips_reason.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <vips/vips.h>

enum { WARNINGS_CAPACITY = 400 };

/* Filled between begin and end alone, when one image is being decoded; a decoder may warn from a thread of its own. */
static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;
static char warnings[WARNINGS_CAPACITY];
static int keeping;
static guint handler; /* last set, so it is asked first, whatever other plugins on libvips have set */

static void vips_reason_hear(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer user)
{
    (void)domain, (void)level, (void)user;
    pthread_mutex_lock(&guard);
    size_t n = strlen(warnings);
    if (keeping && n < sizeof warnings - 1 && !strstr(warnings, text)) /* many of a damaged image are equal */
        (void)snprintf(warnings + n, sizeof warnings - n, "%s%s", n ? "\n" : "", text);
    pthread_mutex_unlock(&guard);
}

void vips_reason_begin(void)
{
    pthread_mutex_lock(&guard);
    warnings[0] = '\0';
    keeping = 1;
    pthread_mutex_unlock(&guard);
    handler = g_log_set_handler("VIPS", G_LOG_LEVEL_MASK | G_LOG_FLAG_RECURSION, vips_reason_hear, NULL);
    vips_error_clear();
}

void vips_reason_end(void)
{
    g_log_remove_handler("VIPS", handler);
    pthread_mutex_lock(&guard);
    keeping = 0;
    pthread_mutex_unlock(&guard);
    vips_error_clear();
}

/* ---- words --------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *found, *plain;
} words[] = {
    {"CRC error", "is damaged: a checksum in it is wrong"},
    {"exceeds user limit", "announces a size that no decoder takes"},
    {"premature end of data segment", "is damaged: a part of it is missing"},
    {"Premature end", "breaks off"},
    {"premature end", "breaks off"},
    {"nexpected end", "breaks off"},
    {"Not enough image data", "breaks off"},
    {"bad seek", "breaks off"},
    {"truncated", "breaks off"},
    {"Empty JPEG image", "announces a height of 0"},
    {"unable to parse", "is damaged or breaks off"},
    {"Corrupt JPEG data", "is damaged"},
    {"bad adaptive filter", "is damaged"},
    {"invalid", "is damaged"},
    {"Invalid", "is damaged"},
};

static const char *in_plain_words(const char *text)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(text, words[i].found))
            return words[i].plain;
    return "cannot be decoded";
}

/* Appends the lines of a text on one line, each line once. */
static size_t add_lines(char *to, size_t capacity, size_t n, const char *text)
{
    char line[200];
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        length = strcspn(text, "\n");
        (void)snprintf(line, sizeof line, "%.*s", (int)length, text);
        if (*line && n + strlen(line) + 3 < capacity && !strstr(to, line))
            n += (size_t)snprintf(to + n, capacity - n, "%s%s", n ? "; " : "", line);
    }
    return n;
}

void vips_reason_take(char *to, size_t capacity)
{
    char said[320] = "", *text = vips_error_buffer_copy();
    size_t n = add_lines(said, sizeof said, 0, text);
    g_free(text);
    pthread_mutex_lock(&guard);
    (void)add_lines(said, sizeof said, n, warnings);
    pthread_mutex_unlock(&guard);
    (void)snprintf(to, capacity, *said ? "%s (%s)" : "%s", in_plain_words(said), said);
}

int vips_reason_is_want(const char *reason)
{
    static const char *const signs[] = {"emory", "alloc", "hread", "Resource temporarily unavailable"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strstr(reason, signs[i]))
            return 1;
    return 0;
}

/* ---- formats ------------------------------------------------------------------------------------------------------- */

static const struct {
    size_t at, length;
    const char *bytes, *name, *reader;
} kinds[] = {
    {0, 3, "\xff\xd8\xff", "JPEG", "libjpeg"},
    {0, 8, "\x89PNG\r\n\x1a\n", "PNG", "libpng"},
    {8, 4, "WEBP", "WebP", "libwebp"},
    {0, 4, "GIF8", "GIF", "libnsgif"},
    {0, 4, "II*\0", "TIFF", "libtiff"},
    {0, 4, "MM\0*", "TIFF", "libtiff"},
    {0, 12, "\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", "OpenJPEG"},
    {0, 4, "\xff\x4f\xff\x51", "JPEG 2000", "OpenJPEG"},
    {0, 2, "\xff\x0a", "JPEG XL", "libjxl"},
    {0, 8, "\0\0\0\x0cJXL ", "JPEG XL", "libjxl"},
    {4, 8, "ftypavif", "AVIF", "libheif and an AV1 decoder"},
    {4, 7, "ftyphei", "HEIF", "libheif and an HEVC decoder"},
    {4, 8, "ftypmif1", "HEIF", "libheif"},
};

const char *vips_reason_kind(const void *bytes, size_t count, const char **reader)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (count >= kinds[i].at + kinds[i].length && memcmp((const char *)bytes + kinds[i].at, kinds[i].bytes, kinds[i].length) == 0) {
            *reader = kinds[i].reader;
            return kinds[i].name;
        }
    return NULL;
}

/* ---- want ---------------------------------------------------------------------------------------------------------- */

static void *vips_reason_nothing(void *user)
{
    return user;
}

int vips_reason_has_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 0;
    (void)munmap(memory, bytes);
    return 1;
}

const char *vips_reason_want(size_t bytes)
{
    pthread_t thread;
    if (!vips_reason_has_memory(bytes))
        return "memory";
    if (pthread_create(&thread, NULL, vips_reason_nothing, NULL) != 0)
        return "threads";
    (void)pthread_join(thread, NULL);
    return NULL;
}
