/* A reader of pickles, protocols 2 to 5, that runs nothing. A pickle is a program for a small stack machine, which may call any function it
 * names: to read a stranger's file that way is to run a stranger's code. This reader (over the stack of pickle_machine.c) knows the
 * operations that files are written with, and of the names a few (pickle_names.c), each of which stands for something done here: storages,
 * tensors, dictionaries, and values that are kept as nothing but that. Objects of other classes are values of which nothing is known; a
 * call of any other function is refused.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/pickle_objects.h"

#include <string.h>

/* ---- containers ---------------------------------------------------------------------------------------------------- */

/* Finds the values above the mark, or the last `n` when there is none: `first` is the stack position of the first. */
static int pickle_items(const struct machine *m, int64_t n, int to_mark, int64_t *first)
{
    *first = m->depth - n;
    if (to_mark)
        TESS_TRY(pickle_above_mark(m, first));
    for (int64_t i = *first; i < m->depth; i++)
        if (i < 0 || m->stack[i] == 0)
            return pickle_refuse(m, "wants a value where there is none");
    return TESS_OK;
}

/* Moves values into the list, set or dictionary below them; what an object of an unknown class is given is dropped. */
static int pickle_fill(struct machine *m, int32_t kind, int64_t n)
{
    int64_t first, marks = n == 0;
    TESS_TRY(pickle_items(m, n, n == 0, &first));
    int64_t below = first - marks;
    const struct value *to = below < 1 || m->stack[below - 1] == 0 ? NULL : &m->value[m->stack[below - 1]];
    if (!to || (to->kind != kind && !(to->kind == OBJECT && to->which)) || (kind == DICT && (m->depth - first) % 2))
        return pickle_refuse(m, "puts items into what is not %s, or half an item", pickle_kind_name[kind]);
    if (to->kind == OBJECT) {
        m->depth = below;
        return TESS_OK;
    }
    return pickle_move(m, m->stack[below - 1], first, marks);
}

/* Makes a tuple, or with OBJECT a frozen set, whose items are dropped. */
static int pickle_tuple(struct machine *m, int32_t kind, int64_t n, int to_mark)
{
    int64_t first;
    TESS_TRY(pickle_items(m, n, to_mark, &first));
    if (kind == OBJECT) {
        m->depth = first - to_mark;
        return pickle_push_new(m, OBJECT, 1, 0, 0);
    }
    TESS_TRY(pickle_push_new(m, TUPLE, 0, 0, 0));
    uint32_t made = m->stack[--m->depth];
    TESS_TRY(pickle_move(m, made, first, to_mark));
    return pickle_push(m, made);
}

static int pickle_pop_mark(struct machine *m)
{
    int64_t first;
    TESS_TRY(pickle_above_mark(m, &first));
    m->depth = first - 1;
    return TESS_OK;
}

static int pickle_pop_one(struct machine *m)
{
    uint32_t dropped;
    if (m->depth && m->stack[m->depth - 1] == 0) {
        m->depth--;
        return TESS_OK;
    }
    return pickle_pop(m, &dropped);
}

static int pickle_again(struct machine *m)
{
    uint32_t value;
    TESS_TRY(pickle_top(m, &value));
    return pickle_push(m, value);
}

/* ---- plain values -------------------------------------------------------------------------------------------------- */

/* Reads a length of n bytes, then as many bytes: a text, or bytes, which are nothing but a value. */
static int pickle_bytes(struct machine *m, int32_t kind, size_t n)
{
    int64_t length;
    const uint8_t *bytes;
    TESS_TRY(pickle_take_number(m, n, 0, &length));
    if (length < 0 || length > PICKLE_MAX)
        return pickle_refuse(m, "ends before its end");
    TESS_TRY(pickle_take(m, (size_t)length, &bytes));
    return pickle_push_new(m, kind, 0, bytes - m->bytes, kind == TEXT ? (uint32_t)length : 0);
}

static int pickle_integer(struct machine *m, size_t bytes, int is_signed)
{
    int64_t number;
    TESS_TRY(pickle_take_number(m, bytes, is_signed, &number));
    return pickle_push_new(m, INT, 0, number, 0);
}

/* An integer of more than eight bytes is a value that nothing can be made of. */
static int long_integer(struct machine *m, size_t length)
{
    int64_t bytes;
    const uint8_t *skipped;
    TESS_TRY(pickle_take_number(m, length, 0, &bytes));
    if (bytes <= 8)
        return pickle_integer(m, (size_t)bytes, 1);
    TESS_TRY(pickle_take(m, (size_t)bytes, &skipped));
    return pickle_push_new(m, OBJECT, 0, 0, 0);
}

/* ---- the memo ------------------------------------------------------------------------------------------------------ */

static int pickle_remember(struct machine *m, int64_t index)
{
    uint32_t value;
    TESS_TRY(pickle_top(m, &value));
    if (index < 0 || index > (int64_t)m->count || index > 2 * PICKLE_VALUES) /* the writer counts from 0, and each costs a byte */
        return pickle_refuse(m, "remembers a value as number %lld, more than there can be", (long long)index);
    TESS_TRY(tess_reserve(m->ctx, &m->memo, &m->memo_capacity, index + 1, sizeof *m->memo, "a pickle's values"));
    m->memo[index] = value;
    m->memos = index + 1 > m->memos ? index + 1 : m->memos;
    m->memoized++;
    return TESS_OK;
}

static int pickle_put(struct machine *m, size_t bytes)
{
    int64_t index;
    TESS_TRY(pickle_take_number(m, bytes, 0, &index));
    return pickle_remember(m, index);
}

static int pickle_get(struct machine *m, size_t bytes)
{
    int64_t index;
    TESS_TRY(pickle_take_number(m, bytes, 0, &index));
    if (index >= m->memos || m->memo[index] == 0)
        return pickle_refuse(m, "recalls value number %lld, which was not remembered", (long long)index);
    return pickle_push(m, m->memo[index]);
}

/* ---- operations ---------------------------------------------------------------------------------------------------- */

static int pickle_protocol(struct machine *m)
{
    int64_t version;
    TESS_TRY(pickle_take_number(m, 1, 0, &version));
    if (version < 2 || version > 5)
        return pickle_refuse(m, "pickle protocol %lld, one of 2 to 5 was wanted; torch.save writes 2 if it is not told otherwise",
                             (long long)version);
    return TESS_OK;
}

static int pickle_step_constant(struct machine *m, uint8_t code)
{
    const uint8_t *skipped;
    switch (code) {
    case 'N': return pickle_push_new(m, NONE, 0, 0, 0);
    case 0x88: return pickle_push_new(m, BOOL, 1, 1, 0);
    case 0x89: return pickle_push_new(m, BOOL, 0, 0, 0);
    case 'K': return pickle_integer(m, 1, 0);
    case 'M': return pickle_integer(m, 2, 0);
    case 'J': return pickle_integer(m, 4, 1);
    case 0x8a: return long_integer(m, 1);
    case 0x8b: return long_integer(m, 4);
    case 'G': TESS_TRY(pickle_take(m, 8, &skipped)); return pickle_push_new(m, REAL, 0, 0, 0);
    case 'X': return pickle_bytes(m, TEXT, 4);
    case 0x8c: return pickle_bytes(m, TEXT, 1);
    case 0x8d: return pickle_bytes(m, TEXT, 8);
    case 'U': return pickle_bytes(m, TEXT, 1); /* texts of Python 2 */
    case 'T': return pickle_bytes(m, TEXT, 4);
    case 'B': return pickle_bytes(m, OBJECT, 4);
    case 'C': return pickle_bytes(m, OBJECT, 1);
    case 0x8e: case 0x96: return pickle_bytes(m, OBJECT, 8);
    default: return pickle_refuse(m, "operation 0x%02x, which no dictionary of weights needs; nothing of it was run", code);
    }
}

static int pickle_step_container(struct machine *m, uint8_t code)
{
    switch (code) {
    case '(': return pickle_push(m, 0);
    case '0': return pickle_pop_one(m);
    case '1': return pickle_pop_mark(m);
    case '2': return pickle_again(m);
    case ')': return pickle_tuple(m, TUPLE, 0, 0);
    case 0x85: return pickle_tuple(m, TUPLE, 1, 0);
    case 0x86: return pickle_tuple(m, TUPLE, 2, 0);
    case 0x87: return pickle_tuple(m, TUPLE, 3, 0);
    case 't': return pickle_tuple(m, TUPLE, 0, 1);
    case ']': return pickle_push_new(m, LIST, 0, 0, 0);
    case '}': return pickle_push_new(m, DICT, 0, 0, 0);
    case 'a': return pickle_fill(m, LIST, 1);
    case 'e': return pickle_fill(m, LIST, 0);
    case 's': return pickle_fill(m, DICT, 2);
    case 'u': return pickle_fill(m, DICT, 0);
    case 0x8f: return pickle_push_new(m, OBJECT, 1, 0, 0); /* a set */
    case 0x90: return pickle_fill(m, OBJECT, 0);
    case 0x91: return pickle_tuple(m, OBJECT, 0, 1);
    default: return pickle_step_constant(m, code);
    }
}

static int pickle_step(struct machine *m, uint8_t code)
{
    const uint8_t *skipped;
    switch (code) {
    case 0x80: return pickle_protocol(m);
    case 0x95: return pickle_take(m, 8, &skipped); /* a frame's length */
    case 'q': return pickle_put(m, 1);
    case 'r': return pickle_put(m, 4);
    case 0x94: return pickle_remember(m, m->memoized);
    case 'h': return pickle_get(m, 1);
    case 'j': return pickle_get(m, 4);
    case 'c': return pickle_global(m);
    case 0x93: return pickle_stack_global(m);
    case 'R': return pickle_reduce(m);
    case 0x81: return pickle_new_object(m, 1);
    case 0x92: return pickle_new_object(m, 2);
    case 'b': return pickle_build(m);
    case 'Q': return pickle_storage(m);
    default: return pickle_step_container(m, code);
    }
}

/* ---- whole pickles ------------------------------------------------------------------------------------------------- */

/* Runs the pickle to its end; *root is the value it leaves. */
static int pickle_run(struct machine *m, uint32_t *root)
{
    for (;;) {
        const uint8_t *code;
        TESS_TRY(pickle_take(m, 1, &code));
        if (*code == '.')
            break;
        TESS_TRY(pickle_step(m, *code));
    }
    TESS_TRY(pickle_pop(m, root));
    return m->depth ? pickle_refuse(m, "has more than one value, or goes on after its end") : TESS_OK;
}

static int pickle_start(struct machine *m, uint32_t *root)
{
    m->values = 1;
    TESS_TRY(tess_reserve(m->ctx, &m->value, &m->value_capacity, 1, sizeof *m->value, "a pickle's values"));
    return pickle_run(m, root);
}

int pickle_read(struct tess_context *ctx, const char *path, const uint8_t *bytes, size_t count, const char *key, struct pickle *out,
                size_t *used)
{
    struct machine m = {.ctx = ctx, .path = path, .bytes = bytes, .count = count};
    uint32_t root = 0;
    int status = pickle_start(&m, &root);
    if (status == TESS_OK && !used && m.at != m.count)
        status = pickle_refuse(&m, "has more than one value, or goes on after its end");
    if (status == TESS_OK)
        status = pickle_collect(&m, root, key, out);
    if (used)
        *used = m.at;
    pickle_machine_free(&m);
    return status;
}

static int pickle_each_text(struct machine *m, uint32_t root, pickle_text_fn *each, void *user)
{
    const struct value *list = &m->value[root];
    if (list->kind != LIST)
        return pickle_refuse(m, "holds %s, a list of storages was wanted", pickle_kind_name[list->kind]);
    for (uint32_t i = 0, at = list->first; i < list->length; i++, at = m->cell[at].next) {
        const struct value *text = &m->value[m->cell[at].value];
        if (text->kind != TEXT)
            return pickle_refuse(m, "names a storage by %s, a text was wanted", pickle_kind_name[text->kind]);
        TESS_TRY(each(user, m->ctx, (const char *)m->bytes + text->number, text->length));
    }
    return TESS_OK;
}

int pickle_read_texts(struct tess_context *ctx, const char *path, const uint8_t *bytes, size_t count, pickle_text_fn *each, void *user,
                      size_t *used)
{
    struct machine m = {.ctx = ctx, .path = path, .bytes = bytes, .count = count};
    uint32_t root = 0;
    int status = pickle_start(&m, &root);
    if (status == TESS_OK)
        status = pickle_each_text(&m, root, each, user);
    *used = m.at;
    pickle_machine_free(&m);
    return status;
}

int pickle_skip(struct tess_context *ctx, const char *path, const uint8_t *bytes, size_t count, size_t *used, int *big)
{
    struct machine m = {.ctx = ctx, .path = path, .bytes = bytes, .count = count};
    uint32_t root = 0;
    int status = pickle_start(&m, &root);
    *used = m.at;
    *big = 0;
    if (status == TESS_OK && m.value[root].kind == DICT)
        for (uint32_t i = 0, at = m.value[root].first; i < m.value[root].length / 2; i++, at = m.cell[m.cell[at].next].next) {
            const struct value *value = &m.value[m.cell[m.cell[at].next].value];
            *big |= pickle_is_text(&m, &m.value[m.cell[at].value], "little_endian") && value->kind == BOOL && !value->which;
        }
    pickle_machine_free(&m);
    return status;
}

void pickle_free(struct pickle *p)
{
    tess_free(p->tensor);
    tess_free(p->storage);
    tess_free(p->text);
    memset(p, 0, sizeof *p);
}
