/* The manual page and the shells' completion, out of the tables that the program reads its command line by. SPDX-License-Identifier: MIT */
#include "cli/flags.h"

#include <stdio.h>
#include <string.h>

/* ---- roff ---------------------------------------------------------------------------------------------------------- */

/* Prints text as roff: a minus is one that can be typed, a dot at the beginning of a line is a dot. */
static void roff_text(const char *text, FILE *to)
{
    int start = 1;
    for (; *text; start = *text == '\n', text++) {
        if (start && (*text == '.' || *text == '\''))
            fputs("\\&", to);
        if (*text == '-')
            fputs("\\-", to);
        else if (*text == '\\')
            fputs("\\e", to);
        else
            fputc(*text, to);
    }
}

/* Prints help lines, broken for a terminal, as roff paragraphs: lines flow together, blank ones part paragraphs, indented ones stay as they
 * are. */
static void roff_paragraphs(const char *text, FILE *to)
{
    for (int fixed = 0; text && *text;) {
        char line[400];
        size_t length = strcspn(text, "\n");
        (void)snprintf(line, sizeof line, "%.*s", (int)length, text);
        int indented = *line == ' ';
        if (indented != fixed)
            fputs(indented ? ".nf\n" : ".fi\n", to);
        fixed = indented;
        if (*line == '\0')
            fputs(text[length + (text[length] == '\n')] ? ".PP\n" : "", to);
        else
            roff_text(line, to);
        fputs(*line ? "\n" : "", to);
        text += length + (text[length] == '\n');
        if (fixed && !*text)
            fputs(".fi\n", to);
    }
}

static void roff_flags(const struct cli_flag *flags, FILE *to)
{
    for (const struct cli_flag *f = flags; f && f->name; f++) {
        fputs(".TP\n.B ", to);
        if (f->brief) {
            roff_text(f->brief, to);
            fputs(", ", to);
        }
        roff_text(f->name, to);
        if (f->value)
            fprintf(to, " \\fI%s\\fR", f->value);
        fputc('\n', to);
        roff_text(f->help, to);
        if (f->initial) {
            fputs(" (", to);
            roff_text(f->initial, to);
            fputc(')', to);
        }
        fputc('\n', to);
    }
}

static void roff_verb(const struct cli_verb *v, FILE *to)
{
    fprintf(to, ".SS tessera %s ", v->name);
    roff_text(v->arguments, to);
    fputs(v->flags ? " [FLAGS]\n" : "\n", to);
    roff_paragraphs(v->description, to);
    roff_flags(v->flags, to);
    if (v->notes) {
        fputs(".PP\n", to);
        roff_paragraphs(v->notes, to);
    }
    for (const struct cli_verb *const *s = v->sub; s && *s; s++)
        roff_verb(*s, to);
}

static const char man_end[] = ".SH EXIT STATUS\n"
                              ".TP\n0\ndone\n.TP\n1\nfailed\n.TP\n2\nusage\n.TP\n65\nbad data\n.TP\n69\na plugin is missing\n.TP\n73\n"
                              "an output cannot be created\n.TP\n74\ninput or output failed\n.TP\n75\nstopped; the same command resumes\n"
                              ".SH ENVIRONMENT\n"
                              ".TP\nTESSERA_PLUGIN_PATH\nfolders to look for plugins in, with colons between\n"
                              ".TP\nNO_COLOR\nno colours, where it is set\n"
                              ".SH FILES\n.TP\nruns/NAME\nresults of the pipeline NAME\n.TP\nruns/.cache\nwhat was computed\n";

void cli_manual(const struct cli_verb *const *verbs, size_t n, FILE *to)
{
    fprintf(to,
            ".TH TESSERA 1 \"\" \"tessera %s\" \"User Commands\"\n.SH NAME\ntessera \\- images to arrays of codes and codes to images\n"
            ".SH SYNOPSIS\n.B tessera\n[FLAGS] VERB [ARGUMENTS]\n.SH DESCRIPTION\n"
            "Runs pipelines that train tokenizers and priors, encode, sample and evaluate; what was computed once is in a cache.\n"
            ".SH FLAGS OF EVERY VERB\n",
            PACKAGE_VERSION);
    roff_flags(cli_global_flags, to);
    fputs(".SH VERBS\n", to);
    for (size_t i = 0; i < n; i++)
        roff_verb(verbs[i], to);
    fputs(man_end, to);
}

/* ---- bash ---------------------------------------------------------------------------------------------------------- */

static void bash_names(const struct cli_flag *flags, FILE *to)
{
    for (const struct cli_flag *f = flags; f && f->name; f++)
        fprintf(to, " %s%s%s", f->name, f->brief ? " " : "", f->brief ? f->brief : "");
}

/* Name of a verb as one word: "archive-verify". */
static const char *one_word(const struct cli_verb *v)
{
    static char text[80];
    (void)snprintf(text, sizeof text, "%s", v->name);
    if (strchr(text, ' '))
        *strchr(text, ' ') = '-';
    return text;
}

/* Branches of a `case` over the word before: what a flag's value may be. */
static void bash_values(const char *verb, const struct cli_flag *flags, FILE *to)
{
    for (const struct cli_flag *f = flags; f && f->name; f++) {
        if (!f->value)
            continue;
        fprintf(to, "    %s:%s", verb, f->name);
        if (f->brief)
            fprintf(to, " | %s:%s", verb, f->brief);
        if (f->choices)
            fprintf(to, ") COMPREPLY=($(compgen -W '%s' -- \"$word\")); return ;;\n", f->choices);
        else if (f->complete)
            fprintf(to, ") _tessera_files %s; return ;;\n", f->complete == CLI_COMPLETE_FILES ? "-f" : "-d");
        else
            fputs(") return ;;\n", to);
    }
}

/* Candidates for a verb's words that are no files: the program tells them when they are asked for, with the plugins that it finds then. */
static const char bash_plugins[] = "# Kinds, and KIND/NAME of every plugin that the program finds; `kind`: kinds alone.\n"
                                   "_tessera_plugins() {\n"
                                   "  local word=${COMP_WORDS[COMP_CWORD]} name\n"
                                   "  while read -r name; do\n"
                                   "    [[ $name == \"$word\"* && ( $1 != kind || $name != */* ) ]] && COMPREPLY+=(\"$name\")\n"
                                   "  done < <(\"${COMP_WORDS[0]}\" plugins --names 2>/dev/null)\n"
                                   "}\n";

static void bash_words(const struct cli_verb *v, FILE *to)
{
    if (v->words == CLI_WORDS_KIND)
        fprintf(to, "    %s:*) [[ $before != %s ]] || _tessera_plugins kind ;;\n", v->name, v->name);
    else if (v->words != CLI_WORDS_FILES)
        fprintf(to, "    %s:*) %s_tessera_plugins any ;;\n", v->name, v->words == CLI_WORDS_PLUGINS ? "" : "_tessera_files -f; ");
}

static void bash_values_of(const struct cli_verb *v, FILE *to)
{
    bash_values(one_word(v), v->flags, to);
    for (const struct cli_verb *const *s = v->sub; s && *s; s++)
        bash_values_of(*s, to);
}

static void bash_words_of(const struct cli_verb *v, FILE *to)
{
    fprintf(to, "    %s:-*) COMPREPLY=($(compgen -W '", one_word(v));
    bash_names(v->flags, to);
    bash_names(cli_global_flags, to);
    fputs("' -- \"$word\")) ;;\n", to);
    if (v->sub)
        fprintf(to, "    %s:*) COMPREPLY=($(compgen -W '", one_word(v));
    for (const struct cli_verb *const *s = v->sub; s && *s; s++)
        fprintf(to, "%s%s", s == v->sub ? "" : " ", cli_sub_word(*s));
    if (v->sub)
        fputs("' -- \"$word\")) ;;\n", to);
    else
        bash_words(v, to);
    for (const struct cli_verb *const *s = v->sub; s && *s; s++)
        bash_words_of(*s, to);
}

/* Makes one word of a verb and the verb below it that follows, where there is one. */
static void bash_sub_verbs(const struct cli_verb *const *verbs, size_t n, FILE *to)
{
    for (size_t i = 0; i < n; i++) {
        if (!verbs[i]->sub)
            continue;
        fprintf(to, "  if [[ $verb == %s ]] && ((i + 1 < COMP_CWORD)); then\n    case ${COMP_WORDS[i + 1]} in\n    ", verbs[i]->name);
        for (const struct cli_verb *const *s = verbs[i]->sub; *s; s++)
            fprintf(to, "%s%s", s == verbs[i]->sub ? "" : " | ", cli_sub_word(*s));
        fprintf(to, ") verb=%s-${COMP_WORDS[i + 1]} ;;\n    esac\n  fi\n", verbs[i]->name);
    }
}

static void bash_completion(const struct cli_verb *const *verbs, size_t n, FILE *to)
{
    fputs("# Completion of tessera for bash, made by `tessera --completion bash`.\n"
          "# Files or folders: only these end in a slash, and names with blanks are one word.\n"
          "_tessera_files() {\n"
          "  compopt -o filenames 2>/dev/null\n"
          "  mapfile -t COMPREPLY < <(compgen \"$1\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n"
          "}\n",
          to);
    fputs(bash_plugins, to);
    fputs("_tessera() {\n"
          "  local word=${COMP_WORDS[COMP_CWORD]} before= verb= i\n"
          "  ((COMP_CWORD > 0)) && before=${COMP_WORDS[COMP_CWORD - 1]}\n"
          "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "    case ${COMP_WORDS[i]} in\n    ",
          to);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "%s%s", i ? " | " : "", verbs[i]->name);
    fputs(") verb=${COMP_WORDS[i]}; break ;;\n    esac\n  done\n", to);
    bash_sub_verbs(verbs, n, to);
    fputs("  case $verb:$before in\n", to);
    bash_values("*", cli_global_flags, to);
    for (size_t i = 0; i < n; i++)
        bash_values_of(verbs[i], to);
    fputs("  esac\n  case $verb:$word in\n", to);
    for (size_t i = 0; i < n; i++)
        bash_words_of(verbs[i], to);
    fputs("    :-*) COMPREPLY=($(compgen -W '", to);
    bash_names(cli_global_flags, to);
    fputs("' -- \"$word\")) ;;\n    :*) COMPREPLY=($(compgen -W '", to);
    for (size_t i = 0; i < n; i++)
        fprintf(to, "%s%s", i ? " " : "", verbs[i]->name);
    fputs("' -- \"$word\")) ;;\n    *) _tessera_files -f ;;\n  esac\n}\n"
          "complete -F _tessera tessera\n",
          to);
}

/* ---- zsh ----------------------------------------------------------------------------------------------------------- */

/* Within '...' and within [...] of _arguments. */
static void zsh_text(const char *text, FILE *to)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else if (strchr("[]:\\", *text))
            fprintf(to, "\\%c", *text);
        else
            fputc(*text, to);
    }
}

static void zsh_flags(const struct cli_flag *flags, const char *indent, FILE *to)
{
    for (const struct cli_flag *f = flags; f && f->name; f++)
        for (int brief = 0; brief < 1 + (f->brief != NULL); brief++) {
            fprintf(to, "%s'%s%s[", indent, f->type == CLI_EACH && f->value ? "*" : "", brief ? f->brief : f->name);
            zsh_text(f->help, to);
            fputc(']', to);
            if (f->value)
                fprintf(to, ":%s:", f->value);
            if (f->choices)
                fprintf(to, "(%s)", f->choices);
            else if (f->complete)
                fputs(f->complete == CLI_COMPLETE_FILES ? "_files" : "_files -/", to);
            fputs("' \\\n", to);
        }
}

static const char zsh_plugins[] = "_tessera_plugins() {\n"
                                  "  local -a names\n"
                                  "  names=(${(f)\"$(_call_program names tessera plugins --names 2>/dev/null)\"})\n"
                                  "  [[ $1 != kind ]] || names=(${names:#*/*})\n"
                                  "  compadd -a names\n"
                                  "}\n";

/* Completion of a verb's words in zsh, by CLI_WORDS_...; a blank before a function keeps zsh's own options from its arguments. */
static const char *const zsh_words[] = {
    [CLI_WORDS_FILES] = "'*:file:_files'",
    [CLI_WORDS_PLUGINS] = "'*:plugin: _tessera_plugins any'",
    [CLI_WORDS_PLUGINS_AND_FILES] = "'*: : _alternative \"plugins:plugin: _tessera_plugins any\" \"files:file:_files\"'",
    [CLI_WORDS_KIND] = "'1:kind: _tessera_plugins kind' '2:name: '",
};

static void zsh_arguments(const struct cli_verb *v, FILE *to)
{
    fputs("      _arguments \\\n", to);
    zsh_flags(v->flags, "        ", to);
    zsh_flags(cli_global_flags, "        ", to);
    fprintf(to, "        %s ;;\n", zsh_words[v->words]);
}

/* A verb with verbs below it: their words, then the arguments of the one that is there. */
static void zsh_sub_verbs(const struct cli_verb *v, FILE *to)
{
    fputs("      if ((CURRENT == 2)); then\n        local -a subs=(\n", to);
    for (const struct cli_verb *const *s = v->sub; *s; s++) {
        fprintf(to, "          '%s:", cli_sub_word(*s));
        zsh_text((*s)->summary, to);
        fputs("'\n", to);
    }
    fputs("        )\n        _describe verb subs\n        return\n      fi\n      shift words\n      ((CURRENT--))\n      case $words[1] "
          "in\n",
          to);
    for (const struct cli_verb *const *s = v->sub; *s; s++) {
        fprintf(to, "      (%s)\n", cli_sub_word(*s)); /* not as the verbs above it, of which one may have the same name */
        zsh_arguments(*s, to);
    }
    fputs("      esac ;;\n", to);
}

static void zsh_completion(const struct cli_verb *const *verbs, size_t n, FILE *to)
{
    fputs("#compdef tessera\n# Completion of tessera for zsh, made by `tessera --completion zsh`.\n", to);
    fputs(zsh_plugins, to);
    fputs("_tessera() {\n  local state line verb\n  local -a verbs\n  verbs=(\n", to);
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "    '%s:", verbs[i]->name);
        zsh_text(verbs[i]->summary, to);
        fputs("'\n", to);
    }
    fputs("  )\n  _arguments -C \\\n", to);
    zsh_flags(cli_global_flags, "    ", to);
    fputs("    '1:verb:->verb' '*::argument:->rest'\n  case $state in\n  verb) _describe verb verbs ;;\n  rest)\n    case $line[1] in\n",
          to);
    for (size_t i = 0; i < n; i++) {
        fprintf(to, "    %s)\n", verbs[i]->name);
        (verbs[i]->sub ? zsh_sub_verbs : zsh_arguments)(verbs[i], to);
    }
    fputs("    esac ;;\n  esac\n}\n_tessera \"$@\"\n", to);
}

int cli_completion(const char *shell, const struct cli_verb *const *verbs, size_t n, FILE *to)
{
    if (strcmp(shell, "bash") == 0)
        bash_completion(verbs, n, to);
    else if (strcmp(shell, "zsh") == 0)
        zsh_completion(verbs, n, to);
    else {
        fprintf(stderr, "tessera: --completion wants `bash` or `zsh`, found `%s`\n", cli_shown(shell));
        return 2;
    }
    return 0;
}
