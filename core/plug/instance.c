/* Opened components. Finding by name, filling, opening, closing.
 *
 * Parts are opened before the whole and closed after it. A component's strings live in its canonical values, so they last as
 * long as the instance.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/lookalike.h"
#include "core/config/yaml.h"
#include "core/plug/plug_private.h"
#include "core/base/call.h"
#include "core/base/host.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MAX_NAMES 256

/* Names of a kind, for errors. */
static int64_t names_of(const struct tessi_registry *r, const char *kind, const char **names)
{
    const struct tess_component *k;
    int64_t n = 0;
    for (int64_t i = 0; n < MAX_NAMES && (k = tessi_registry_component(r, i, NULL)); i++)
        if (strcmp(k->kind, kind) == 0)
            names[n++] = k->name;
    return n;
}

static int missing(struct tess_call *c, const struct tessi_registry *r, const char *kind, const struct tessi_spec *place, const char *name)
{
    char text[1200], words[100];
    const char *names[MAX_NAMES];
    int64_t n = names_of(r, kind, names);
    const char *nearest = tessi_nearest_name(name, names, n);
    snprintf(text, sizeof text, "no %.*s is called `%.64s`%s", tessi_kind_length(kind), kind, name,
             tessi_lookalike_words(name, words, sizeof words));
    if (nearest)
        tessi_add(text, sizeof text, "; did you mean `%s`?", nearest);
    else if (n == 0)
        tessi_add(text, sizeof text, "; none of kind %s was found at all", kind);
    else
        for (int64_t i = 0; i < n; i++)
            tessi_add(text, sizeof text, "%s%s", i ? ", " : "; there are ", names[i]);
    tessi_add_refused(r, name, text, sizeof text);
    tessi_add(text, sizeof text, " (`tessera plugins --why` says where plugins were looked for)");
    return tessi_spec_fail(c, place, TESS_E_PLUGIN, "%s", text);
}

/* The node that names the component: the spec itself when it is a bare name, or its `use`. */
static int use_of(struct tess_call *c, const char *kind, struct tessi_spec *spec, struct tessi_spec **out)
{
    char found[80];
    int word = tessi_kind_length(kind);
    struct tessi_spec *use = spec->kind == TESSI_MAP ? tessi_spec_get(spec, "use") : spec;
    if (!use)
        return tessi_spec_fail(c, spec, TESS_E_USAGE, "wanted `use: NAME` to say which %.*s, found a map without it", word, kind);
    if (use->kind != TESSI_SCALAR || tessi_scalar_is(use->text ? use->text : "", use->quoted) != TESSI_IS_TEXT)
        return tessi_spec_fail(c, use, TESS_E_USAGE, "wanted the name of a component of kind %.*s%s, found %s", word, kind,
                               use == spec ? " or a map with `use`" : "", tessi_spec_found(use, found, sizeof found));
    *out = use;
    return TESS_OK;
}

/* {use: NAME}, to which the parameters are added. */
static int start_values(struct tess_call *c, const struct tessi_spec *spec, const struct tessi_spec *use, struct tessi_spec **out)
{
    struct tessi_spec *name = NULL;
    TESS_TRY(tessi_spec_new(c, TESSI_MAP, spec->file, spec->line, spec->column, out));
    TESS_TRY(tessi_spec_new(c, TESSI_SCALAR, use->file, use->line, use->column, &name));
    tessi_spec_append(*out, name);
    TESS_TRY(tessi_spec_set_key(c, name, "use"));
    return tessi_spec_set_text(c, name, use->text);
}

static void place_failure(struct tess_call *c, const struct tessi_spec *place, const struct tess_component *k)
{
    tess_prepend_message(c, "%s:%d:%d: %.*s/%s", place->file, place->line, place->column, tessi_kind_length(k->kind), k->kind, k->name);
}

static int open_self(struct tess_call *c, struct tess_instance *i, const struct tessi_spec *place)
{
    const struct tess_component *k = i->component;
    i->opened = 1;
    int status = k->open ? k->open(i->self, c) : TESS_OK;
    if (status == TESS_OK)
        return TESS_OK;
    status = status > 0 ? TESS_E_INTERNAL : status;
    c->fail(c, status, "it could not be opened and gave no reason");
    place_failure(c, place, k);
    return status;
}

int tessi_instance_new(struct tess_call *c, const struct tessi_registry *r, const char *kind, struct tessi_spec *spec,
                       const struct tess_instance *like, const char *const *skip, int open, struct tess_instance **out)
{
    struct tessi_spec *use = NULL;
    struct tess_instance *i = NULL;
    const struct tess_plugin *plugin = NULL;
    void *memory = NULL;
    int status;
    *out = NULL;
    TESS_TRY(use_of(c, kind, spec, &use));
    const struct tess_component *component = tessi_registry_find(r, kind, use->text, &plugin);
    if (!component)
        return missing(c, r, kind, use, use->text);
    if (open && (status = tessi_module_load(c, r, &plugin, &component)) != TESS_OK) {
        place_failure(c, spec, component);
        return status;
    }

    TESS_TRY(tess_alloc(c, sizeof *i, "a component", &memory));
    i = memory;
    i->component = component;
    i->plugin = plugin;
    while (tessi_param_at(component, i->parts))
        i->parts++;
    status = tess_alloc(c, component->self_size ? component->self_size : 1, component->name, &i->self);
    if (status == TESS_OK)
        status = tess_alloc(c, (size_t)(i->parts + 1) * sizeof *i->part, "sub-components", &memory);
    if (status != TESS_OK)
        goto done;
    i->part = memory;
    if ((status = start_values(c, spec, use, &i->values)) != TESS_OK || (status = start_values(c, spec, use, &i->identity)) != TESS_OK ||
        (status = tessi_params_fill(c, r, i, spec, like, skip, open)) != TESS_OK ||
        (status = tessi_spec_print(c, i->values, &i->resolved)) != TESS_OK ||
        (status = tessi_spec_print(c, i->identity, &i->spec)) != TESS_OK)
        goto done;
    if (open)
        tessi_note_former(c, i, spec);
    if (open)
        status = open_self(c, i, spec);
done:
    if (status != TESS_OK) {
        tess_instance_close(i);
        i = NULL;
    }
    *out = i;
    return status;
}

int tess_instance_open(struct tess_call *c, const char *kind, const char *spec, const char *where, struct tess_instance **out)
{
    struct tessi_spec *root = NULL;
    struct tessi_runtime *r;
    *out = NULL;
    TESS_TRY(tessi_runtime_need(c, &r));
    TESS_TRY(tessi_yaml_parse(c, spec, strlen(spec), where, &root));
    int status = tessi_instance_new(c, r->registry, kind, root, NULL, NULL, 1, out);
    tessi_spec_free(root);
    return status;
}

void tess_instance_close(struct tess_instance *i)
{
    if (!i)
        return;
    if (i->opened && i->component->close)
        i->component->close(i->self);
    for (int64_t row = i->part ? i->parts - 1 : -1; row >= 0; row--)
        tess_instance_close(i->part[row]);
    tessi_spec_free(i->values);
    tessi_spec_free(i->identity);
    tess_free(i->resolved);
    tess_free(i->spec);
    tess_free(i->part);
    tess_free(i->self);
    tess_free(i);
}

const void *tess_instance_ops(const struct tess_instance *i, const char *kind)
{
    return i && strcmp(i->component->kind, kind) == 0 ? i->component->ops : NULL;
}

void *tess_instance_self(const struct tess_instance *i)
{
    return i->self;
}

const char *tess_instance_name(const struct tess_instance *i)
{
    return i->component->name;
}

const char *tessi_component_made_by(const struct tess_plugin *plugin, const struct tess_component *k)
{
    return plugin->component_stride >= offsetof(struct tess_component, made_by) + sizeof k->made_by ? k->made_by : NULL;
}

int tess_instance_learns(struct tess_call *c, const struct tess_instance *i, const char *parameter, const char *port)
{
    const struct tess_component *k = i->component;
    const char *stage = tessi_component_made_by(i->plugin, k);
    if (!stage)
        return TESS_OK;
    c->fail(
        c, TESS_E_USAGE,
        "`%s: %s` learns nothing from its initial values: stage/%s makes it of a model that is trained; train another %.*s here, and run "
        "that stage on what comes of it",
        parameter, k->name, stage, tessi_kind_length(k->kind), k->kind);
    if (port)
        tess_append_message(c, ", or give a `%s` that has one", port);
    return TESS_E_USAGE;
}

const char *tess_instance_spec(const struct tess_instance *i)
{
    return i->spec;
}

const struct tess_component *tessi_instance_component(const struct tess_instance *i)
{
    return i->component;
}

const struct tess_plugin *tessi_instance_plugin(const struct tess_instance *i)
{
    return i->plugin;
}

const char *tessi_instance_resolved(const struct tess_instance *i)
{
    return i->resolved;
}
