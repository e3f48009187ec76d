/* Why a stage will run, said from the artefact its last run left in the run's folder: the parameter, input, seed, numeric mode,
 * results' epoch or plugin that is not what it was.
 *
 * SPDX-License-Identifier: MIT */
#include "core/flow/files.h"
#include "core/flow/load.h"
#include "core/flow/flow_private.h"
#include "core/flow/yaml.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TOLD 3

struct changes {
    char *text;
    size_t room;
    int64_t found;
};

static void TESS_PRINTF(2, 3) add(struct changes *k, const char *format, ...)
{
    size_t used = strlen(k->text);
    va_list list;
    if (k->found++ >= MAX_TOLD)
        return;
    if (used) {
        snprintf(k->text + used, k->room - used, "; ");
        used = strlen(k->text);
    }
    va_start(list, format);
    vsnprintf(k->text + used, k->room - used, format, list);
    va_end(list);
}

static void compare_values(struct tess_call *c, struct changes *k, const char *name, const struct tessi_spec *then,
                           const struct tessi_spec *now)
{
    char *a = NULL, *b = NULL;
    if (tessi_spec_print(c, then, &a) == TESS_OK && tessi_spec_print(c, now, &b) == TESS_OK && strcmp(a, b) != 0)
        add(k, "%s: %.60s -> %.60s", name, a, b);
    tess_free(a);
    tess_free(b);
}

/* `now` holds only what counts for the key; `then` may hold more. */
static void compare(struct tess_call *c, struct changes *k, const char *where, const struct tessi_spec *then, const struct tessi_spec *now)
{
    for (const struct tessi_spec *child = now->child; child; child = child->next) {
        char name[256];
        const struct tessi_spec *old = tessi_spec_child(then, child->key), *use = tessi_spec_child(child, "use");
        const struct tessi_spec *old_use = tessi_spec_child(old, "use");
        snprintf(name, sizeof name, "%s%s%s", where, *where ? "." : "", child->key);
        if (!old) {
            add(k, "%s is new", name);
        } else if (use && old_use && strcmp(use->text, old_use->text) != 0) {
            add(k, "%s.use: %.60s -> %.60s", name, old_use->text, use->text);
        } else if (child->kind == TESSI_MAP && old->kind == TESSI_MAP) {
            compare(c, k, name, old, child);
        } else {
            compare_values(c, k, name, old, child);
        }
    }
}

static void compare_parameters(struct tess_call *c, struct changes *k, const struct tessi_stage *s, const char *then_text)
{
    const char *now_text = tess_instance_spec(s->instance);
    struct tessi_spec *then = NULL, *now = NULL;
    if (then_text && tessi_yaml_parse(c, then_text, strlen(then_text), "then", &then) == TESS_OK &&
        tessi_yaml_parse(c, now_text, strlen(now_text), "now", &now) == TESS_OK) {
        const struct tessi_spec *old_use = tessi_spec_child(then, "use");
        if (old_use && strcmp(old_use->text, s->component->name) != 0)
            add(k, "use: %.60s -> %s", old_use->text, s->component->name);
        else
            compare(c, k, "", then, now);
    }
    tessi_spec_free(then);
    tessi_spec_free(now);
}

static void compare_inputs(struct changes *k, const struct tessi_pipeline *p, const struct tessi_stage *s, const struct tess_artefact *a)
{
    char name[128];
    for (int64_t i = 0; i < s->inputs; i++) {
        const struct tessi_input *in = &s->input[i];
        const char *now = in->at ? tessi_input_digest(p, in) : NULL;
        snprintf(name, sizeof name, "input/%s", in->port->name);
        const char *then = tessi_artefact_provenance(a, name);
        if (!now && then)
            add(k, "input `%s` is gone", in->port->name);
        else if (now && !then)
            add(k, "input `%s` is new", in->port->name);
        else if (now && *now && strcmp(now, then) != 0)
            add(k, "input `%s` changed: %.12s... -> %.12s...", in->port->name, then, now);
    }
    const char *files = tessi_artefact_provenance(a, "input/" TESSI_FILES_INPUT);
    if (strcmp(files ? files : "", s->files) != 0)
        add(k, "the files it reads changed");
}

/* "KIND NAME, PLUGIN VERSION; ...": the parameters are the same, so the parts of both lists stand side by side. */
static void compare_plugins(struct changes *k, const char *then, const char *now)
{
    while (*then || *now) {
        size_t old = strcspn(then, ";"), new = strcspn(now, ";");
        if (old != new || memcmp(then, now, new) != 0)
            add(k, "plugin: %.*s -> %.*s", old < 100 ? (int)old : 100, then, new < 100 ? (int)new : 100, now);
        then += old + (then[old] ? strspn(then + old, "; ") : 0);
        now += new + (now[new] ? strspn(now + new, "; ") : 0);
    }
}

static void compare_rest(struct changes *k, const struct tessi_pipeline *p, const struct tessi_stage *s, const struct tess_artefact *a)
{
    char seed[40];
    const char *then = tessi_artefact_provenance(a, "seed");
    snprintf(seed, sizeof seed, "%" PRIu64, s->seed);
    if (then && strcmp(then, seed) != 0)
        add(k, "seed: %s -> %s", then, seed);
    then = tessi_artefact_provenance(a, "numeric_mode");
    if (then && strcmp(then, p->runtime->numeric_mode) != 0)
        add(k, "numeric mode: %s -> %s", then, p->runtime->numeric_mode);
    char epoch[16];
    snprintf(epoch, sizeof epoch, "%d", TESS_EPOCH);
    then = tessi_artefact_provenance(a, "epoch");
    if (strcmp(then ? then : "", epoch) != 0)
        add(k, "the results' epoch was %s, now %s", then ? then : "not told", epoch);
    /* A changed `use` changes the plugins too, and has been told. */
    then = tessi_artefact_provenance(a, "plugin");
    if (k->found == 0 && then)
        compare_plugins(k, then, s->plugins);
}

static const char *waits_for(const struct tessi_pipeline *p, const struct tessi_stage *s)
{
    for (int64_t i = 0; i < s->inputs; i++)
        if (s->input[i].at && !*tessi_input_digest(p, &s->input[i]))
            return s->input[i].port->name;
    return NULL;
}

void tessi_stage_reason(const struct tessi_pipeline *p, struct tessi_stage *s)
{
    struct tessi_call own;
    struct tess_artefact *a = NULL;
    struct changes k = {s->reason, sizeof s->reason, 0};
    const char *waiting = waits_for(p, s);
    s->reason[0] = '\0';
    if (s->forced) {
        s->state = TESSI_FORCED;
        snprintf(s->reason, sizeof s->reason, "--force");
        return;
    }
    tessi_call_init(&own, &p->runtime->host);
    int before = tessi_is_file(s->path);
    int status = before ? tessi_artefact_open(&own.call, s->path, &a) : TESS_OK;
    if (before && status == TESS_OK) {
        compare_parameters(&own.call, &k, s, tessi_artefact_provenance(a, "parameters"));
        compare_inputs(&k, p, s, a);
        compare_rest(&k, p, s, a);
        if (k.found > MAX_TOLD) {
            size_t used = strlen(s->reason);
            snprintf(s->reason + used, sizeof s->reason - used, "; and %lld more", (long long)(k.found - MAX_TOLD));
        }
    }
    tessi_artefact_close(a);

    s->state = k.found ? TESSI_CHANGED : TESSI_NEW;
    if (waiting) {
        size_t used = strlen(s->reason);
        s->state = TESSI_INPUT_RUNS;
        snprintf(s->reason + used, sizeof s->reason - used, "%sinput `%s` will be computed", used ? "; " : "", waiting);
    } else if (!k.found) {
        snprintf(s->reason, sizeof s->reason, "%s",
                 !before  ? "not computed yet"
                 : status ? "its artefact cannot be read"
                          : "its artefact is damaged or gone");
    }
}
