/* Replacement of a component by another: the values that stay when only `use` changes, and those that go when a bare name replaces the
 * component.
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

static const struct tessi_config *former_child(const struct tessi_config *map, const char *key)
{
    const struct tessi_config *at = map->kind == TESSI_MAP ? map->child : NULL;
    while (at && strcmp(at->key, key) != 0)
        at = at->next;
    return at;
}

static const char *former_name_of(const struct tessi_config *component)
{
    const struct tessi_config *use = component->kind == TESSI_SCALAR ? component : former_child(component, "use");
    return use && use->kind == TESSI_SCALAR && use->text ? use->text : "another";
}

void tessi_plug_append_stays(struct tess_context *ctx, const struct tessi_config *component, const char *in, const struct tessi_config *key)
{
    const struct tessi_config *use = former_child(component, "use");
    const char *dot = *in ? "." : "";
    if (!use)
        return;
    tess_append_message(ctx,
                        "; it stays from `%.64s`, whose place `%.64s` took at %s:%d:%d: take it away as well, `%s%s%s.%s=null`, or in a "
                        "file `%s: null` there",
                        former_name_of(component->former), use->text, use->file, use->line, use->column, component->path, dot, in, key->key,
                        key->key);
}

/* Text of a number, a word or a list of them; "" for values that are not compared: components, and paths, which are written in many ways.
 * */
static const char *short_text(const struct tess_param *p, const struct tessi_config *s, char *text, size_t capacity)
{
    int list = s && s->kind == TESSI_SEQUENCE && p->type != TESS_LIST_COMPONENT;
    double number;
    snprintf(text, capacity, "%s", list ? "[" : s && s->kind == TESSI_SCALAR && p->type != TESS_COMPONENT ? s->text : "");
    for (const struct tessi_config *item = list ? s->child : NULL; item; item = item->next)
        tessi_base_add(text, capacity, "%s%s", item->text ? item->text : "...", item->next ? ", " : "");
    if (list)
        tessi_base_add(text, capacity, "]");
    if ((p->type == TESS_I64 || p->type == TESS_F64) && s && tessi_config_read_f64(s, &number))
        tessi_config_real_text(number, text, capacity);
    if (p->flags & TESS_PATH)
        *text = '\0';
    return text;
}

/* Adds the difference in one parameter as text: "steps: 49 (its own: 1000)" for a value that stays, "steps: 1000, not 49" for one that
 * went. Returns 1 where there is a difference. */
static int add_difference(const struct tess_param *p, const struct tess_instance *i, const struct tessi_config *config, int first,
                          char *text, size_t capacity)
{
    const struct tessi_config *written = former_child(config, p->name);
    char own[256], now[256], old[256];
    tessi_plug_param_default(p, own, sizeof own); /* numbers are written alike everywhere: 1e3 is 1000 */
    short_text(p, former_child(i->values, p->name), now, sizeof now);
    short_text(p, former_child(config->former, p->name), old, sizeof old);
    if (!*now || !*old)
        return 0;
    if (!config->afresh && written && tessi_config_stays(config->former, written) && strcmp(now, own) != 0)
        tessi_base_add(text, capacity, *own ? "%s%s: %s (its own: %s)" : "%s%s: %s", first ? "" : ", ", p->name, now, own);
    else if (config->afresh && !written && strcmp(now, old) != 0)
        tessi_base_add(text, capacity, "%s%s: %s, not %s", first ? "" : "; ", p->name, now, old);
    else
        return 0;
    return 1;
}

void tessi_plug_note_former(struct tess_context *ctx, const struct tess_instance *i, const struct tessi_config *config)
{
    const struct tessi_runtime *r = tessi_base_runtime_of(ctx);
    const struct tess_param *p;
    char text[900] = "";
    int n = 0;
    if (!r || !config->former)
        return;
    for (int64_t row = 0; (p = tessi_plug_param_at(i->component, row)); row++)
        n += add_difference(p, i, config, n == 0, text, sizeof text);
    const char *name = i->component->name, *former = former_name_of(config->former);
    if (n && config->afresh)
        tessi_base_log_note(r->log, "%s: `%s` takes its own %s as was written for `%s`; `%s.use=%s` would keep that", config->path, name,
                            text, former, config->path, name);
    else if (n && strchr(config->path, '.'))
        tessi_base_log_note(r->log, "%s: `%s` keeps what was written for `%s`: %s; `%s=%s` would take its own", config->path, name, former,
                            text, config->path, name);
    else if (n)
        tessi_base_log_note(r->log, "%s: `%s` keeps what was written for `%s`: %s", config->path, name, former, text);
}
