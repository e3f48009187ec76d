/* Suggestions for an unknown verb, which is often a word of another program or a stage, not a misspelling.
 *
 * SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

/* Verbs of other programs, with the tessera command that does the same. */
static const struct {
    const char *words, *advice;
} other[] = {
    {"resume continue restart rerun go start execute", "`tessera run P.yaml` goes on where it was stopped, and begins where nothing was"},
    {"stop kill cancel", "Ctrl-C stops a run with a checkpoint; `tessera run P.yaml` resumes at it"},
    {"clean clear prune purge gc rm remove delete reset", "nothing of a run lies outside its folder runs/NAME and the artefacts in "
                                                          "runs/.cache, which may be deleted: what is missing is computed "
                                                          "again"},
    {"train fit finetune fine-tune learn",
     "training is a stage of a pipeline: `tessera run P.yaml`; `tessera plugins stage` has the stages"},
    {"status st state progress check validate verify lint dry-run dryrun explain",
     "`tessera plan P.yaml` checks a pipeline and says what is done and what is not; `tessera inspect --verify FILE` checks a file, "
     "`tessera archive verify` an archive"},
    {"ls list stages plugin describe components",
     "`tessera plugins` lists what there is; results are files in runs/NAME, see `tessera inspect`"},
    {"info cat dump print stat head logs tail", "`tessera inspect FILE` says what is in a file, `tessera log RUN` what a run did"},
    {"compare difference", "`tessera diff A B` says in what two runs differ, `tessera table` puts any number side by side"},
    {"show display open draw plot preview image images", "`tessera view FILE` shows the images of an artefact"},
    {"merge split shard repair", "`tessera archive merge`, `split` and `repair` work on archives of codes"},
    {"convert load", "`tessera import` reads a model of others, `tessera export` writes one"},
    {"save", "`tessera export` writes a model for others"},
    {"init new create template", "a pipeline begins as a copy of one in `pipelines`, or with `extends`: see docs/pipelines.md"},
    {"benchmark profile time speed", "`tessera bench` measures how fast the standard workloads run here"},
    {"version --versions", "`tessera --version` says it"},
    {"install update upgrade", "plugins are files in a folder that --plugin-path names: see `tessera plugins --why`"},
};

static int is_among(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; *at; at += strcspn(at, " "), at += strspn(at, " "))
        if (strcspn(at, " ") == length && strncmp(at, word, length) == 0)
            return 1;
    return 0;
}

static int ends_in(const char *word, const char *end)
{
    size_t n = strlen(word), m = strlen(end);
    return n > m && strcmp(word + n - m, end) == 0;
}

/* Nearest verb, for a misspelling. A short word is near where one letter is another: two of five letters are another word. */
static const char *near_verb(const char *word, const char *const *names, size_t n)
{
    const char *nearest = tessi_base_nearest_name(word, names, (int64_t)n);
    size_t same = 0;
    if (!nearest || strlen(word) > 5)
        return nearest;
    size_t a = strlen(word), b = strlen(nearest), shorter = a < b ? a : b, back = 0;
    while (same < shorter && word[same] == nearest[same])
        same++;
    while (back < shorter - same && word[a - 1 - back] == nearest[b - 1 - back])
        back++;
    int swapped = a == b && same + 2 + back == a && word[same] == nearest[same + 1] && word[same + 1] == nearest[same];
    return same + back + 1 >= (a > b ? a : b) || swapped ? nearest : NULL;
}

/* 1 for a stage's name, or the beginning of one; *name is the first such stage. */
static int is_stage(const char *word, char *name, size_t capacity)
{
    const struct tessi_runtime_options quiet = {.level = TESSI_QUIET};
    struct tessi_context context;
    struct tessi_runtime *r = NULL;
    const struct tess_component *k;
    tessi_base_context_init(&context, NULL);
    *name = '\0';
    if (strlen(word) < 4 || tessi_host_runtime_new(&context.context, &quiet, &r) != TESS_OK)
        return 0;
    for (int64_t i = 0; !*name && (k = tessi_plug_registry_component(r->registry, i, NULL)); i++)
        if (strcmp(k->kind, "stage/1") == 0 && strncmp(k->name, word, strlen(word)) == 0)
            snprintf(name, capacity, "%s", k->name);
    tessi_host_runtime_free(r);
    return *name != '\0';
}

int cli_unknown_verb(const char *word, const char *const *names, size_t n)
{
    char stage[80];
    const char *nearest = near_verb(word, names, n);
    fprintf(stderr, "tessera: there is no verb `%s`; ", word);
    if (ends_in(word, ".yaml") || ends_in(word, ".yml")) {
        fprintf(stderr, "did you mean `run %s`, or `plan %s`?\n", word, word);
        return 2;
    }
    if (ends_in(word, ".h5")) {
        fprintf(stderr, "did you mean `inspect %s`, or `view %s`?\n", word, word);
        return 2;
    }
    if (nearest) {
        fprintf(stderr, "did you mean `%s`?\n", nearest);
        return 2;
    }
    for (size_t i = 0; i < sizeof other / sizeof *other; i++)
        if (is_among(other[i].words, word)) {
            fprintf(stderr, "%s\n", other[i].advice);
            return 2;
        }
    if (is_stage(word, stage, sizeof stage))
        fprintf(stderr, "`%s` is a stage of pipelines (`tessera plugins stage/%s`), which `tessera run P.yaml` runs\n", stage, stage);
    else {
        fputs("there are", stderr);
        for (size_t i = 0; i < n; i++)
            fprintf(stderr, "%s %s", i ? "," : "", names[i]);
        fputs("; see `tessera --help`\n", stderr);
    }
    return 2;
}
