/* A reader of pickles, protocol 2, that runs nothing. A pickle is a program for a small stack machine, which may call any function it
 * names: to read a stranger's file that way is to run a stranger's code. This reader (over the stack of pickle_machine.c) knows the
 * operations that a state dictionary is written with, and of the names a few (pickle_objects.c), each of which stands for something done
 * here. Everything else is refused.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/pickle_objects.h"

#include <string.h>

/* Moves the values above the mark, or the last `n` when there is none, into the list or dictionary below them. */
static int pickle_fill(struct machine *m, int32_t kind, int64_t n)
{
    int64_t first = m->depth - n;
    if (n == 0)
        TESS_TRY(pickle_above_mark(m, &first));
    int64_t marks = n == 0, below = first - marks;
    for (int64_t i = first; i < m->depth; i++)
        if (i < 0 || m->stack[i] == 0)
            return pickle_refuse(m, "wants a value where there is none");
    if (below < 1 || m->stack[below - 1] == 0 || m->value[m->stack[below - 1]].kind != kind || (kind == DICT && (m->depth - first) % 2))
        return pickle_refuse(m, "puts items into what is not %s, or half an item", pickle_kind_name[kind]);
    return pickle_move(m, m->stack[below - 1], first, marks);
}

static int pickle_tuple(struct machine *m, int64_t n, int to_mark)
{
    int64_t first = m->depth - n;
    if (to_mark)
        TESS_TRY(pickle_above_mark(m, &first));
    for (int64_t i = first; i < m->depth; i++)
        if (i < 0 || m->stack[i] == 0)
            return pickle_refuse(m, "wants a value where there is none");
    TESS_TRY(pickle_push_new(m, TUPLE, 0, 0, 0));
    uint32_t made = m->stack[--m->depth];
    TESS_TRY(pickle_move(m, made, first, to_mark));
    return pickle_push(m, made);
}

static int pickle_text(struct machine *m)
{
    int64_t length;
    const uint8_t *bytes;
    TESS_TRY(pickle_take_number(m, 4, 0, &length));
    TESS_TRY(pickle_take(m, (size_t)length, &bytes));
    return pickle_push_new(m, TEXT, 0, bytes - m->bytes, (uint32_t)length);
}

static int pickle_integer(struct machine *m, size_t bytes, int is_signed)
{
    int64_t number;
    TESS_TRY(pickle_take_number(m, bytes, is_signed, &number));
    return pickle_push_new(m, INT, 0, number, 0);
}

static int long_integer(struct machine *m)
{
    int64_t bytes;
    TESS_TRY(pickle_take_number(m, 1, 0, &bytes));
    if (bytes > 8)
        return pickle_refuse(m, "an integer of %lld bytes", (long long)bytes);
    return pickle_integer(m, (size_t)bytes, 1);
}

static int pickle_put(struct machine *m, size_t bytes)
{
    int64_t index;
    uint32_t value;
    TESS_TRY(pickle_take_number(m, bytes, 0, &index));
    TESS_TRY(pickle_top(m, &value));
    if (index > (int64_t)m->count) /* the writer counts from 0, and each costs a byte */
        return pickle_refuse(m, "remembers a value as number %lld, more than there can be", (long long)index);
    TESS_TRY(tess_reserve(m->ctx, &m->memo, &m->memo_capacity, index + 1, sizeof *m->memo, "a pickle's values"));
    m->memo[index] = value;
    m->memos = index + 1 > m->memos ? index + 1 : m->memos;
    return TESS_OK;
}

static int pickle_get(struct machine *m, size_t bytes)
{
    int64_t index;
    TESS_TRY(pickle_take_number(m, bytes, 0, &index));
    if (index >= m->memos || m->memo[index] == 0)
        return pickle_refuse(m, "recalls value number %lld, which was not remembered", (long long)index);
    return pickle_push(m, m->memo[index]);
}

static int pickle_protocol(struct machine *m)
{
    int64_t version;
    TESS_TRY(pickle_take_number(m, 1, 0, &version));
    if (version != 2)
        return pickle_refuse(m, "pickle protocol %lld, protocol 2 was wanted, which torch.save writes if it is not told otherwise",
                             (long long)version);
    return TESS_OK;
}

static int pickle_step(struct machine *m, uint8_t code)
{
    const uint8_t *skipped;
    switch (code) {
    case 0x80: return pickle_protocol(m);
    case '(': return pickle_push(m, 0);
    case 'N': return pickle_push_new(m, NONE, 0, 0, 0);
    case 0x88: return pickle_push_new(m, BOOL, 1, 0, 0);
    case 0x89: return pickle_push_new(m, BOOL, 0, 0, 0);
    case 'K': return pickle_integer(m, 1, 0);
    case 'M': return pickle_integer(m, 2, 0);
    case 'J': return pickle_integer(m, 4, 1);
    case 0x8a: return long_integer(m);
    case 'G':
        TESS_TRY(pickle_take(m, 8, &skipped));
        return pickle_push_new(m, REAL, 0, 0, 0);
    case 'X': return pickle_text(m);
    case ')': return pickle_tuple(m, 0, 0);
    case 0x85: return pickle_tuple(m, 1, 0);
    case 0x86: return pickle_tuple(m, 2, 0);
    case 0x87: return pickle_tuple(m, 3, 0);
    case 't': return pickle_tuple(m, 0, 1);
    case ']': return pickle_push_new(m, LIST, 0, 0, 0);
    case '}': return pickle_push_new(m, DICT, 0, 0, 0);
    case 'a': return pickle_fill(m, LIST, 1);
    case 'e': return pickle_fill(m, LIST, 0);
    case 's': return pickle_fill(m, DICT, 2);
    case 'u': return pickle_fill(m, DICT, 0);
    case 'q': return pickle_put(m, 1);
    case 'r': return pickle_put(m, 4);
    case 'h': return pickle_get(m, 1);
    case 'j': return pickle_get(m, 4);
    case 'c': return pickle_global(m);
    case 'R': return pickle_reduce(m);
    case 'b': return pickle_build(m);
    case 'Q': return pickle_storage(m);
    default: return pickle_refuse(m, "operation 0x%02x, which no dictionary of weights needs; nothing of it was run", code);
    }
}

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
    if (m->depth || m->at != m->count)
        return pickle_refuse(m, "has more than one value, or goes on after its end");
    return TESS_OK;
}

int pickle_read(struct tess_context *ctx, const char *path, const uint8_t *bytes, size_t count, struct pickle *out)
{
    struct machine m = {.ctx = ctx, .path = path, .bytes = bytes, .count = count, .values = 1};
    uint32_t root = 0;
    int status = count > PICKLE_MAX ? pickle_refuse(&m, "has %zu bytes, %d are the most", count, PICKLE_MAX) : TESS_OK;
    if (status == TESS_OK)
        status = tess_reserve(m.ctx, &m.value, &m.value_capacity, 1, sizeof *m.value, "a pickle's values");
    if (status == TESS_OK)
        status = pickle_run(&m, &root);
    if (status == TESS_OK)
        status = pickle_collect(&m, root, out);
    tess_free(m.value);
    tess_free(m.cell);
    tess_free(m.stack);
    tess_free(m.memo);
    tess_free(m.tensor);
    tess_free(m.key);
    return status;
}

void pickle_free(struct pickle *p)
{
    tess_free(p->tensor);
    tess_free(p->text);
    memset(p, 0, sizeof *p);
}
