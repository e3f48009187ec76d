/* A component in the place of another: what a change of `use` leaves as it was, and what a bare name takes with it.
 *
 * `noise.use=uniform` keeps the values that were written for the noise before, `noise=uniform` takes the new one's own; neither is wrong,
 * and which it was is to be seen. A value that stays where nothing takes it is told with the way to be rid of it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/log.h"
#include "core/plug/plug_private.h"
#include "core/base/host.h"
#include "core/base/log.h"

#include <stdio.h>
#include <string.h>

static const struct tessi_spec *child(const struct tessi_spec *map, const char *key)
{
    const struct tessi_spec *at = map->kind == TESSI_MAP ? map->child : NULL;
    while (at && strcmp(at->key, key) != 0)
        at = at->next;
    return at;
}

static const char *name_of(const struct tessi_spec *component)
{
    const struct tessi_spec *use = component->kind == TESSI_SCALAR ? component : child(component, "use");
    return use && use->kind == TESSI_SCALAR && use->text ? use->text : "another";
}

void tessi_append_stays(struct tess_call *c, const struct tessi_spec *component, const char *in, const struct tessi_spec *key)
{
    const struct tessi_spec *use = child(component, "use");
    const char *dot = *in ? "." : "";
    if (!use)
        return;
    tess_append_message(c,
                        "; it stays from `%.64s`, whose place `%.64s` took at %s:%d:%d: take it away as well, `%s%s%s.%s=null`, or in a "
                        "file `%s: null` there",
                        name_of(component->former), use->text, use->file, use->line, use->column, component->path, dot, in, key->key,
                        key->key);
}

/* A number, a word or a list of some, as text; "" for what is not compared: components, and paths, which are written in many ways. */
static const char *short_text(const struct tess_param *p, const struct tessi_spec *s, char *text, size_t room)
{
    int list = s && s->kind == TESSI_SEQUENCE;
    double number;
    snprintf(text, room, "%s", list ? "[" : s && s->kind == TESSI_SCALAR && p->type != TESS_COMPONENT ? s->text : "");
    for (const struct tessi_spec *item = list ? s->child : NULL; item; item = item->next)
        tessi_add(text, room, "%s%s", item->text ? item->text : "...", item->next ? ", " : "");
    if (list)
        tessi_add(text, room, "]");
    if ((p->type == TESS_I64 || p->type == TESS_F64) && s && tessi_read_f64(s, &number))
        tessi_real_text(number, text, room);
    if (p->flags & TESS_PATH)
        *text = '\0';
    return text;
}

/* What differs for one parameter: "steps: 49 (its own: 1000)" of a value that stays, "steps: 1000, not 49" of one that went. */
static int add_difference(const struct tess_param *p, const struct tess_instance *i, const struct tessi_spec *spec, int first, char *text,
                          size_t room)
{
    const struct tessi_spec *written = child(spec, p->name);
    char own[256], now[256], old[256];
    tessi_param_default(p, own, sizeof own); /* numbers are written alike everywhere: 1e3 is 1000 */
    short_text(p, child(i->values, p->name), now, sizeof now);
    short_text(p, child(spec->former, p->name), old, sizeof old);
    if (!*now || !*old)
        return 0;
    if (!spec->afresh && written && tessi_spec_stays(spec->former, written) && strcmp(now, own) != 0)
        tessi_add(text, room, *own ? "%s%s: %s (its own: %s)" : "%s%s: %s", first ? "" : ", ", p->name, now, own);
    else if (spec->afresh && !written && strcmp(now, old) != 0)
        tessi_add(text, room, "%s%s: %s, not %s", first ? "" : "; ", p->name, now, old);
    else
        return 0;
    return 1;
}

void tessi_note_former(struct tess_call *c, const struct tess_instance *i, const struct tessi_spec *spec)
{
    const struct tessi_runtime *r = tessi_runtime_of(c);
    const struct tess_param *p;
    char text[900] = "";
    int n = 0;
    if (!r || !spec->former)
        return;
    for (int64_t row = 0; (p = tessi_param_at(i->component, row)); row++)
        n += add_difference(p, i, spec, n == 0, text, sizeof text);
    const char *name = i->component->name, *former = name_of(spec->former);
    if (n && spec->afresh)
        tessi_log_note(r->log, "%s: `%s` takes its own %s as was written for `%s`; `%s.use=%s` would keep that", spec->path, name, text,
                       former, spec->path, name);
    else if (n && strchr(spec->path, '.'))
        tessi_log_note(r->log, "%s: `%s` keeps what was written for `%s`: %s; `%s=%s` would take its own", spec->path, name, former, text,
                       spec->path, name);
    else if (n)
        tessi_log_note(r->log, "%s: `%s` keeps what was written for `%s`: %s", spec->path, name, former, text);
}
