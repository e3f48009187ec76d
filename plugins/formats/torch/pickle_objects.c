/* Names that a pickle may use and what they stand for here: storages, tensors that are views of them, and the dictionary of the whole.
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/pickle_objects.h"

#include <stdio.h>
#include <string.h>

/* ---- the names it knows -------------------------------------------------------------------------------------------- */

enum { CALL_ORDERED = -1, CALL_TENSOR = -2, CALL_PARAMETER = -3, CALL_NOTHING = -4 };

static const struct {
    const char *module, *name;
    int type; /* a storage's, or what a call of it does */
} globals[] = {
    {"collections", "OrderedDict", CALL_ORDERED},
    {"torch._utils", "_rebuild_tensor_v2", CALL_TENSOR},
    {"torch._utils", "_rebuild_parameter", CALL_PARAMETER},
    {"torch", "FloatStorage", NUMBER_F32},
    {"torch", "HalfStorage", NUMBER_F16},
    {"torch", "BFloat16Storage", NUMBER_BF16},
    {"torch", "DoubleStorage", NUMBER_F64},
    {"torch", "LongStorage", NUMBER_I64},
    {"torch", "IntStorage", NUMBER_I32},
    /* Names of a trainer's notes on its callbacks, used as keys and never called. */
    {"pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint", CALL_NOTHING},
    {"pytorch_lightning.callbacks.early_stopping", "EarlyStopping", CALL_NOTHING},
};

enum { SHOWN = 256 };

/* A text of the file, for a message: its first 60 bytes, on one line. */
static const char *pickle_objects_shown(const char *text, size_t length, char out[SHOWN])
{
    char start[61];
    (void)snprintf(start, sizeof start, "%.*s", (int)(length < 60 ? length : 60), text);
    (void)tess_shown_text(start, out, SHOWN);
    return out;
}

static int is_text(const char *text, size_t length, const char *known)
{
    return strlen(known) == length && memcmp(text, known, length) == 0;
}

int pickle_global(struct machine *m)
{
    const char *module, *name;
    size_t module_length, name_length;
    char a[SHOWN], b[SHOWN];
    TESS_TRY(pickle_take_line(m, &module, &module_length));
    TESS_TRY(pickle_take_line(m, &name, &name_length));
    for (size_t i = 0; i < sizeof globals / sizeof *globals; i++)
        if (is_text(module, module_length, globals[i].module) && is_text(name, name_length, globals[i].name))
            return pickle_push_new(m, GLOBAL, (int32_t)i, 0, 0);
    return pickle_refuse(m, "asks for `%s.%s`, which no dictionary of weights needs; nothing of it was run. Save model.state_dict() alone",
                  pickle_objects_shown(module, module_length, a), pickle_objects_shown(name, name_length, b));
}

/* Items of a tuple; more than `capacity` of them are refused. */
static int pickle_objects_items(const struct machine *m, uint32_t tuple, const char *what, uint32_t capacity, uint32_t *item,
                                uint32_t *count)
{
    const struct value *v = &m->value[tuple];
    if (v->kind != TUPLE || v->length > capacity)
        return pickle_refuse(m, "%s is %s%s, a tuple of at most %u was wanted", what, pickle_kind_name[v->kind],
                             v->kind == TUPLE ? " too long" : "", capacity);
    uint32_t at = v->first;
    for (*count = 0; *count < v->length; at = m->cell[at].next)
        item[(*count)++] = m->cell[at].value;
    return TESS_OK;
}

/* Item `i` of the arguments; fails unless it is there and of the kind. */
static int item_of(const struct machine *m, const char *what, const uint32_t *item, uint32_t count, uint32_t i, int32_t kind,
                   const struct value **out)
{
    if (i >= count || m->value[item[i]].kind != kind)
        return pickle_refuse(m, "%s wants %s as argument %u, found %s", what, pickle_kind_name[kind], i + 1,
                      i < count ? pickle_kind_name[m->value[item[i]].kind] : "none");
    *out = &m->value[item[i]];
    return TESS_OK;
}

/* Makes a storage of ("storage", class, key, device, numbers). */
int pickle_storage(struct machine *m)
{
    static const char what[] = "a storage";
    uint32_t id, item[8], n;
    const struct value *word, *class_, *key, *device, *numbers;
    TESS_TRY(pickle_pop(m, &id));
    TESS_TRY(pickle_objects_items(m, id, "a persistent id", 8, item, &n));
    TESS_TRY(item_of(m, what, item, n, 0, TEXT, &word));
    TESS_TRY(item_of(m, what, item, n, 1, GLOBAL, &class_));
    TESS_TRY(item_of(m, what, item, n, 2, TEXT, &key));
    TESS_TRY(item_of(m, what, item, n, 3, TEXT, &device));
    TESS_TRY(item_of(m, what, item, n, 4, INT, &numbers));
    int type = globals[class_->which].type;
    if (!is_text((const char *)m->bytes + word->number, word->length, "storage") || type < 0 || n != 5)
        return pickle_refuse(m, "is no persistent id of a storage");
    if (numbers->number < 0 || !number_name_fits((const char *)m->bytes + key->number, key->length))
        return pickle_refuse(m, "a storage of %lld numbers, or without a key", (long long)numbers->number);
    uint32_t text = item[2];
    TESS_TRY(pickle_push_new(m, STORAGE, type, numbers->number, 0));
    m->value[m->stack[m->depth - 1]].first = text;
    return TESS_OK;
}

/* Reads sizes or strides from a tuple into `out`. */
static int pickle_objects_numbers_of(const struct machine *m, uint32_t tuple, const char *what, int64_t *out, uint32_t *count)
{
    uint32_t item[TESS_ENTRY_RANK];
    TESS_TRY(pickle_objects_items(m, tuple, what, TESS_ENTRY_RANK, item, count));
    for (uint32_t i = 0; i < *count; i++) {
        const struct value *v = &m->value[item[i]];
        if (v->kind != INT || v->number < 0)
            return pickle_refuse(m, "%s has %s, an integer from 0 was wanted", what,
                                 v->kind == INT ? "one below 0" : pickle_kind_name[v->kind]);
        out[i] = v->number;
    }
    return TESS_OK;
}

/* Checks a view: it must lie in its storage, and have no more elements than that: weights are not made of repetitions, and a size must cost
 * bytes. */
static int check_view(const struct machine *m, const struct pickle_tensor *t)
{
    int64_t bytes, last = t->offset, step;
    if (t->offset < 0 || !number_capacity(t->type, t->rank, t->dim, &bytes))
        return pickle_refuse(m, "a tensor of an impossible size or place");
    if (bytes == 0)
        return TESS_OK;
    for (int32_t i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(t->dim[i] - 1, t->stride[i], &step) || __builtin_add_overflow(last, step, &last))
            return pickle_refuse(m, "a tensor of an impossible place");
    if (last >= t->numbers || bytes / number_bytes(t->type) > t->numbers)
        return pickle_refuse(m, "a tensor of %lld numbers, up to number %lld of its storage, which has %lld",
                      (long long)(bytes / number_bytes(t->type)), (long long)last, (long long)t->numbers);
    return TESS_OK;
}

/* Makes a tensor of (storage, offset, sizes, strides, requires_grad, hooks[, metadata]). */
static int rebuild_tensor(struct machine *m, uint32_t arguments)
{
    static const char what[] = "_rebuild_tensor_v2";
    uint32_t item[8], n, sizes, strides;
    const struct value *from, *offset, *v;
    struct pickle_tensor t = {.name = NULL};
    TESS_TRY(pickle_objects_items(m, arguments, what, 7, item, &n));
    TESS_TRY(item_of(m, what, item, n, 0, STORAGE, &from));
    TESS_TRY(item_of(m, what, item, n, 1, INT, &offset));
    TESS_TRY(item_of(m, what, item, n, 2, TUPLE, &v));
    TESS_TRY(item_of(m, what, item, n, 3, TUPLE, &v));
    TESS_TRY(item_of(m, what, item, n, 4, BOOL, &v));
    TESS_TRY(item_of(m, what, item, n, 5, DICT, &v));
    TESS_TRY(pickle_objects_numbers_of(m, item[2], "a size", t.dim, &sizes));
    TESS_TRY(pickle_objects_numbers_of(m, item[3], "a stride", t.stride, &strides));
    if (sizes != strides)
        return pickle_refuse(m, "a tensor of %u sizes and %u strides", sizes, strides);
    t.type = from->which;
    t.rank = (int32_t)sizes;
    t.offset = offset->number;
    t.numbers = from->number;
    TESS_TRY(check_view(m, &t));
    if (m->tensors == PICKLE_TENSORS)
        return pickle_refuse(m, "more than %d tensors", PICKLE_TENSORS);
    uint32_t key = from->first;
    TESS_TRY(tess_reserve(m->ctx, &m->tensor, &m->tensor_capacity, m->tensors + 1, sizeof *m->tensor, "a pickle's values"));
    TESS_TRY(tess_reserve(m->ctx, &m->key, &m->key_capacity, m->tensors + 1, sizeof *m->key, "a pickle's values"));
    m->tensor[m->tensors] = t;
    m->key[m->tensors] = key;
    return pickle_push_new(m, TENSOR, (int32_t)m->tensors++, 0, 0);
}

/* Makes a parameter of (tensor, requires_grad, hooks): its tensor. */
static int rebuild_parameter(struct machine *m, uint32_t arguments)
{
    static const char what[] = "_rebuild_parameter";
    uint32_t item[8], n;
    const struct value *v;
    TESS_TRY(pickle_objects_items(m, arguments, what, 3, item, &n));
    TESS_TRY(item_of(m, what, item, n, 0, TENSOR, &v));
    TESS_TRY(item_of(m, what, item, n, 1, BOOL, &v));
    TESS_TRY(item_of(m, what, item, n, 2, DICT, &v));
    return pickle_push(m, item[0]);
}

int pickle_reduce(struct machine *m)
{
    uint32_t arguments, function;
    TESS_TRY(pickle_pop(m, &arguments));
    TESS_TRY(pickle_pop(m, &function));
    const struct value *f = &m->value[function];
    if (f->kind != GLOBAL || m->value[arguments].kind != TUPLE)
        return pickle_refuse(m, "a call of %s with %s; nothing of it was run", pickle_kind_name[f->kind],
                             pickle_kind_name[m->value[arguments].kind]);
    switch (globals[f->which].type) {
    case CALL_TENSOR:
        return rebuild_tensor(m, arguments);
    case CALL_PARAMETER:
        return rebuild_parameter(m, arguments);
    case CALL_ORDERED:
        if (m->value[arguments].length)
            break;
        return pickle_push_new(m, DICT, 1, 0, 0);
    default:
        break;
    }
    return pickle_refuse(m, "a call of `%s.%s` that no dictionary of weights needs; nothing of it was run", globals[f->which].module,
                  globals[f->which].name);
}

/* The state an ordered dictionary carries beside its items is its `_metadata`, versions of modules: dropped. */
int pickle_build(struct machine *m)
{
    uint32_t state, object;
    TESS_TRY(pickle_pop(m, &state));
    TESS_TRY(pickle_top(m, &object));
    if (m->value[object].kind != DICT || !m->value[object].which || m->value[state].kind != DICT)
        return pickle_refuse(m, "sets the state of %s from %s, which no dictionary of weights needs",
                             pickle_kind_name[m->value[object].kind],
                      pickle_kind_name[m->value[state].kind]);
    return TESS_OK;
}

/* ---- the dictionary ------------------------------------------------------------------------------------------------ */

static int check_item(const struct machine *m, const struct value *key, const struct value *value)
{
    char name[SHOWN];
    if (key->kind != TEXT || !number_name_fits((const char *)m->bytes + key->number, key->length))
        return pickle_refuse(m, "a name that is %s, empty, over %d bytes or of control characters", pickle_kind_name[key->kind],
                             TESS_ENTRY_NAME - 1);
    if (value->kind != TENSOR)
        return pickle_refuse(m, "`%s` is %s; a dictionary of weights holds tensors by name. Save model.state_dict() alone",
                      pickle_objects_shown((const char *)m->bytes + key->number, key->length, name), pickle_kind_name[value->kind]);
    return TESS_OK;
}

static char *pickle_objects_copy_text(const struct machine *m, const struct value *v, char *to)
{
    memcpy(to, m->bytes + v->number, v->length);
    to[v->length] = '\0';
    return to + v->length + 1;
}

/* A trainer saves a dictionary of many things, of which `state_dict` is the weights; the others were read as what they are, and are
 * left. */
static int find_weights(const struct machine *m, uint32_t root, const struct value **out)
{
    const struct value *whole = &m->value[root];
    *out = whole;
    if (whole->kind != DICT)
        return pickle_refuse(m, "holds %s, a dictionary of weights was wanted: torch.save(model.state_dict(), ...)",
                             pickle_kind_name[whole->kind]);
    for (uint32_t i = 0, at = whole->first; i < whole->length / 2; i++, at = m->cell[m->cell[at].next].next) {
        const struct value *key = &m->value[m->cell[at].value], *value = &m->value[m->cell[m->cell[at].next].value];
        if (key->kind != TEXT || value->kind != DICT || !is_text((const char *)m->bytes + key->number, key->length, "state_dict"))
            continue;
        if (*out != whole)
            return pickle_refuse(m, "`state_dict` is there twice");
        *out = value;
    }
    return TESS_OK;
}

int pickle_collect(const struct machine *m, uint32_t root, struct pickle *out)
{
    const struct value *dict;
    void *memory;
    size_t capacity = 1;
    TESS_TRY(find_weights(m, root, &dict));
    if (dict->length / 2 > PICKLE_TENSORS)
        return pickle_refuse(m, "more than %d tensors", PICKLE_TENSORS);
    for (uint32_t i = 0, at = dict->first; i < dict->length / 2; i++, at = m->cell[m->cell[at].next].next) {
        const struct value *key = &m->value[m->cell[at].value], *value = &m->value[m->cell[m->cell[at].next].value];
        TESS_TRY(check_item(m, key, value));
        capacity += key->length + m->value[m->key[value->which]].length + 2;
    }
    TESS_TRY(tess_alloc(m->ctx, (dict->length / 2 + 1) * sizeof *out->tensor, "tensors", &memory));
    out->tensor = memory;
    TESS_TRY(tess_alloc(m->ctx, capacity, "names", &memory));
    char *to = out->text = memory;
    for (uint32_t i = 0, at = dict->first; i < dict->length / 2; i++, at = m->cell[m->cell[at].next].next) {
        int32_t which = m->value[m->cell[m->cell[at].next].value].which;
        struct pickle_tensor *t = &out->tensor[out->count++];
        *t = m->tensor[which];
        t->name = to;
        to = pickle_objects_copy_text(m, &m->value[m->cell[at].value], to);
        t->storage = to;
        to = pickle_objects_copy_text(m, &m->value[m->key[which]], to);
    }
    return TESS_OK;
}
