/* Objects that the names of a pickle stand for: storages, tensors that are views of them, dictionaries, and values that are nothing else.
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/pickle_objects.h"

#include <string.h>

/* ---- arguments ----------------------------------------------------------------------------------------------------- */

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

/* ---- storages ------------------------------------------------------------------------------------------------------ */

/* A storage of old files may be a part of another: (key, first number, numbers) of it. */
static int pickle_objects_base(const struct machine *m, uint32_t view, int64_t numbers, int64_t *base)
{
    static const char what[] = "a view of a storage";
    uint32_t item[4], n;
    const struct value *key, *first, *count;
    if (m->value[view].kind == NONE)
        return TESS_OK;
    TESS_TRY(pickle_objects_items(m, view, what, 3, item, &n));
    TESS_TRY(item_of(m, what, item, n, 0, TEXT, &key));
    TESS_TRY(item_of(m, what, item, n, 1, INT, &first));
    TESS_TRY(item_of(m, what, item, n, 2, INT, &count));
    if (first->number < 0 || count->number < 0 || first->number > numbers || count->number > numbers - first->number)
        return pickle_refuse(m, "a part of a storage that is not inside it");
    *base = first->number;
    return TESS_OK;
}

/* Makes a storage of ("storage", class, key, device, numbers[, view]). */
int pickle_storage(struct machine *m)
{
    static const char what[] = "a storage";
    uint32_t id, item[8], n;
    int64_t base = 0;
    const struct value *word, *class_, *key, *device, *numbers;
    TESS_TRY(pickle_pop(m, &id));
    TESS_TRY(pickle_objects_items(m, id, "a persistent id", 8, item, &n));
    TESS_TRY(item_of(m, what, item, n, 0, TEXT, &word));
    TESS_TRY(item_of(m, what, item, n, 1, GLOBAL, &class_));
    TESS_TRY(item_of(m, what, item, n, 2, TEXT, &key));
    TESS_TRY(item_of(m, what, item, n, 3, TEXT, &device));
    TESS_TRY(item_of(m, what, item, n, 4, INT, &numbers));
    int type = pickle_storage_type(class_);
    if (!pickle_is_text(m, word, "storage") || type < 0 || n > 6)
        return pickle_refuse(m, "is no persistent id of a storage");
    if (numbers->number < 0 || !number_name_fits((const char *)m->bytes + key->number, key->length))
        return pickle_refuse(m, "a storage of %lld numbers, or without a key", (long long)numbers->number);
    int64_t count = numbers->number;
    if (n == 6)
        TESS_TRY(pickle_objects_base(m, item[5], count, &base));
    TESS_TRY(tess_reserve(m->ctx, &m->storage, &m->storage_capacity, m->storages + 1, sizeof *m->storage, "a pickle's values"));
    m->storage[m->storages] = (struct storage){.key = item[2], .type = type, .numbers = count, .base = base};
    TESS_TRY(pickle_push_new(m, STORAGE, type, count, 0));
    m->value[m->stack[m->depth - 1]].first = (uint32_t)m->storages++;
    return TESS_OK;
}

/* ---- tensors ------------------------------------------------------------------------------------------------------- */

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

/* Checks a view: it must lie in its storage. One of more elements than that is made of repetitions, which weights are not: a size must cost
 * bytes. */
static int check_view(const struct machine *m, struct pickle_tensor *t)
{
    int64_t bytes, last = t->offset, step;
    if (t->offset < 0 || !number_capacity(t->type, t->rank, t->dim, &bytes))
        return pickle_refuse(m, "a tensor of an impossible size or place");
    if (bytes == 0 || t->type == NUMBER_OTHER)
        return TESS_OK;
    for (int32_t i = 0; i < t->rank; i++)
        if (__builtin_mul_overflow(t->dim[i] - 1, t->stride[i], &step) || __builtin_add_overflow(last, step, &last))
            return pickle_refuse(m, "a tensor of an impossible place");
    t->repeats = bytes / number_bytes(t->type) > t->numbers;
    if (last >= t->numbers)
        return pickle_refuse(m, "a tensor of %lld numbers, up to number %lld of its storage, which has %lld",
                      (long long)(bytes / number_bytes(t->type)), (long long)last, (long long)t->numbers);
    return TESS_OK;
}

/* Bytes of the storage, and its numbers as the tensor counts them. */
static int pickle_objects_place(const struct machine *m, uint32_t from, int type, struct pickle_tensor *t)
{
    const struct storage *s = &m->storage[m->value[from].first];
    int64_t width = number_bytes(s->type);
    t->type = type;
    if (__builtin_mul_overflow(s->numbers, width, &t->storage_bytes))
        return pickle_refuse(m, "a storage of %lld numbers", (long long)s->numbers);
    t->numbers = t->storage_bytes / number_bytes(type);
    if (__builtin_add_overflow(t->offset, s->base, &t->offset))
        return pickle_refuse(m, "a tensor of an impossible place");
    return TESS_OK;
}

/* Makes a tensor of (storage, offset, sizes, strides[, requires_grad, hooks[, metadata]]); of version 3 the seventh is its dtype. */
static int rebuild_tensor(struct machine *m, uint32_t arguments, int has_dtype)
{
    static const char what[] = "_rebuild_tensor";
    uint32_t item[8], n, sizes, strides;
    const struct value *from, *offset, *v;
    struct pickle_tensor t = {.name = NULL};
    TESS_TRY(pickle_objects_items(m, arguments, what, 8, item, &n));
    TESS_TRY(item_of(m, what, item, n, 0, STORAGE, &from));
    TESS_TRY(item_of(m, what, item, n, 1, INT, &offset));
    TESS_TRY(item_of(m, what, item, n, 2, TUPLE, &v));
    TESS_TRY(item_of(m, what, item, n, 3, TUPLE, &v));
    int type = from->which;
    if (has_dtype) {
        TESS_TRY(item_of(m, what, item, n, 6, GLOBAL, &v));
        type = pickle_dtype(m, v);
        if (type < 0)
            return pickle_refuse(m, "a tensor whose dtype is none of torch");
    }
    TESS_TRY(pickle_objects_numbers_of(m, item[2], "a size", t.dim, &sizes));
    TESS_TRY(pickle_objects_numbers_of(m, item[3], "a stride", t.stride, &strides));
    if (sizes != strides)
        return pickle_refuse(m, "a tensor of %u sizes and %u strides", sizes, strides);
    t.rank = (int32_t)sizes;
    t.offset = offset->number;
    TESS_TRY(t.offset < 0 ? pickle_refuse(m, "a tensor of an impossible size or place") : TESS_OK);
    TESS_TRY(pickle_objects_place(m, item[0], type, &t));
    TESS_TRY(check_view(m, &t));
    if (m->tensors == PICKLE_TENSORS)
        return pickle_refuse(m, "more than %d tensors", PICKLE_TENSORS);
    TESS_TRY(tess_reserve(m->ctx, &m->tensor, &m->tensor_capacity, m->tensors + 1, sizeof *m->tensor, "a pickle's values"));
    TESS_TRY(tess_reserve(m->ctx, &m->in, &m->in_capacity, m->tensors + 1, sizeof *m->in, "a pickle's values"));
    m->tensor[m->tensors] = t;
    m->in[m->tensors] = m->value[item[0]].first;
    return pickle_push_new(m, TENSOR, (int32_t)m->tensors++, 0, 0);
}

/* Makes a parameter of (tensor, requires_grad, hooks[, state]): its tensor. A parameter of a tensor that is
 * kept as a value alone is such a value. */
static int rebuild_parameter(struct machine *m, uint32_t arguments)
{
    static const char what[] = "_rebuild_parameter";
    uint32_t item[8], n;
    const struct value *v;
    TESS_TRY(pickle_objects_items(m, arguments, what, 4, item, &n));
    if (n && m->value[item[0]].kind == OBJECT)
        return pickle_push(m, item[0]);
    TESS_TRY(item_of(m, what, item, n, 0, TENSOR, &v));
    TESS_TRY(item_of(m, what, item, n, 1, BOOL, &v));
    return pickle_push(m, item[0]);
}

/* Makes a tensor with attributes of (function, class, arguments, state): the tensor of the arguments. */
static int rebuild_subclass(struct machine *m, uint32_t arguments)
{
    static const char what[] = "_rebuild_from_type_v2";
    uint32_t item[8], n;
    const struct value *function, *v;
    TESS_TRY(pickle_objects_items(m, arguments, what, 4, item, &n));
    TESS_TRY(item_of(m, what, item, n, 0, GLOBAL, &function));
    TESS_TRY(item_of(m, what, item, n, 2, TUPLE, &v));
    switch (pickle_call_of(function)) {
    case CALL_TENSOR: return rebuild_tensor(m, item[2], 0);
    case CALL_TENSOR_V3: return rebuild_tensor(m, item[2], 1);
    case CALL_PARAMETER: return rebuild_parameter(m, item[2]);
    default: return pickle_push_new(m, OBJECT, 1, 0, 0);
    }
}

/* ---- dictionaries and values --------------------------------------------------------------------------------------- */

/* A dictionary of a list of pairs, as Python 2 wrote ordered ones. */
static int pickle_objects_pairs(struct machine *m, uint32_t list)
{
    TESS_TRY(pickle_push_new(m, DICT, 1, 0, 0));
    uint32_t made = m->stack[m->depth - 1];
    for (uint32_t i = 0, at = m->value[list].first; i < m->value[list].length; i++, at = m->cell[at].next) {
        const struct value *pair = &m->value[m->cell[at].value];
        if ((pair->kind != TUPLE && pair->kind != LIST) || pair->length != 2)
            return pickle_refuse(m, "a dictionary of a list that is not of pairs");
        uint32_t key = m->cell[pair->first].value, value = m->cell[m->cell[pair->first].next].value;
        TESS_TRY(pickle_append(m, made, key));
        TESS_TRY(pickle_append(m, made, value));
    }
    return TESS_OK;
}

/* OrderedDict(), OrderedDict([[key, value], ...]), defaultdict(class), Counter({...}) */
static int rebuild_dictionary(struct machine *m, uint32_t arguments)
{
    const struct value *v = &m->value[arguments];
    uint32_t first = v->length ? m->cell[v->first].value : 0;
    if (v->length == 1 && m->value[first].kind == LIST)
        return pickle_objects_pairs(m, first);
    if (v->length == 1 && m->value[first].kind == DICT)
        return pickle_push(m, first);
    return pickle_push_new(m, DICT, 1, 0, 0);
}

static int pickle_objects_call(struct machine *m, const struct value *function, uint32_t arguments)
{
    char shown[2 * PICKLE_SHOWN];
    switch (pickle_call_of(function)) {
    case CALL_TENSOR: return rebuild_tensor(m, arguments, 0);
    case CALL_TENSOR_V3: return rebuild_tensor(m, arguments, 1);
    case CALL_PARAMETER: return rebuild_parameter(m, arguments);
    case CALL_SUBCLASS: return rebuild_subclass(m, arguments);
    case CALL_DICT: return rebuild_dictionary(m, arguments);
    case CALL_VALUE: return pickle_push_new(m, OBJECT, 1, 0, 0);
    default: break;
    }
    return pickle_refuse(m, "a call of `%s` that no dictionary of weights needs; nothing of it was run. Save model.state_dict() alone",
                         pickle_global_shown(m, function, shown));
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
    return pickle_objects_call(m, f, arguments);
}

/* Makes an object of a class and its arguments, which takes no call: a dictionary, or a value of which nothing is kept. */
int pickle_new_object(struct machine *m, int tuples)
{
    uint32_t arguments, class_;
    for (int i = 0; i < tuples; i++)
        TESS_TRY(pickle_pop(m, &arguments));
    TESS_TRY(pickle_pop(m, &class_));
    if (m->value[class_].kind != GLOBAL)
        return pickle_refuse(m, "an object of the class %s; nothing of it was run", pickle_kind_name[m->value[class_].kind]);
    int is_dict = pickle_call_of(&m->value[class_]) == CALL_DICT;
    return pickle_push_new(m, is_dict ? DICT : OBJECT, 1, 0, 0);
}

/* The state of an object is dropped, and so is what a dictionary carries beside its items: `_metadata`, versions of modules. */
int pickle_build(struct machine *m)
{
    uint32_t state, object;
    TESS_TRY(pickle_pop(m, &state));
    TESS_TRY(pickle_top(m, &object));
    const struct value *o = &m->value[object];
    if ((o->kind != DICT && o->kind != OBJECT) || !o->which)
        return pickle_refuse(m, "sets the state of %s from %s, which no dictionary of weights needs", pickle_kind_name[o->kind],
                             pickle_kind_name[m->value[state].kind]);
    return TESS_OK;
}
