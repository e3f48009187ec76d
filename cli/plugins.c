/* `tessera plugins`: what there is, what it takes, and why something is not there.
 *
 * Everything printed comes from the plugins' own tables, so it cannot differ from what a pipeline is checked against.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/flags.h"
#include "cli/plugins.h"

#include <stdio.h>
#include <string.h>

#define MAX_LISTED 512

struct options {
    const char *what; /* KIND, KIND/NAME or NAME; NULL: all */
    int why, json, markdown, names;
};

struct list {
    struct cli_component item[MAX_LISTED];
    int64_t count;
};

static void all_components(const struct tessi_registry *r, struct list *out)
{
    const struct tess_plugin *plugin;
    const struct tess_component *k;
    for (out->count = 0; out->count < MAX_LISTED && (k = tessi_plug_registry_component(r, out->count, &plugin)); out->count++)
        out->item[out->count] = (struct cli_component){k, plugin};
}

/* ---- choosing ------------------------------------------------------------------------------------------------------ */

/* "encoder" or "encoder/1" */
static int plugins_is_kind(const char *kind, const char *word)
{
    size_t length = (size_t)cli_kind_length(kind);
    return strcmp(kind, word) == 0 || (strncmp(kind, word, length) == 0 && word[length] == '\0');
}

/* "encoder/conv", "encoder/1/conv" */
static int is_kind_and_name(const struct tess_component *k, const char *word)
{
    const char *slash = strrchr(word, '/');
    char kind[128];
    if (!slash || strcmp(slash + 1, k->name) != 0 || (size_t)(slash - word) >= sizeof kind)
        return 0;
    snprintf(kind, sizeof kind, "%.*s", (int)(slash - word), word);
    return plugins_is_kind(k->kind, kind);
}

static void plugins_choose(const struct list *all, const char *word, int (*is)(const struct tess_component *k, const char *word),
                           struct list *out)
{
    out->count = 0;
    for (int64_t i = 0; i < all->count; i++)
        if (is(all->item[i].component, word))
            out->item[out->count++] = all->item[i];
}

static int of_kind(const struct tess_component *k, const char *word)
{
    return plugins_is_kind(k->kind, word);
}

static int of_name(const struct tess_component *k, const char *word)
{
    return strcmp(k->name, word) == 0;
}

static int not_found(const struct tessi_registry *r, const struct list *all, const char *word)
{
    static char both[MAX_LISTED][200], kinds[MAX_LISTED][80];
    static const char *names[3 * MAX_LISTED];
    char text[1500];
    int64_t n = 0;
    for (int64_t i = 0; i < all->count; i++) {
        const struct tess_component *k = all->item[i].component;
        snprintf(kinds[i], sizeof kinds[i], "%.*s", cli_kind_length(k->kind), k->kind);
        snprintf(both[i], sizeof both[i], "%.*s/%s", cli_kind_length(k->kind), k->kind, k->name);
        names[n++] = kinds[i];
        names[n++] = k->name;
        names[n++] = both[i];
    }
    const char *nearest = tessi_base_nearest_name(word, names, n), *slash = strrchr(word, '/');
    snprintf(text, sizeof text, "no plugin or kind is called `%.100s`%s%s%s", word, nearest ? "; did you mean `" : "",
             nearest ? nearest : "", nearest ? "`?" : "");
    tessi_plug_add_refused(r, "", slash ? slash + 1 : word, text, sizeof text);
    fprintf(stderr, "tessera: %s (`tessera plugins --why` says where plugins were looked for)\n", text);
    return tessi_base_exit_code(TESS_E_PLUGIN);
}

/* ---- as text ------------------------------------------------------------------------------------------------------- */

static void print_list(const struct list *l)
{
    const char *kind = "";
    int width = 4;
    for (int64_t i = 0; i < l->count; i++)
        if ((int)strlen(l->item[i].component->name) > width)
            width = (int)strlen(l->item[i].component->name);
    for (int64_t i = 0; i < l->count; i++) {
        const struct tess_component *k = l->item[i].component;
        if (strcmp(kind, k->kind) != 0)
            printf("%s%s\n", i ? "\n" : "", k->kind);
        kind = k->kind;
        printf("  %-*s  %s\n", width, k->name, k->summary);
    }
}

/* KIND, and KIND/NAME of each plugin of it, as the shells complete them. */
static void print_names(const struct list *l)
{
    const char *kind = "";
    for (int64_t i = 0; i < l->count; i++) {
        const struct tess_component *k = l->item[i].component;
        if (strcmp(kind, k->kind) != 0)
            printf("%.*s\n", cli_kind_length(k->kind), k->kind);
        kind = k->kind;
        printf("%.*s/%s\n", cli_kind_length(k->kind), k->kind, k->name);
    }
}

/* Lists the libraries that are loaded when a component is opened, and whether each can be loaded. */
static void print_libraries(struct tess_context *ctx, const struct tessi_registry *r)
{
    const struct tess_plugin *plugin;
    const struct tess_component *k;
    int64_t seen = 0;
    for (int64_t i = 0; (k = tessi_plug_registry_component(r, i, &plugin)); i++) {
        const struct tess_component *listed = k;
        if (!tessi_plug_component_module(plugin, k, NULL))
            continue;
        fputs(seen++ ? "" : "\nlibraries, loaded when they are needed\n", stdout);
        if (tessi_plug_module_load(ctx, r, &plugin, &k) == TESS_OK) {
            printf("  loads     %.*s/%s\n", cli_kind_length(listed->kind), listed->kind, listed->name);
            continue;
        }
        printf("  missing   %.*s/%s: %s\n", cli_kind_length(listed->kind), listed->kind, listed->name, tess_message(ctx));
        tess_forget(ctx);
    }
}

static void print_why(struct tess_context *ctx, const struct tessi_registry *r)
{
    const char *folder, *note;
    int64_t refused = 0;
    puts("folders, in order");
    for (int64_t i = 0; (folder = tessi_plug_registry_folder(r, i, &note)); i++)
        printf("  %s%s%s\n", folder, *note ? ": " : "", note);
    puts("\nfiles");
    for (int64_t i = 0; i < tessi_plug_registry_files(r); i++) {
        const struct tessi_found *f = tessi_plug_registry_file(r, i);
        if (f->refusal)
            printf("  refused   %s\n", f->refusal);
        else
            printf("  accepted  %s: %s %s, ABI %u.%u%s\n", f->path, f->plugin->id, f->plugin->version, f->plugin->abi_major,
                   f->plugin->abi_minor, f->shipped ? "" : ", not of this release");
        if (f->remark && !f->refusal)
            printf("            %s\n", f->remark);
        refused += f->refusal != NULL;
    }
    print_libraries(ctx, r);
    printf("\n%lld accepted, %lld refused; TESSERA_PLUGIN_PATH and --plugin-path add folders\n",
           (long long)(tessi_plug_registry_files(r) - refused), (long long)refused);
}

/* ---- the verb ------------------------------------------------------------------------------------------------------ */

static int plugins_several(const struct list *chosen, const char *word)
{
    fprintf(stderr, "tessera plugins: `%s` is the name of several;", word);
    for (int64_t i = 0; i < chosen->count; i++) {
        const struct tess_component *k = chosen->item[i].component;
        fprintf(stderr, "%s `%.*s/%s`", i ? " or" : " say", cli_kind_length(k->kind), k->kind, k->name);
    }
    fputc('\n', stderr);
    return tessi_base_exit_code(TESS_E_USAGE);
}

static int plugins_show(struct tess_context *ctx, const struct tessi_registry *r, const struct options *w)
{
    static struct list all, chosen;
    int one = 0;
    all_components(r, &all);
    if (w->what) {
        plugins_choose(&all, w->what, of_kind, &chosen);
        if (chosen.count == 0) {
            one = 1;
            plugins_choose(&all, w->what, strchr(w->what, '/') ? is_kind_and_name : of_name, &chosen);
        }
        if (chosen.count == 0)
            return not_found(r, &all, w->what);
        if (one && chosen.count > 1 && !strchr(w->what, '/'))
            return plugins_several(&chosen, w->what);
    } else {
        chosen = all;
    }
    if (w->json) {
        cli_plugins_json(r, chosen.item, chosen.count, w->why);
        return 0;
    }
    if (w->markdown) {
        cli_plugins_markdown(chosen.item, chosen.count);
        return 0;
    }
    if (w->names) {
        print_names(&chosen);
        return 0;
    }
    if (one)
        for (int64_t i = 0; i < chosen.count; i++)
            cli_plugins_page(r, &chosen.item[i]);
    else
        print_list(&chosen);
    if (w->why) {
        if (chosen.count)
            putchar('\n');
        print_why(ctx, r);
    } else if (all.count == 0) {
        fputs("tessera: no plugin was found; `tessera plugins --why` says where plugins were looked for\n", stderr);
        return tessi_base_exit_code(TESS_E_PLUGIN);
    }
    return 0;
}

static int plugins_take_word(void *options, const char *verb, const char *word)
{
    struct options *w = options;
    if (w->what)
        return cli_usage_error(verb, "wanted one kind or plugin, found `%s` and `%s`", w->what, word);
    w->what = word;
    return 0;
}

static int plugins(struct cli_globals *g, int argc, char **argv)
{
    struct options w = {NULL, 0, 0, 0, 0};
    struct tessi_context context;
    struct tessi_runtime *r = NULL;
    int code = cli_flags_read(g, &cli_plugins, argc, argv, &w, plugins_take_word);
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status =
        tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.plugin_path = g->plugin_path, .level = g->level}, &r);
    code = status == TESS_OK ? plugins_show(&context.context, r->registry, &w) : cli_failed(&context.context, status);
    tessi_host_runtime_free(r);
    return code;
}

static const struct cli_flag flags[] = {
    {.name = "--why",
     .help = "every folder and file that was looked at, accepted or the reason why not",
     .type = CLI_SWITCH,
     .offset = offsetof(struct options, why)},
    {.name = "--json", .help = "the same as one JSON object", .type = CLI_SWITCH, .offset = offsetof(struct options, json)},
    {.name = "--names", .help = "KIND and KIND/NAME alone, a line each", .type = CLI_SWITCH, .offset = offsetof(struct options, names)},
    {.name = "--markdown", .help = "as a page of docs/plugins/", .type = CLI_SWITCH, .offset = offsetof(struct options, markdown)},
    {.name = NULL}};

const struct cli_verb cli_plugins = {
    .name = "plugins",
    .summary = "list plugins, describe their parameters, say why one is missing",
    .arguments = "[KIND | KIND/NAME | NAME]",
    .description = "Without an argument lists every plugin by kind; with KIND (encoder) those of one kind; with KIND/NAME\n"
                   "(encoder/conv), or NAME where it is the only one, what it reads and can, its parameters (type, default, range,\n"
                   "meaning), where it was published, and an example.\n",
    .flags = flags,
    .words = CLI_WORDS_PLUGINS,
    .notes = "Plugins are looked for in TESSERA_PLUGIN_PATH, then --plugin-path, then where tessera was built or installed.\n",
    .run = plugins,
};
