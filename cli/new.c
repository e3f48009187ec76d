/* `tessera new`: a plugin's project out of this tree, complete and running, to be changed from there.
 *
 * A kind's template is a source, its test, a pipeline and, for some, what the judge has to expect, in kit/template/, and the files of
 * kit/template/project/ for all kinds. They are valid C99 and C++11 alike, with placeholders for the name, so that the same files serve
 * both languages.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/flags.h"
#include "cli/new_templates.h"
#include "core/base/text.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KINDS_MAX = 32, NAME_MAX_LENGTH = 40, PAIRS = 8 };

struct new_options {
    const char *kind, *name, *folder;
    int cxx;
};

/* Placeholders and what takes their place; longer ones first where one begins with another. */
struct pair {
    const char *from, *to;
};

/* ---- names --------------------------------------------------------------------------------------------------------- */

static int64_t new_kinds(const char **kinds)
{
    static char word[KINDS_MAX][32];
    int64_t n = 0;
    for (const struct cli_template *t = cli_templates; t->file && n < KINDS_MAX; t++) {
        size_t length = strlen(t->file);
        if (length < 6 || strchr(t->file, '/') || strcmp(t->file + length - 5, ".yaml") != 0)
            continue;
        snprintf(word[n], sizeof word[n], "%.*s", (int)(length - 5), t->file);
        kinds[n] = word[n];
        n++;
    }
    return n;
}

static int check_kind(const char *verb, const char *kind)
{
    const char *kinds[KINDS_MAX];
    char text[1000] = "";
    int64_t n = new_kinds(kinds);
    for (int64_t i = 0; i < n; i++) {
        if (strcmp(kinds[i], kind) == 0)
            return 0;
        tessi_base_add(text, sizeof text, "%s%s", i ? ", " : "", kinds[i]);
    }
    const char *nearest = tessi_base_nearest_name(kind, kinds, n);
    if (nearest)
        return cli_usage_error(verb, "there is no kind `%s`; did you mean `%s`?", kind, nearest);
    return cli_usage_error(verb, "there is no kind `%s`; there are %s", kind, text);
}

static int is_keyword(const char *name)
{
    static const char *const words[] = {
        "alignas", "alignof",  "and",       "asm",      "auto",     "bool",   "break",    "case",     "catch",  "char",     "class",
        "compl",   "const",    "continue",  "decltype", "default",  "delete", "do",       "double",   "else",   "enum",     "explicit",
        "export",  "extern",   "false",     "float",    "for",      "friend", "goto",     "if",       "inline", "int",      "long",
        "main",    "mutable",  "namespace", "new",      "noexcept", "not",    "nullptr",  "operator", "or",     "private",  "protected",
        "public",  "register", "restrict",  "return",   "short",    "signed", "sizeof",   "static",   "struct", "switch",   "template",
        "this",    "throw",    "true",      "try",      "typedef",  "typeid", "typename", "typeof",   "union",  "unsigned", "using",
        "virtual", "void",     "volatile",  "while",    "xor"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i], name) == 0)
            return 1;
    return 0;
}

/* Checks a plugin's name, which is a file's, a pipeline's word and, with _ for -, an identifier. */
static int check_name(const char *verb, const char *name)
{
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_"), length = strlen(name);
    if (!islower((unsigned char)*name) || name[good] || name[length - 1] == '-' || length > NAME_MAX_LENGTH)
        return cli_usage_error(verb, "a name is a letter a .. z, then such letters, digits, `-` or `_`, at most %d in all; found `%s`",
                               NAME_MAX_LENGTH, name);
    if (is_keyword(name) || strncmp(name, "tess", 4) == 0)
        return cli_usage_error(verb, "`%s` is %s; take another name", name,
                               is_keyword(name) ? "a word of C or C++" : "Tessera's own prefix");
    return 0;
}

/* Fails when a plugin has the name for this kind already; 0 when none has. */
static int check_taken(struct cli_globals *g, const struct new_options *o)
{
    struct tessi_context context;
    struct tessi_runtime *r = NULL;
    const struct tess_plugin *plugin;
    char kind[64];
    int code = 0;
    tessi_base_context_init(&context, NULL);
    int status =
        tessi_host_runtime_new(&context.context, &(struct tessi_runtime_options){.plugin_path = g->plugin_path, .level = TESSI_QUIET}, &r);
    snprintf(kind, sizeof kind, "%s/1", o->kind);
    if (status != TESS_OK)
        code = cli_failed(&context.context, status);
    else if (tessi_plug_registry_find(r->registry, kind, o->name, &plugin))
        code = cli_usage_error("new", "%s/%s is there already, in %s; a pipeline could not tell the two apart, so take another name",
                               o->kind, o->name, tessi_plug_registry_file_of(r->registry, plugin));
    tessi_host_runtime_free(r);
    return code;
}

/* ---- texts --------------------------------------------------------------------------------------------------------- */

static const char *template_text(const char *format, const char *kind)
{
    char file[80];
    snprintf(file, sizeof file, format, kind);
    for (const struct cli_template *t = cli_templates; t->file; t++)
        if (strcmp(t->file, file) == 0)
            return t->text;
    return NULL;
}

static void write_filled(FILE *f, const char *text, const struct pair *pair)
{
    while (*text) {
        const struct pair *p = pair;
        while (p->from && strncmp(text, p->from, strlen(p->from)) != 0)
            p++;
        if (p->from)
            fputs(p->to, f);
        else
            fputc(*text, f);
        text += p->from ? strlen(p->from) : 1;
    }
}

static int write_file(const char *folder, const char *name, const char *text, const struct pair *pair)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return ENAMETOOLONG;
    FILE *f = fopen(path, "wx");
    if (!f)
        return errno;
    write_filled(f, text, pair);
    int error = ferror(f) ? EIO : 0;
    return fclose(f) != 0 ? errno : error;
}

/* ---- the project --------------------------------------------------------------------------------------------------- */

struct project_file {
    char name[NAME_MAX_LENGTH + 16];
    const char *text;
};

static int new_files(const struct new_options *o, struct project_file *file)
{
    const char *extension = o->cxx ? "cc" : "c";
    int n = 0;
    snprintf(file[n].name, sizeof file[n].name, "%s.%s", o->name, extension);
    file[n++].text = template_text("%s.c", o->kind);
    snprintf(file[n].name, sizeof file[n].name, "test_%s.%s", o->name, extension);
    file[n++].text = template_text("test_%s.c", o->kind);
    snprintf(file[n].name, sizeof file[n].name, "%s.yaml", o->name);
    file[n++].text = template_text("%s.yaml", o->kind);
    snprintf(file[n].name, sizeof file[n].name, "Makefile");
    file[n++].text = template_text("project/%s", o->cxx ? "Makefile.cxx" : "Makefile");
    snprintf(file[n].name, sizeof file[n].name, "meson.build");
    file[n++].text = template_text("project/%s", "meson.build");
    snprintf(file[n].name, sizeof file[n].name, "README.md");
    file[n++].text = template_text("project/%s", "README.md");
    snprintf(file[n].name, sizeof file[n].name, "%s.expect", o->name);
    file[n].text = template_text("%s.expect", o->kind); /* tests of the judge that it fails on purpose, where there are some */
    return file[n].text ? n + 1 : n;
}

/* Folder below plugins/ that a plugin of this kind is installed in. */
static const char *folder_of_kind(const char *kind, char *text, size_t capacity)
{
    static const char *const same[] = {"features", NULL};
    int as_is = strcmp(kind, same[0]) == 0;
    snprintf(text, capacity, "%s%s", kind, as_is ? "" : "s");
    return text;
}

static int write_project(const struct new_options *o)
{
    struct project_file file[PAIRS];
    char identifier[NAME_MAX_LENGTH + 1], folder[40];
    int n = new_files(o, file), made = 0, error = 0;
    snprintf(identifier, sizeof identifier, "%s", o->name);
    for (char *at = identifier; (at = strchr(at, '-'));)
        *at = '_';
    const struct pair pair[] = {{"template-name", o->name},
                                {"template_name", identifier},
                                {"template-kind", o->kind},
                                {"template-folder", folder_of_kind(o->kind, folder, sizeof folder)},
                                {"template-language", o->cxx ? "cpp" : "c"},
                                {"template-standard", o->cxx ? "cpp_std=c++11" : "c_std=c99"},
                                {"template-source", file[0].name},
                                {NULL, NULL}};
    if (mkdir(o->folder, 0777) != 0) {
        error = errno;
        fprintf(stderr, "tessera new: %s: %s\n", cli_shown(o->folder),
                error == EEXIST ? "is there already, and nothing is overwritten; give another folder with -o" : strerror(error));
        return tessi_base_exit_code(TESS_E_CREATE);
    }
    for (; made < n && !error; made++)
        error = write_file(o->folder, file[made].name, file[made].text, pair);
    if (!error)
        return 0;
    fprintf(stderr, "tessera new: %s/%s: cannot be written: %s\n", cli_shown(o->folder), file[made - 1].name, strerror(error));
    for (int i = 0; i < made; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", o->folder, file[i].name);
        (void)unlink(path);
    }
    (void)rmdir(o->folder);
    return tessi_base_exit_code(TESS_E_CREATE);
}

static int new_take_word(void *options, const char *verb, const char *word)
{
    struct new_options *o = options;
    if (o->kind && o->name)
        return cli_usage_error(verb, "wanted KIND NAME, found `%s` besides", word);
    *(o->kind ? &o->name : &o->kind) = word;
    return 0;
}

static int new_run(struct cli_globals *g, int argc, char **argv)
{
    struct new_options o = {NULL, NULL, NULL, 0};
    int code = cli_flags_read(g, &cli_new, argc, argv, &o, new_take_word);
    if (code)
        return code;
    if (!o.kind || !o.name)
        return cli_usage_error(argv[0], "wanted KIND and NAME, found %s", o.kind ? "no name" : "nothing");
    code = check_kind(argv[0], o.kind);
    if (!code)
        code = check_name(argv[0], o.name);
    if (!code)
        code = check_taken(g, &o);
    o.folder = o.folder ? o.folder : o.name;
    if (!code)
        code = write_project(&o);
    if (!code && g->level != TESSI_QUIET)
        printf("%s/ has %s/%s, its test and a pipeline. Next: make -C %s check, then make -C %s run; README.md says more.\n",
               cli_shown(o.folder), o.kind, o.name, cli_shown(o.folder), cli_shown(o.folder));
    return code;
}

static const struct cli_flag flags[] = {
    {.name = "--output", .brief = "-o", .value = "DIR", .help = "the folder to make", .initial = "NAME", .type = CLI_TEXT,
     .complete = CLI_COMPLETE_FOLDERS, .offset = offsetof(struct new_options, folder)},
    {.name = "--cxx", .help = "C++11 in place of C99", .type = CLI_SWITCH, .offset = offsetof(struct new_options, cxx)},
    {.name = NULL}};

const struct cli_verb cli_new = {
    .name = "new",
    .summary = "begin a plugin: a project that builds, tests itself and runs",
    .arguments = "KIND NAME",
    .words = CLI_WORDS_KIND,
    .description =
        "Writes a project for a plugin of KIND (quantizer, source, stage ...; a wrong one shows all) that a pipeline calls NAME: a\n"
        "source of two screens that does something real, a test, a pipeline, a makefile and a meson file that ask pkg-config for\n"
        "tessera, and a README. It builds and passes as it is. Nothing that is there is overwritten.\n",
    .flags = flags,
    .run = new_run,
};
