/* `tessera plugins --json`. SPDX-License-Identifier: MIT */
#include "cli/plugins.h"
#include "core/base/json.h"
#include "core/plug/plug_private.h"

#include <tessera/kind/stage.h>

#include <stdio.h>
#include <string.h>

static void plugins_json_pair(const char *name, const char *value, const char *after)
{
    tessi_base_json_text(stdout, name);
    putchar(':');
    tessi_base_json_text(stdout, value);
    fputs(after, stdout);
}

static void json_number(const char *name, double value)
{
    tessi_base_json_text(stdout, name);
    putchar(':');
    tessi_base_json_f64(stdout, value);
    putchar(',');
}

/* Prints the default of a parameter that is a list of texts, as a JSON list. */
static void json_texts(const struct tess_param *p)
{
    char item[256];
    putchar('[');
    for (int64_t i = 0; tessi_plug_list_item(p, i, item, sizeof item); i++) {
        fputs(i ? "," : "", stdout);
        tessi_base_json_text(stdout, item);
    }
    putchar(']');
}

static void json_param(const struct tess_component *k, const struct tess_param *p)
{
    char text[512];
    putchar('{');
    plugins_json_pair("name", p->name, ",");
    plugins_json_pair("type", tessi_plug_param_type(p), ",");
    if (p->type == TESS_I64 || p->type == TESS_F64 || p->type == TESS_LIST || p->type == TESS_LIST_F64) {
        json_number("lo", p->lo);
        json_number("hi", p->hi);
    } else {
        plugins_json_pair("range", tessi_plug_param_limits(p, text, sizeof text), ",");
    }
    if (p->flags & TESS_REQUIRED || p->type == TESS_COMPONENT || (p->type == TESS_STR && !p->text))
        plugins_json_pair("default", NULL, ",");
    else if (p->type == TESS_STR || p->type == TESS_ENUM)
        plugins_json_pair("default", tessi_plug_param_default(p, text, sizeof text), ",");
    else if (p->type == TESS_LIST_STR) {
        fputs("\"default\":", stdout);
        json_texts(p);
        putchar(',');
    } else /* a number, a truth value or a list of integers reads the same in JSON */
        printf("\"default\":%s,", tessi_plug_param_default(p, text, sizeof text));
    printf("\"required\":%s,\"neutral\":%s,", p->flags & TESS_REQUIRED ? "true" : "false", p->flags & TESS_NEUTRAL ? "true" : "false");
    if (tessi_plug_param_former(k, p))
        plugins_json_pair("former", tessi_plug_param_former(k, p), ",");
    plugins_json_pair("help", p->help, "}");
}

/* Prints source, example and capabilities of a component; of a stage also its output and ports. */
static void json_about(const struct cli_component *c)
{
    const struct tess_component *k = c->component;
    const struct tess_stage_1 *stage = strcmp(k->kind, "stage/1") == 0 ? k->ops : NULL;
    const struct tess_port *port;
    const char *name, *meaning;
    plugins_json_pair("source", TESSI_COMPONENT_HAS(c->plugin, k, source), ",");
    plugins_json_pair("example", TESSI_COMPONENT_HAS(c->plugin, k, example), ",\"capabilities\":[");
    for (int64_t i = 0; (name = cli_capability_at(c, i, &meaning)); i++) {
        fputs(i ? "," : "", stdout);
        tessi_base_json_text(stdout, name);
    }
    fputs("],", stdout);
    if (!stage)
        return;
    plugins_json_pair("output", stage->output, ",\"ports\":[");
    for (int64_t i = 0; (port = cli_port_at(k, i)); i++) {
        fputs(i ? ",{" : "{", stdout);
        plugins_json_pair("name", port->name, ",");
        plugins_json_pair("kind", port->kind, ",");
        printf("\"optional\":%s,", port->optional ? "true" : "false");
        plugins_json_pair("help", port->help, "}");
    }
    fputs("],", stdout);
}

static void json_component(const struct tessi_registry *r, const struct cli_component *item)
{
    const struct tess_param *p;
    putchar('{');
    plugins_json_pair("kind", item->component->kind, ",");
    plugins_json_pair("name", item->component->name, ",");
    plugins_json_pair("summary", item->component->summary, ",");
    if (tessi_plug_component_made_by(item->plugin, item->component))
        plugins_json_pair("made_by", tessi_plug_component_made_by(item->plugin, item->component), ",");
    json_about(item);
    plugins_json_pair("plugin", item->plugin->id, ",");
    plugins_json_pair("version", item->plugin->version, ",");
    plugins_json_pair("license", item->plugin->license, ",");
    plugins_json_pair("file", tessi_plug_registry_file_of(r, item->plugin), ",\"parameters\":[");
    for (int64_t i = 0; (p = tessi_plug_param_at(item->component, i)); i++) {
        if (i)
            putchar(',');
        json_param(item->component, p);
    }
    fputs("]}", stdout);
}

static void json_why(const struct tessi_registry *r)
{
    const char *folder, *note;
    fputs("\"folders\":[", stdout);
    for (int64_t i = 0; (folder = tessi_plug_registry_folder(r, i, &note)); i++) {
        fputs(i ? ",{" : "{", stdout);
        plugins_json_pair("path", folder, ",");
        plugins_json_pair("note", note, "}");
    }
    fputs("],\"files\":[", stdout);
    for (int64_t i = 0; i < tessi_plug_registry_files(r); i++) {
        const struct tessi_found *f = tessi_plug_registry_file(r, i);
        fputs(i ? ",{" : "{", stdout);
        plugins_json_pair("path", f->path, ",");
        plugins_json_pair("plugin", f->plugin ? f->plugin->id : NULL, ",");
        plugins_json_pair("version", f->plugin ? f->plugin->version : NULL, ",");
        plugins_json_pair("digest", *f->digest ? f->digest : NULL, ",");
        plugins_json_pair("remark", f->remark, ",");
        plugins_json_pair("refusal", f->refusal, "}");
    }
    fputs("],", stdout);
}

void cli_plugins_json(const struct tessi_registry *r, const struct cli_component *c, int64_t count, int why)
{
    putchar('{');
    if (why)
        json_why(r);
    fputs("\"components\":[", stdout);
    for (int64_t i = 0; i < count; i++) {
        if (i)
            putchar(',');
        json_component(r, &c[i]);
    }
    puts("]}");
}
