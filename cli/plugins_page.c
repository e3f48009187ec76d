/* Page on one component: on a terminal, and in docs/plugins/ (`make plugin-docs`). SPDX-License-Identifier: MIT */
#include "cli/plugins.h"
#include "core/base/text.h"
#include "core/plug/kinds.h"

#include <tessera/kind/stage.h>

#include <stdio.h>
#include <string.h>

const struct tess_port *cli_port_at(const struct tess_component *k, int64_t i)
{
    const struct tess_stage_1 *ops = strcmp(k->kind, "stage/1") == 0 ? k->ops : NULL;
    return ops ? tessi_plug_port_at(ops, i) : NULL;
}

const char *cli_capability_at(const struct cli_component *c, int64_t i, const char **meaning)
{
    const struct tessi_kind *kind = tessi_plug_kind_find(c->component->kind);
    const struct tessi_kind_function *f = kind && !tessi_plug_component_module(c->plugin, c->component, NULL) ? kind->function : NULL;
    for (; f && f->name; f++)
        if (f->optional && tessi_plug_kind_has(f, c->component->ops) && i-- == 0) {
            *meaning = f->optional;
            return f->name;
        }
    return NULL;
}

static const char *page_output(const struct tess_component *k)
{
    const struct tess_stage_1 *ops = strcmp(k->kind, "stage/1") == 0 ? k->ops : NULL;
    return ops ? ops->output : NULL;
}

/* Notes on a parameter: "does not change results", and its former name. */
static const char *page_notes(const struct tess_component *k, const struct tess_param *p, char *text, size_t capacity)
{
    const char *former = k->param_stride >= offsetof(struct tess_param, former) + sizeof p->former ? p->former : NULL;
    *text = '\0';
    if (p->flags & TESS_NEUTRAL)
        tessi_base_add(text, capacity, " (does not change results)");
    if (former)
        tessi_base_add(text, capacity, " (was `%s`)", former);
    return text;
}

static const char *page_default(const struct tess_param *p, char *text, size_t capacity)
{
    tessi_plug_param_default(p, text, capacity);
    return p->flags & TESS_REQUIRED ? "required" : *text ? text : "-";
}

/* ---- for a terminal ------------------------------------------------------------------------------------------------ */

static void page_parameters(const struct tess_component *k)
{
    const struct tess_param *p;
    char range[512], value[256], notes[256];
    int wide[3] = {9, 8, 5}; /* "parameter", "required", "range" */
    if (!tessi_plug_param_at(k, 0)) {
        puts("\nno parameters");
        return;
    }
    for (int64_t i = 0; (p = tessi_plug_param_at(k, i)); i++) {
        int length[3] = {(int)strlen(p->name), (int)strlen(tessi_plug_param_default(p, value, sizeof value)),
                         (int)strlen(tessi_plug_param_limits(p, range, sizeof range))};
        for (int column = 0; column < 3; column++)
            wide[column] = length[column] > wide[column] && length[column] <= 32 ? length[column] : wide[column];
    }
    printf("\n  %-*s  %-10s  %-*s  %-*s  %s\n", wide[0], "parameter", "type", wide[1], "default", wide[2], "range", "meaning");
    for (int64_t i = 0; (p = tessi_plug_param_at(k, i)); i++)
        printf("  %-*s  %-10s  %-*s  %-*s  %s%s\n", wide[0], p->name, tessi_plug_param_type(p), wide[1],
               page_default(p, value, sizeof value), wide[2], tessi_plug_param_limits(p, range, sizeof range), p->help,
               page_notes(k, p, notes, sizeof notes));
}

static void page_ports(const struct tess_component *k)
{
    const struct tess_port *port;
    int name = 4, kind = 4;
    for (int64_t i = 0; (port = cli_port_at(k, i)); i++) {
        name = (int)strlen(port->name) > name ? (int)strlen(port->name) : name;
        kind = (int)strlen(port->kind) > kind ? (int)strlen(port->kind) : kind;
    }
    for (int64_t i = 0; (port = cli_port_at(k, i)); i++)
        printf("%s  %-*s  %-*s  %s%s\n", i ? "" : "\nreads\n", name, port->name, kind, port->kind, port->help ? port->help : "",
               port->optional ? " (may be left out)" : "");
    if (page_output(k))
        printf("\nwrites an artefact of kind %s\n", page_output(k));
}

static void page_example(const char *example)
{
    puts("\nexample");
    for (const char *line = example; *line; line += strcspn(line, "\n"), line += *line == '\n')
        printf("  %.*s\n", (int)strcspn(line, "\n"), line);
}

void cli_plugins_page(const struct tessi_registry *r, const struct cli_component *c)
{
    const struct tess_component *k = c->component;
    const char *made_by = tessi_plug_component_made_by(c->plugin, k), *other = tessi_plug_kind_other(k->kind), *name, *meaning;
    const char *source = TESSI_COMPONENT_HAS(c->plugin, k, source), *example = TESSI_COMPONENT_HAS(c->plugin, k, example);
    const struct tessi_found *file = tessi_plug_registry_found(r, c->plugin->id);
    printf("%.*s/%s: %s\n", cli_kind_length(k->kind), k->kind, k->name, k->summary);
    printf("kind %s, from %s %s (%s), %s\n", k->kind, c->plugin->id, c->plugin->version, c->plugin->license,
           tessi_plug_registry_file_of(r, c->plugin));
    if (file && *file->digest)
        printf("not of this release: results have the file's digest in their keys, %.12s...\n", file->digest);
    if (!tessi_plug_kind_find(k->kind) && other)
        printf("this program knows %s, and cannot use it\n", other);
    if (tessi_plug_component_module(c->plugin, k, NULL))
        printf("its functions are in libraries/%s.so, which is loaded when it is used\n", tessi_plug_component_module(c->plugin, k, NULL));
    if (source)
        printf("published: %s\n", source);
    if (made_by)
        printf("made by stage/%s; training cannot begin with its initial values\n", made_by);
    page_ports(k);
    for (int64_t i = 0; (name = cli_capability_at(c, i, &meaning)); i++)
        printf("%s  %s: %s\n", i ? "" : "\ncan\n", name, meaning);
    page_parameters(k);
    if (example)
        page_example(example);
}

/* ---- for the documentation ------------------------------------------------------------------------------------------- */

/* Text of a table's cell: a bar would end it. */
static void cell(const char *text)
{
    for (putchar(' '); *text; text++) {
        if (*text == '|')
            putchar('\\');
        putchar(*text);
    }
    fputs(" |", stdout);
}

static void markdown_parameters(const struct tess_component *k)
{
    const struct tess_param *p;
    char text[512], both[2600], notes[256];
    if (!tessi_plug_param_at(k, 0)) {
        puts("\nNo parameters.");
        return;
    }
    puts("\n| parameter | type | default | range | meaning |\n|---|---|---|---|---|");
    for (int64_t i = 0; (p = tessi_plug_param_at(k, i)); i++) {
        snprintf(both, sizeof both, "`%s`", p->name);
        putchar('|');
        cell(both);
        cell(tessi_plug_param_type(p));
        cell(page_default(p, text, sizeof text));
        cell(tessi_plug_param_limits(p, text, sizeof text));
        snprintf(both, sizeof both, "%s%s", p->help, page_notes(k, p, notes, sizeof notes));
        cell(both);
        putchar('\n');
    }
}

static void markdown_ports(const struct tess_component *k)
{
    const struct tess_port *port;
    for (int64_t i = 0; (port = cli_port_at(k, i)); i++) {
        fputs(i ? "" : "\n| reads | kind | |\n|---|---|---|\n", stdout);
        printf("| `%s` |", port->name);
        cell(port->kind);
        printf(" %s%s |\n", port->help ? port->help : "", port->optional ? " (may be left out)" : "");
    }
    if (page_output(k))
        printf("\nWrites an artefact of kind %s.\n", page_output(k));
}

static void markdown_component(const struct cli_component *c)
{
    const struct tess_component *k = c->component;
    const char *made_by = tessi_plug_component_made_by(c->plugin, k), *name, *meaning;
    const char *source = TESSI_COMPONENT_HAS(c->plugin, k, source), *example = TESSI_COMPONENT_HAS(c->plugin, k, example);
    printf("## %s\n\n%s. From %s %s.\n", k->name, k->summary, c->plugin->id, c->plugin->version);
    if (source)
        printf("\nPublished: %s.\n", source);
    if (made_by)
        printf("\nMade by the stage `%s`; training cannot begin with its initial values.\n", made_by);
    markdown_ports(k);
    for (int64_t i = 0; (name = cli_capability_at(c, i, &meaning)); i++)
        printf("%s- `%s`: %s\n", i ? "" : "\nWhat it can beside what its kind must:\n\n", name, meaning);
    markdown_parameters(k);
    if (example)
        printf("\n```%s\n%s\n```\n", strncmp(example, "tessera ", strlen("tessera ")) == 0 ? "sh" : "yaml", example);
}

void cli_plugins_markdown(const struct cli_component *c, int64_t count)
{
    const char *kind = "";
    for (int64_t i = 0; i < count; i++) {
        if (strcmp(kind, c[i].component->kind) != 0)
            printf("%s# %s\n\nThe tables are the plugins' own: `tessera plugins %.*s --markdown` writes this page.\n", i ? "\n" : "",
                   c[i].component->kind, cli_kind_length(c[i].component->kind), c[i].component->kind);
        kind = c[i].component->kind;
        putchar('\n');
        markdown_component(&c[i]);
    }
}
