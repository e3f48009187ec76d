/* See tar_index.h. One pass over the headers; an image costs 12 bytes and its name. A sample is kept open until a member of another one
 * comes, and is an item then, if it has an image.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/sources/tar/tar_index.h"
#include "plugins/sources/tar/tar_members.h"
#include "kit/format/json_member.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { LABEL_BYTES = 1024, JSON_BYTES = 1 << 20, NONE = 1 << 20 };

/* The sample whose members are being read. */
struct sample {
    struct tar_index *x;
    const char *front; /* shard: its name without folders and .tar */
    size_t front_bytes;
    char *key; /* name of its members up to the first dot; NULL: none yet */
    char *label;
    char *name; /* name of the image */
    int rank;   /* place of the image's ending in `images`; NONE: no image yet */
    int64_t offset, size;
    int has_label, defect; /* defect: of the label, -2 - WHY; -1: it has none */
};

static void index_remark(struct tar_index *x, int why, const char *name)
{
    struct tar_remark *r = &x->remark[why];
    if (r->count++ == 0)
        (void)tess_shown_text(name, r->name, sizeof r->name);
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

static int index_leads_out(const char *name)
{
    for (const char *at = name; at; at = strchr(at, '/')) {
        at += at > name || *at == '/';
        if ((at == name + 1 && *name == '/') || (at[0] == '.' && at[1] == '.' && (at[2] == '/' || at[2] == '\0')))
            return 1;
    }
    return 0;
}

/* Length of a name up to the first dot of its base name; 0: the base name begins with a dot, or has none. */
static size_t key_length(const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name, *dot = strchr(base, '.');
    return dot && dot > base ? (size_t)(dot - name) : 0;
}

/* Place of an ending among `words`, separated by blanks, in any case; NONE: it is not there. */
static int index_rank(const char *ending, const char *words)
{
    size_t length = strlen(ending);
    int rank = 0;
    for (const char *at = words + strspn(words, " ,"); *at; at += strspn(at, " ,"), rank++) {
        size_t n = strcspn(at, " ,");
        if (n == length && strncasecmp(at, ending, n) == 0)
            return rank;
        at += n;
    }
    return NONE;
}

/* ---- items --------------------------------------------------------------------------------------------------------- */

static int index_add_name(struct tess_context *ctx, const struct sample *s)
{
    size_t length = strlen(s->name) + 1;
    void *memory;
    TESS_TRY(tess_alloc(ctx, s->front_bytes + 1 + length, "the name of an image", &memory));
    char *name = memory;
    memcpy(name, s->front, s->front_bytes);
    name[s->front_bytes] = '/';
    memcpy(name + s->front_bytes + 1, s->name, length);
    int status = name_table_add(ctx, &s->x->name, name);
    tess_free(name);
    return status;
}

static int index_add_label(struct tess_context *ctx, const struct sample *s)
{
    struct tar_index *x = s->x;
    int64_t bytes = s->label ? (int64_t)strlen(s->label) + 1 : 0;
    TESS_TRY(tess_reserve(ctx, &x->label, &x->label_capacity, x->count + 1, sizeof *x->label, "labels of an archive"));
    x->label[x->count] = s->label ? x->text_bytes : s->defect;
    if (!s->label)
        return TESS_OK;
    TESS_TRY(tess_reserve(ctx, &x->text, &x->text_capacity, x->text_bytes + bytes, 1, "labels of an archive"));
    memcpy(x->text + x->text_bytes, s->label, (size_t)bytes);
    x->text_bytes += bytes;
    return TESS_OK;
}

/* Makes the sample an item. */
static int sample_end(struct tess_context *ctx, struct sample *s)
{
    struct tar_index *x = s->x;
    if (s->key && s->rank == NONE)
        index_remark(x, TAR_NO_IMAGE, s->key);
    if (!s->key || s->rank == NONE)
        return TESS_OK;
    TESS_TRY(tess_reserve(ctx, &x->offset, &x->offset_capacity, x->count + 1, sizeof *x->offset, "images of an archive"));
    TESS_TRY(tess_reserve(ctx, &x->size, &x->size_capacity, x->count + 1, sizeof *x->size, "images of an archive"));
    TESS_TRY(index_add_name(ctx, s));
    TESS_TRY(index_add_label(ctx, s));
    x->offset[x->count] = s->offset;
    x->size[x->count++] = s->size > TAR_IMAGE_MAX ? TAR_IMAGE_MAX + 1 : (int32_t)s->size;
    return TESS_OK;
}

static void sample_free(struct sample *s)
{
    tess_free(s->key);
    tess_free(s->name);
    tess_free(s->label);
    s->key = s->name = s->label = NULL;
    s->rank = NONE;
    s->has_label = 0;
    s->defect = -1;
}

/* ---- labels -------------------------------------------------------------------------------------------------------- */

static int label_is_bad(struct sample *s, int why)
{
    s->defect = -2 - why;
    return TESS_OK;
}

/* The text of a .cls, without blanks around it. */
static int label_of_cls(struct tess_context *ctx, struct sample *s, const struct tar_member *m, const char *text)
{
    size_t first = strspn(text, " \t\r\n"), length = strlen(text);
    while (length > first && strchr(" \t\r\n", text[length - 1]))
        length--;
    if (strlen(text) < (size_t)m->size)
        return label_is_bad(s, TAR_LABEL_NO_TEXT);
    return tess_copy_bytes(ctx, text + first, length - first, &s->label);
}

static int label_of_json(struct tess_context *ctx, struct sample *s, const struct tar_member *m, const char *text)
{
    char label[LABEL_BYTES];
    int type = json_member(text, (size_t)m->size, s->x->label_key, label, sizeof label);
    if (type == JSON_DAMAGED || type == JSON_TOO_LONG)
        return label_is_bad(s, type == JSON_DAMAGED ? TAR_LABEL_NO_JSON : TAR_LABEL_KEY_LONG);
    return type == JSON_TEXT || type == JSON_NUMBER ? tess_copy_text(ctx, label, &s->label) : TESS_OK;
}

static int sample_label(struct tess_context *ctx, struct sample *s, const struct tar_member *m)
{
    int cls = s->x->labels == TAR_LABELS_CLS;
    void *memory;
    s->has_label = 1;
    if (m->size > (cls ? LABEL_BYTES : JSON_BYTES))
        return label_is_bad(s, cls ? TAR_LABEL_LONG : TAR_LABEL_JSON_LONG);
    TESS_TRY(tess_alloc(ctx, (size_t)m->size + 1, "a label", &memory));
    int status = tar_member_read(ctx, m, memory);
    if (status == TESS_OK)
        status = cls ? label_of_cls(ctx, s, m, memory) : label_of_json(ctx, s, m, memory);
    tess_free(memory);
    return status;
}

const char *tar_label_defect(int64_t label)
{
    static const char *const words[TAR_LABEL_DEFECTS] = {
        [TAR_LABEL_NO_TEXT] = "has a .cls that is no text",
        [TAR_LABEL_LONG] = "has a .cls of more than 1024 bytes",
        [TAR_LABEL_NO_JSON] = "has a .json that is no JSON object",
        [TAR_LABEL_JSON_LONG] = "has a .json of more than 1 MiB",
        [TAR_LABEL_KEY_LONG] = "has a label of more than 1023 bytes in its .json",
    };
    return words[-2 - label];
}

/* ---- members ------------------------------------------------------------------------------------------------------- */

/* Begins another sample where the member is none of this one. */
static int sample_of(struct tess_context *ctx, struct sample *s, const char *name, size_t key)
{
    if (s->key && strncmp(s->key, name, key) == 0 && s->key[key] == '\0')
        return TESS_OK;
    TESS_TRY(sample_end(ctx, s));
    sample_free(s);
    return tess_copy_bytes(ctx, name, key, &s->key);
}

static int sample_file(struct tess_context *ctx, struct sample *s, const struct tar_member *m)
{
    struct tar_index *x = s->x;
    size_t key = key_length(m->name);
    if (key == 0)
        return TESS_OK;
    TESS_TRY(sample_of(ctx, s, m->name, key));
    const char *ending = m->name + key + 1;
    if (x->labels != TAR_LABELS_NONE && strcasecmp(ending, x->labels == TAR_LABELS_CLS ? "cls" : "json") == 0) {
        if (!s->has_label)
            return sample_label(ctx, s, m);
        index_remark(x, TAR_MEMBER_TWICE, m->name);
        return TESS_OK;
    }
    int rank = index_rank(ending, x->images);
    if (rank != NONE && rank == s->rank)
        index_remark(x, TAR_MEMBER_TWICE, m->name);
    if (rank >= s->rank)
        return TESS_OK;
    tess_free(s->name);
    s->name = NULL;
    TESS_TRY(tess_copy_text(ctx, m->name, &s->name));
    s->rank = rank;
    s->offset = m->offset;
    s->size = m->size;
    return TESS_OK;
}

static int index_member(void *user, struct tess_context *ctx, const struct tar_member *m)
{
    struct sample *s = user;
    if (m->type == MEMBER_FOLDER)
        return TESS_OK;
    if (m->type != MEMBER_FILE || index_leads_out(m->name)) {
        index_remark(s->x, m->type == MEMBER_LINK ? TAR_LINK : m->type == MEMBER_SPECIAL ? TAR_SPECIAL : TAR_LEADS_OUT, m->name);
        return TESS_OK;
    }
    return sample_file(ctx, s, m);
}

/* ---- shards -------------------------------------------------------------------------------------------------------- */

static uint64_t index_hash(const char *text)
{
    uint64_t h = 1469598103934665603ULL;
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 1099511628211ULL;
    return h ^ h >> 29;
}

/* Counts images whose name another has, by a table of all: 1 + an image of each name. */
static int index_twice(struct tess_context *ctx, struct tar_index *x)
{
    uint64_t capacity = 16;
    char name[NAME_TABLE_TEXT], other[NAME_TABLE_TEXT];
    void *memory;
    while (capacity < 2 * (uint64_t)x->count)
        capacity *= 2;
    TESS_TRY(tess_alloc(ctx, capacity * sizeof(int64_t), "names that were seen", &memory));
    int64_t *seen = memory;
    for (int64_t i = 0; i < x->count; i++) {
        uint64_t at = index_hash(name_table_get(&x->name, i, name)) & (capacity - 1);
        while (seen[at] && strcmp(name_table_get(&x->name, seen[at] - 1, other), name) != 0)
            at = (at + 1) & (capacity - 1);
        if (seen[at])
            index_remark(x, TAR_SAMPLE_TWICE, name);
        seen[at] = i + 1;
    }
    tess_free(memory);
    return TESS_OK;
}

static int index_shard(struct tess_context *ctx, struct tar_index *x, int64_t k)
{
    const char *path = x->shards.path[k], *slash = strrchr(path, '/'), *front = slash ? slash + 1 : path;
    struct sample s = {.x = x, .front = front, .front_bytes = tar_shard_front(front), .rank = NONE, .defect = -1};
    int end = TAR_ENDS, fd;
    s.front_bytes = s.front_bytes ? s.front_bytes : strlen(front);
    x->place[k].first = x->count;
    TESS_TRY(steady_open(ctx, path, &x->place[k].steady, &fd));
    int status = tar_members(ctx, path, fd, x->place[k].steady.bytes, index_member, &s, &x->place[k].packing, &end);
    if (status == TESS_OK)
        status = sample_end(ctx, &s);
    if (status == TESS_OK && end != TAR_ENDS)
        index_remark(x, end == TAR_CUT ? TAR_NO_END : TAR_MORE, front);
    sample_free(&s);
    close(fd);
    return status;
}

static int index_end(struct tess_context *ctx, struct tar_index *x)
{
    TESS_TRY(name_table_end(ctx, &x->name));
    return index_twice(ctx, x);
}

int tar_index_make(struct tess_context *ctx, const char *pattern, struct tar_index *x)
{
    void *memory;
    TESS_TRY(tar_shards_list(ctx, pattern, &x->shards));
    TESS_TRY(tess_alloc(ctx, (size_t)(x->shards.count + 1) * sizeof *x->place, "shards of an archive", &memory));
    x->place = memory;
    for (int64_t k = 0; k < x->shards.count; k++)
        TESS_TRY(index_shard(ctx, x, k));
    x->place[x->shards.count].first = x->count;
    return x->count ? index_end(ctx, x) : TESS_OK;
}

void tar_index_free_labels(struct tar_index *x)
{
    tess_free(x->label);
    tess_free(x->text);
    x->label = NULL;
    x->text = NULL;
}

void tar_index_free(struct tar_index *x)
{
    tar_index_free_labels(x);
    tess_free(x->offset);
    tess_free(x->size);
    name_table_free(&x->name);
    tess_free(x->place);
    tar_shards_free(&x->shards);
}

int64_t tar_index_shard(const struct tar_index *x, int64_t i)
{
    int64_t low = 0, high = x->shards.count - 1;
    while (low < high) {
        int64_t middle = low + (high - low + 1) / 2;
        if (x->place[middle].first <= i)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}
