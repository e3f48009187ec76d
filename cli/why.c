/* `tessera why`: what forces a stage to run, or since when it is cached. SPDX-License-Identifier: MIT */
#include "cli/plan.h"
#include "core/base/json.h"
#include "core/flow/file_list.h"
#include "core/flow/why.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- text ---------------------------------------------------------------------------------------------------------- */

static const char *why_value(const char *value)
{
    return value ? *value ? cli_shown(value) : "to be computed" : "none";
}

/* Name of what changed, as a sentence begins: "parameter `steps`". */
static void why_name(const struct tessi_change *c)
{
    switch (c->kind) {
    case TESSI_CHANGE_PARAMETER:
        printf("parameter `%s`", cli_shown(c->name));
        break;
    case TESSI_CHANGE_INPUT:
        printf("input `%s`", cli_shown(c->name));
        break;
    case TESSI_CHANGE_FILE:
        printf(*c->name ? "file %s" : "the files it reads%s", cli_shown(c->name));
        break;
    case TESSI_CHANGE_SEED:
        printf("seed");
        break;
    case TESSI_CHANGE_MODE:
        printf("numeric mode");
        break;
    case TESSI_CHANGE_CORE:
        printf(strcmp(c->name, "abi") == 0 ? "major version of the plugin boundary" : "results' epoch of the core");
        break;
    default:
        printf("plugin");
    }
}

static void why_change(const struct tessi_change *c)
{
    int digests = c->kind == TESSI_CHANGE_INPUT || c->kind == TESSI_CHANGE_FILE;
    why_name(c);
    if (c->kind == TESSI_CHANGE_PLUGIN && c->detail)
        printf(" %s was %s", why_value(c->now), c->detail);
    else
        printf(": %s%s -> %s", digests && c->before ? "sha256 " : "", why_value(c->before), why_value(c->now));
    if (c->before_path)
        printf("; it was %s", cli_shown(c->before_path));
    if (c->kind != TESSI_CHANGE_PLUGIN && c->detail)
        printf("; %s", cli_shown(c->detail));
}

/* The stages from the cause to the one that was asked about: " (tokenizer -> codes -> prior)". */
static void why_chain(const struct tessi_pipeline *p, const struct tessi_why *w, int64_t step)
{
    const char *use;
    if (w->step[step].reader < 0)
        return;
    for (int64_t i = step; i >= 0; i = w->step[i].reader)
        printf("%s%s", i == step ? "  (" : " -> ", cli_shown(tessi_flow_why_stage(p, w->step[i].stage, &use)));
    printf(")");
}

static void why_result(const struct tessi_result *r)
{
    char time[24];
    printf("%s, of %s", cli_shown(r->path), tessi_flow_file_time(r->time, time));
    if (r->run)
        printf(", computed by run `%s`%s%s%s", cli_shown(r->run), r->run_id ? " (" : "", r->run_id ? cli_shown(r->run_id) : "",
               r->run_id ? " in its log)" : "");
    printf(", as stage `%s`", cli_shown(r->stage));
}

/* Text for a stage that runs though there is no earlier result, or none that differs. */
static const char *why_bare(const struct tessi_why *w, const struct tessi_why_step *s)
{
    if (s->state == TESSI_FORCED)
        return "--force";
    if (!s->earlier)
        return "it never ran: there is no result of it in the cache";
    return w->step == s ? "its result is gone from the cache, or damaged"
                        : "an earlier result of it was read, or it is gone from the cache";
}

static void why_causes(const struct tessi_pipeline *p, const struct tessi_why *w)
{
    const char *use;
    for (int64_t i = 0; i < w->steps; i++) {
        const struct tessi_why_step *s = &w->step[i];
        const char *name = cli_shown(tessi_flow_why_stage(p, s->stage, &use));
        if (!s->repeated && (s->changes.count == 0 || s->state == TESSI_FORCED)) {
            printf("  %s: %s", name, why_bare(w, s));
            why_chain(p, w, i);
            putchar('\n');
        }
        for (int64_t k = 0; k < s->changes.count; k++)
            if (tessi_flow_why_is_cause(p, w, i, &s->changes.item[k])) {
                printf("  %s: ", name);
                why_change(&s->changes.item[k]);
                why_chain(p, w, i);
                putchar('\n');
            }
    }
}

static void why_others(const struct tessi_why *w, const char *use)
{
    if (!w->others)
        return;
    printf("\nother results of %s, made with other values (theirs -> now)\n", cli_shown(use));
    for (int64_t i = 0; i < w->others; i++) {
        printf("  ");
        why_result(w->other[i].result);
        putchar('\n');
        for (int64_t k = 0; k < w->other[i].changes.count; k++) {
            printf("    ");
            why_change(&w->other[i].changes.item[k]);
            putchar('\n');
        }
    }
}

static void why_show(const struct tessi_pipeline *p, const struct tessi_why *w, const struct tessi_stage_view *v)
{
    char time[24];
    const char *use, *name = cli_shown(tessi_flow_why_stage(p, w->stage, &use));
    if (v->state == TESSI_CACHED) {
        printf("%s (%s) is cached", name, cli_shown(use));
        if (w->cached)
            printf(" since %s", tessi_flow_file_time(w->cached->time, time));
        printf(": nothing forces it to run\n");
        if (w->cached) {
            printf("  ");
            why_result(w->cached);
            putchar('\n');
        }
        return;
    }
    printf("%s (%s) will run", name, cli_shown(use));
    printf(w->step[0].earlier ? ", because of\n" : "\n");
    why_causes(p, w);
    if (v->total > 0)
        printf("its checkpoint has done %" PRId64 " of %" PRId64 "\n", v->done, v->total);
    printf(w->step[0].earlier ? "\ncompared with\n" : "");
    for (int64_t i = 0; i < w->steps; i++)
        if (w->step[i].earlier) {
            printf("  %s: ", cli_shown(tessi_flow_why_stage(p, w->step[i].stage, &name)));
            why_result(w->step[i].earlier);
            putchar('\n');
        }
    why_others(w, use);
}

/* ---- JSON ---------------------------------------------------------------------------------------------------------- */

static void why_json_pair(const char *name, const char *value, int more)
{
    tessi_base_json_text(stdout, name);
    putchar(':');
    tessi_base_json_text(stdout, value); /* NULL is null */
    if (more)
        putchar(',');
}

static void why_json_result(const struct tessi_result *r)
{
    char time[24];
    if (!r) {
        fputs("null", stdout);
        return;
    }
    putchar('{');
    why_json_pair("path", r->path, 1);
    why_json_pair("key", r->key, 1);
    why_json_pair("digest", r->digest, 1);
    why_json_pair("stage", r->stage, 1);
    why_json_pair("time", tessi_flow_file_time(r->time, time), 1);
    why_json_pair("run", r->run, 1);
    why_json_pair("run_id", r->run_id, 0);
    putchar('}');
}

static void why_json_changes(const struct tessi_changes *changes)
{
    static const char *const kinds[] = {"parameter", "input", "file", "seed", "numeric_mode", "core", "plugin"};
    putchar('[');
    for (int64_t i = 0; i < changes->count; i++) {
        const struct tessi_change *c = &changes->item[i];
        fputs(i ? ",{" : "{", stdout);
        why_json_pair("kind", kinds[c->kind], 1);
        why_json_pair("name", c->name, 1);
        why_json_pair("before", c->before, 1);
        why_json_pair("now", c->now, 1);
        why_json_pair("before_path", c->before_path, 1);
        why_json_pair("detail", c->detail, 0);
        putchar('}');
    }
    putchar(']');
}

/* Steps as a list: each with its stage, the stage that reads it, the result it is compared with, and the changes. */
static void why_json(const struct tessi_pipeline *p, const struct tessi_why *w, const struct tessi_stage_view *v)
{
    static const char *const states[] = {"cached", "new", "changed", "input", "forced"};
    const char *use, *name = tessi_flow_why_stage(p, w->stage, &use);
    putchar('{');
    why_json_pair("stage", name, 1);
    why_json_pair("use", use, 1);
    why_json_pair("state", states[v->state], 1);
    why_json_pair("key", v->key && *v->key ? v->key : NULL, 1);
    fputs("\"cached\":", stdout);
    why_json_result(w->cached);
    printf(",\"done\":%" PRId64 ",\"done_of\":%" PRId64 ",\"steps\":[", v->done, v->total);
    for (int64_t i = 0; i < w->steps; i++) {
        const struct tessi_why_step *s = &w->step[i];
        fputs(i ? ",{" : "{", stdout);
        why_json_pair("stage", tessi_flow_why_stage(p, s->stage, &use), 1);
        why_json_pair("use", use, 1);
        why_json_pair("state", states[s->state], 1);
        why_json_pair("read_by", s->reader < 0 ? NULL : tessi_flow_why_stage(p, w->step[s->reader].stage, &use), 1);
        why_json_pair("as_input", s->port, 1);
        printf("\"told_above\":%s,\"earlier\":", s->repeated ? "true" : "false");
        why_json_result(s->earlier);
        fputs(",\"changes\":", stdout);
        why_json_changes(&s->changes);
        putchar('}');
    }
    fputs("],\"others\":[", stdout);
    for (int64_t i = 0; i < w->others; i++) {
        fputs(i ? ",{\"result\":" : "{\"result\":", stdout);
        why_json_result(w->other[i].result);
        fputs(",\"changes\":", stdout);
        why_json_changes(&w->other[i].changes);
        putchar('}');
    }
    puts("]}");
}

/* ---- the verb ------------------------------------------------------------------------------------------------------ */

static int why_print(struct tess_context *ctx, const struct tessi_pipeline *p, const struct cli_options *o)
{
    struct tessi_why w;
    struct tessi_stage_view v;
    int64_t i = 0;
    int status = tessi_flow_why(ctx, p, o->stage, &w);
    while (status == TESS_OK && i < tessi_flow_pipeline_count(p)) {
        tessi_flow_pipeline_stage(p, i, &v);
        if (strcmp(v.name, o->stage) == 0)
            break;
        i++;
    }
    if (status == TESS_OK && i == tessi_flow_pipeline_count(p))
        status = ctx->fail(ctx, TESS_E_USAGE, "stage `%s` comes after --until %s", o->stage, o->options.until);
    if (status == TESS_OK)
        (o->json ? why_json : why_show)(p, &w, &v);
    tessi_flow_why_free(&w);
    return status;
}

static int why(struct cli_globals *g, int argc, char **argv)
{
    static struct cli_options o;
    struct tessi_context context;
    struct tessi_runtime *r = NULL;
    struct tessi_pipeline *p = NULL;
    int code = cli_options_read_stage(g, &cli_why, argc, argv, &o);
    if (code)
        return code;
    tessi_base_context_init(&context, NULL);
    int status = cli_options_open(&context.context, g, &o, &r, &p);
    if (status == TESS_OK)
        status = why_print(&context.context, p, &o);
    code = status == TESS_OK ? 0 : cli_failed(&context.context, status);
    tessi_flow_pipeline_free(p);
    tessi_host_runtime_free(r);
    return code;
}

static const struct cli_flag flags[] = {CLI_PIPELINE_FLAGS("as if this stage were not cached (may be repeated)"),
                                        {.name = "--json", .help = "as one JSON object", .type = CLI_SWITCH, CLI_OPTION(json)},
                                        {.name = NULL}};

const struct cli_verb cli_why = {
    .name = "why",
    .summary = "name what forces a stage to run",
    .arguments = "P.yaml STAGE [key=value ...]",
    .description = "Compares the stage with the result in the run's folder, else with the nearest earlier one in the cache, and names\n"
                   "the parameter, file (with its first different byte where the earlier one is still there), plugin, version or seed\n"
                   "that differs; where an input differs, the same of the stage that makes it. Of a cached stage: since when, and by\n"
                   "which run. All other results of such a stage follow, with what they differ in.\n",
    .flags = flags,
    .run = why,
};
