/* The stack machine of a pickle: its memory, its stack of values, and the bytes it reads. It has no operations: those of a pickle are in
 * pickle.c, the objects they build in pickle_objects.c.
 *
 * Memory follows the file's size: an operation makes one value at most, and what is put into the memo and taken out again is the same
 * value, not a copy. Nothing here recurses, so nesting costs nothing, and a value that holds itself is never walked.
 *
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/pickle_machine.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *const pickle_kind_name[] = {"a mark", "None",         "a boolean",           "an integer", "a number", "a text",   "a tuple",
                                        "a list", "a dictionary", "a function or class", "a storage",  "a tensor", "an object"};

/* ---- memory and stack ---------------------------------------------------------------------------------------------- */

int pickle_refuse(const struct machine *m, const char *format, ...)
{
    char text[700];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    return m->ctx->fail(m->ctx, TESS_E_DATA, "%s: its pickle, byte %zu: %s", m->path, m->at, text);
}

const char *pickle_shown(const struct machine *m, int64_t offset, uint32_t length, char out[PICKLE_SHOWN])
{
    char start[61];
    (void)snprintf(start, sizeof start, "%.*s", (int)(length < 60 ? length : 60), (const char *)m->bytes + offset);
    (void)tess_shown_text(start, out, PICKLE_SHOWN);
    return out;
}

int pickle_is_text(const struct machine *m, const struct value *v, const char *known)
{
    return v->kind == TEXT && strlen(known) == v->length && memcmp(m->bytes + v->number, known, v->length) == 0;
}

int pickle_push(struct machine *m, uint32_t value)
{
    if (m->depth == 2 * PICKLE_VALUES)
        return pickle_refuse(m, "more than %d values at once", 2 * PICKLE_VALUES);
    TESS_TRY(tess_reserve(m->ctx, &m->stack, &m->stack_capacity, m->depth + 1, sizeof *m->stack, "a pickle's values"));
    m->stack[m->depth++] = value;
    return TESS_OK;
}

int pickle_push_new(struct machine *m, int32_t kind, int32_t which, int64_t number, uint32_t length)
{
    if (m->values == PICKLE_VALUES)
        return pickle_refuse(m, "more than %d values; save the dictionary of weights alone", PICKLE_VALUES);
    TESS_TRY(tess_reserve(m->ctx, &m->value, &m->value_capacity, m->values + 1, sizeof *m->value, "a pickle's values"));
    m->value[m->values] = (struct value){.kind = kind, .which = which, .number = number, .length = length};
    return pickle_push(m, (uint32_t)m->values++);
}

int pickle_top(const struct machine *m, uint32_t *out)
{
    *out = 0;
    if (m->depth == 0 || m->stack[m->depth - 1] == 0)
        return pickle_refuse(m, "wants a value where there is none");
    *out = m->stack[m->depth - 1];
    return TESS_OK;
}

int pickle_pop(struct machine *m, uint32_t *out)
{
    TESS_TRY(pickle_top(m, out));
    m->depth--;
    return TESS_OK;
}

int pickle_above_mark(const struct machine *m, int64_t *first)
{
    int64_t at = m->depth;
    while (at > 0 && m->stack[at - 1] != 0)
        at--;
    if (at == 0)
        return pickle_refuse(m, "wants a mark where there is none");
    *first = at;
    return TESS_OK;
}

int pickle_append(struct machine *m, uint32_t to, uint32_t value)
{
    struct value *v = &m->value[to];
    int64_t at = m->cells ? m->cells : 1;
    if (at == 2 * PICKLE_VALUES)
        return pickle_refuse(m, "more than %d items; save the dictionary of weights alone", 2 * PICKLE_VALUES);
    TESS_TRY(tess_reserve(m->ctx, &m->cell, &m->cell_capacity, at + 1, sizeof *m->cell, "a pickle's values"));
    m->cell[at] = (struct cell){.value = value};
    if (v->length)
        m->cell[v->last].next = (uint32_t)at;
    else
        v->first = (uint32_t)at;
    v->last = (uint32_t)at;
    v->length++;
    m->cells = at + 1;
    return TESS_OK;
}

int pickle_move(struct machine *m, uint32_t to, int64_t first, int64_t marks)
{
    for (int64_t i = first; i < m->depth; i++)
        TESS_TRY(pickle_append(m, to, m->stack[i]));
    m->depth = first - marks;
    return TESS_OK;
}

/* ---- bytes --------------------------------------------------------------------------------------------------------- */

int pickle_take(struct machine *m, size_t count, const uint8_t **out)
{
    *out = NULL;
    if (count > m->count - m->at)
        return pickle_refuse(m, "ends before its end");
    *out = m->bytes + m->at;
    m->at += count;
    return TESS_OK;
}

int pickle_take_line(struct machine *m, const char **text, size_t *length)
{
    const uint8_t *start = m->bytes + m->at, *end = memchr(start, '\n', m->count - m->at);
    if (!end)
        return pickle_refuse(m, "ends before its end");
    *text = (const char *)start;
    *length = (size_t)(end - start);
    m->at += *length + 1;
    return TESS_OK;
}

int pickle_take_number(struct machine *m, size_t n, int is_signed, int64_t *out)
{
    const uint8_t *b;
    uint64_t bits = 0;
    TESS_TRY(pickle_take(m, n, &b));
    for (size_t i = 0; i < n; i++)
        bits |= (uint64_t)b[i] << 8 * i;
    if (is_signed && n > 0 && n < 8 && b[n - 1] & 0x80)
        bits |= ~(uint64_t)0 << 8 * n;
    memcpy(out, &bits, sizeof bits);
    return TESS_OK;
}

void pickle_machine_free(struct machine *m)
{
    tess_free(m->value);
    tess_free(m->cell);
    tess_free(m->stack);
    tess_free(m->memo);
    tess_free(m->tensor);
    tess_free(m->in);
    tess_free(m->storage);
}
