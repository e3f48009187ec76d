/* The dictionary of tensors in what a pickle left: the whole of it, or what programs keep under one of a few names beside other things.
 * SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/pickle_objects.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names under which programs save weights; averages come first, which are what they sample with. */
static const char *const known[] = {"params_ema",       "ema_state_dict", "model_ema", "ema",    "shadow", "ema_model", "state_dict",
                                    "model_state_dict", "model",          "module",    "params", "net",    "network",   "weights"};
enum { KNOWN = sizeof known / sizeof *known, DEPTH = 3 };

struct search {
    const struct machine *m;
    int64_t budget; /* items still to look at: a dictionary may hold itself, many times */
};

static uint32_t pickle_dictionary_key(const struct machine *m, uint32_t at)
{
    return m->cell[at].value;
}

static uint32_t pickle_dictionary_value(const struct machine *m, uint32_t at)
{
    return m->cell[m->cell[at].next].value;
}

static uint32_t pickle_dictionary_next(const struct machine *m, uint32_t at)
{
    return m->cell[m->cell[at].next].next;
}

/* Dictionary in `dict` under the text key[0 .. length), 0: none. *twice: how many there are. */
static uint32_t pickle_dictionary_under(struct search *s, uint32_t dict, const char *key, size_t length, int *count)
{
    const struct machine *m = s->m;
    const struct value *d = &m->value[dict];
    uint32_t found = 0;
    *count = 0;
    for (uint32_t i = 0, at = d->first; i < d->length / 2 && s->budget > 0; i++, at = pickle_dictionary_next(m, at), s->budget--) {
        const struct value *k = &m->value[pickle_dictionary_key(m, at)];
        if (k->kind != TEXT || k->length != length || memcmp(m->bytes + k->number, key, length) != 0)
            continue;
        found = pickle_dictionary_value(m, at);
        ++*count;
    }
    return found && m->value[found].kind == DICT ? found : 0;
}

static int pickle_dictionary_has_tensors(struct search *s, uint32_t dict)
{
    const struct machine *m = s->m;
    const struct value *d = &m->value[dict];
    for (uint32_t i = 0, at = d->first; i < d->length / 2 && s->budget > 0; i++, at = pickle_dictionary_next(m, at), s->budget--)
        if (m->value[pickle_dictionary_value(m, at)].kind == TENSOR)
            return 1;
    return 0;
}

/* Dictionary of tensors at the known name `k` of `dict`, or there at one of the known names, and so on; 0: none. */
static uint32_t pickle_dictionary_known(struct search *s, uint32_t dict, int k, int depth, int *twice)
{
    int count;
    uint32_t below = pickle_dictionary_under(s, dict, known[k], strlen(known[k]), &count);
    *twice |= count > 1;
    if (!below)
        return 0;
    for (int i = 0; i < KNOWN && depth < DEPTH; i++) {
        uint32_t deeper = pickle_dictionary_known(s, below, i, depth + 1, twice);
        if (deeper)
            return deeper;
    }
    return pickle_dictionary_has_tensors(s, below) ? below : 0;
}

/* The only dictionary of tensors in `root`, whatever its name; 0: there is none, or there are several. */
static uint32_t pickle_dictionary_only(struct search *s, uint32_t root)
{
    const struct machine *m = s->m;
    const struct value *d = &m->value[root];
    uint32_t found = 0;
    int n = 0;
    for (uint32_t i = 0, at = d->first; i < d->length / 2; i++, at = pickle_dictionary_next(m, at)) {
        uint32_t value = pickle_dictionary_value(m, at);
        if (m->value[value].kind == DICT && value != root && pickle_dictionary_has_tensors(s, value)) {
            found = value;
            n++;
        }
    }
    return n == 1 ? found : 0;
}

static int pickle_dictionary_guess(struct search *s, uint32_t root, uint32_t *out, struct pickle *to)
{
    int twice = 0, taken = -1, others = 0;
    for (int k = 0; k < KNOWN; k++) {
        uint32_t found = pickle_dictionary_known(s, root, k, 0, &twice);
        if (found && taken < 0) {
            taken = k;
            *out = found;
        } else if (found && found != *out) {
            size_t n = strlen(to->note);
            (void)snprintf(to->note + n, sizeof to->note - n, "%s`%s`", others++ ? ", " : "", known[k]);
        }
        if (twice)
            return pickle_refuse(s->m, "`%s` is there twice", known[k]);
    }
    if (others) {
        char list[PICKLE_NOTE];
        (void)snprintf(list, sizeof list, "%s", to->note);
        (void)snprintf(to->note, sizeof to->note, "weights under `%s` of the file, not under %.200s: set --key", known[taken], list);
    }
    if (taken < 0)
        *out = pickle_dictionary_has_tensors(s, root) ? root : pickle_dictionary_only(s, root);
    if (!*out) /* then it is told what is wrong with what should be the weights */
        *out = pickle_dictionary_under(s, root, "state_dict", strlen("state_dict"), &twice);
    if (s->budget <= 0)
        return pickle_refuse(s->m, "dictionaries that hold one another without end");
    return TESS_OK;
}

/* Follows "a.b": a name may have dots itself. */
static int pickle_dictionary_follow(struct search *s, uint32_t root, const char *key, uint32_t *out)
{
    char shown[PICKLE_SHOWN];
    int count;
    *out = root;
    for (const char *rest = key; *rest;) {
        size_t length = strlen(rest);
        uint32_t below = pickle_dictionary_under(s, *out, rest, length, &count);
        while (!below && length > 0) {
            while (length > 0 && rest[--length] != '.')
                ;
            below = length ? pickle_dictionary_under(s, *out, rest, length, &count) : 0;
        }
        if (!below) {
            (void)tess_shown_text(key, shown, sizeof shown);
            return pickle_refuse(s->m, "has no dictionary under the key `%s`", shown);
        }
        *out = below;
        rest += length + (rest[length] == '.');
    }
    return TESS_OK;
}

static int find_weights(struct machine *m, uint32_t root, const char *key, uint32_t *out, struct pickle *to)
{
    struct search s = {.m = m, .budget = 64 * (m->cells + 1000)};
    *out = 0;
    if (m->value[root].kind != DICT)
        return pickle_refuse(m, "holds %s, a dictionary of weights was wanted: torch.save(model.state_dict(), ...)",
                             pickle_kind_name[m->value[root].kind]);
    TESS_TRY(*key ? pickle_dictionary_follow(&s, root, key, out) : pickle_dictionary_guess(&s, root, out, to));
    if (!*out) /* or with the whole */
        *out = root;
    return TESS_OK;
}

static int check_item(const struct machine *m, const struct value *key, const struct value *value)
{
    char name[PICKLE_SHOWN];
    const struct pickle_tensor *t = value->kind == TENSOR ? &m->tensor[value->which] : NULL;
    if (key->kind != TEXT || !number_name_fits((const char *)m->bytes + key->number, key->length))
        return pickle_refuse(m, "a name that is %s, empty, over %d bytes or of control characters", pickle_kind_name[key->kind],
                             TESS_ENTRY_NAME - 1);
    if (value->kind != TENSOR)
        return pickle_refuse(m,
                             "`%s` is %s; a dictionary of weights holds tensors by name. Save model.state_dict() alone, or name the "
                             "dictionary with --key",
                             pickle_shown(m, key->number, key->length, name), pickle_kind_name[value->kind]);
    if (t->repeats)
        return pickle_refuse(m, "`%s` is a tensor of more numbers than its storage, which has %lld",
                             pickle_shown(m, key->number, key->length, name), (long long)t->numbers);
    return TESS_OK;
}

static char *pickle_dictionary_copy(const struct machine *m, uint32_t text, char *to)
{
    const struct value *v = &m->value[text];
    memcpy(to, m->bytes + v->number, v->length);
    to[v->length] = '\0';
    return to + v->length + 1;
}

static int pickle_dictionary_by_key(const void *a, const void *b)
{
    return strcmp(((const struct pickle_storage *)a)->key, ((const struct pickle_storage *)b)->key);
}

/* Every storage once, by key. Tensors of several types may share one, whose bytes are then the same. */
static int pickle_dictionary_storages(struct machine *m, char **to, struct pickle *out)
{
    void *memory;
    TESS_TRY(tess_alloc(m->ctx, ((size_t)m->storages + 1) * sizeof *out->storage, "storages", &memory));
    out->storage = memory;
    for (int64_t i = 0; i < m->storages; i++) {
        const struct storage *s = &m->storage[i];
        out->storage[i] = (struct pickle_storage){.key = *to, .numbers = s->numbers, .width = number_bytes(s->type)};
        *to = pickle_dictionary_copy(m, s->key, *to);
    }
    qsort(out->storage, (size_t)m->storages, sizeof *out->storage, pickle_dictionary_by_key);
    for (int64_t i = 0; i < m->storages; i++) {
        const struct pickle_storage *s = &out->storage[i], *before = out->storages ? &out->storage[out->storages - 1] : NULL;
        if (!before || strcmp(before->key, s->key) != 0)
            out->storage[out->storages++] = *s;
        else if (before->numbers != s->numbers || before->width != s->width)
            return pickle_refuse(m, "storage %s is of %lld numbers and of %lld", s->key, (long long)before->numbers, (long long)s->numbers);
    }
    return TESS_OK;
}

static const char *pickle_dictionary_shared_key(const struct pickle *p, const struct machine *m, uint32_t key)
{
    char text[TESS_ENTRY_NAME];
    struct pickle_storage wanted = {.key = text};
    (void)pickle_dictionary_copy(m, key, text);
    const struct pickle_storage *s = bsearch(&wanted, p->storage, (size_t)p->storages, sizeof *p->storage, pickle_dictionary_by_key);
    return s ? s->key : "";
}

/* A file that is one tensor by itself, under the name "tensor". */
static int pickle_collect_one(struct machine *m, uint32_t root, struct pickle *out)
{
    static const char name[] = "tensor";
    int32_t which = m->value[root].which;
    size_t capacity = sizeof name;
    void *memory;
    if (m->tensor[which].repeats)
        return pickle_refuse(m, "a tensor of more numbers than its storage, which has %lld", (long long)m->tensor[which].numbers);
    for (int64_t i = 0; i < m->storages; i++)
        capacity += m->value[m->storage[i].key].length + 1;
    TESS_TRY(tess_alloc(m->ctx, sizeof *out->tensor, "tensors", &memory));
    out->tensor = memory;
    TESS_TRY(tess_alloc(m->ctx, capacity, "names", &memory));
    char *to = out->text = memory;
    memcpy(to, name, sizeof name);
    to += sizeof name;
    TESS_TRY(pickle_dictionary_storages(m, &to, out));
    out->tensor[0] = m->tensor[which];
    out->tensor[0].name = out->text;
    out->tensor[0].storage = pickle_dictionary_shared_key(out, m, m->storage[m->in[which]].key);
    out->count = 1;
    return TESS_OK;
}

int pickle_collect(struct machine *m, uint32_t root, const char *key, struct pickle *out)
{
    if (strcmp(key, ".") == 0 && m->value[root].kind == TENSOR)
        return pickle_collect_one(m, root, out);
    if (strcmp(key, ".") == 0)
        key = "";
    uint32_t dict;
    void *memory;
    size_t capacity = 1;
    TESS_TRY(find_weights(m, root, key, &dict, out));
    const struct value *d = &m->value[dict];
    if (d->length / 2 > PICKLE_TENSORS)
        return pickle_refuse(m, "more than %d tensors", PICKLE_TENSORS);
    for (uint32_t i = 0, at = d->first; i < d->length / 2; i++, at = pickle_dictionary_next(m, at)) {
        const struct value *k = &m->value[pickle_dictionary_key(m, at)];
        TESS_TRY(check_item(m, k, &m->value[pickle_dictionary_value(m, at)]));
        capacity += k->length + 1;
    }
    for (int64_t i = 0; i < m->storages; i++)
        capacity += m->value[m->storage[i].key].length + 1;
    TESS_TRY(tess_alloc(m->ctx, (d->length / 2 + 1) * sizeof *out->tensor, "tensors", &memory));
    out->tensor = memory;
    TESS_TRY(tess_alloc(m->ctx, capacity, "names", &memory));
    char *to = out->text = memory;
    TESS_TRY(pickle_dictionary_storages(m, &to, out));
    for (uint32_t i = 0, at = d->first; i < d->length / 2; i++, at = pickle_dictionary_next(m, at)) {
        int32_t which = m->value[pickle_dictionary_value(m, at)].which;
        struct pickle_tensor *t = &out->tensor[out->count++];
        *t = m->tensor[which];
        t->name = to;
        to = pickle_dictionary_copy(m, pickle_dictionary_key(m, at), to);
        t->storage = pickle_dictionary_shared_key(out, m, m->storage[m->in[which]].key);
    }
    return TESS_OK;
}
