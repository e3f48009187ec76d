/* Parameters for tests: drawn from a component's table, written as a pipeline writes them.
 *
 * Two ways of drawing. Over the whole range, its ends among them, for what only opens a component. Near the defaults, for what then
 * computes with it: most parameters keep their default, whole numbers are drawn by their order of magnitude, so that models stay small.
 *
 * SPDX-License-Identifier: MIT */
#include "core/judge/judge_private.h"
#include "core/base/text.h"
#include "core/config/yaml.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PARAMS_MORE = 24 /* most variants drawn until one fits */ };

struct writer {
    struct judge *j;
    int64_t v;
    int how, wrote;
    char *text;
    size_t capacity;
};

/* The value that the user gave for a parameter: KEY=VALUE, or KIND/NAME.KEY=VALUE. */
static const char *params_set(const struct judge *j, const char *name)
{
    char full[256];
    snprintf(full, sizeof full, "%.*s/%s.%s=", tessi_plug_kind_length(j->component->kind), j->component->kind, j->component->name, name);
    for (int32_t i = 0; i < j->options->sets; i++) {
        const char *set = j->options->set[i];
        size_t length = strlen(name);
        if (strncmp(set, full, strlen(full)) == 0)
            return set + strlen(full);
        if (strncmp(set, name, length) == 0 && set[length] == '=')
            return set + length + 1;
    }
    return NULL;
}

static void params_write(struct writer *w, const char *name, const char *value)
{
    tessi_base_add(w->text, w->capacity, ", %s: %s", name, value);
    w->wrote++;
}

/* Draws an integer in lo .. hi; the order of magnitude is drawn first. */
static int64_t params_whole(const struct writer *w, const struct tess_param *p, int64_t k, double hi)
{
    double u = judge_draw(w->j, p->name, w->v, 3 * k), lo = p->lo;
    if (hi <= lo)
        return (int64_t)lo;
    double value = lo < 0 ? lo + u * (hi - lo) : exp(log(lo + 1.0) + u * (log(hi + 1.0) - log(lo + 1.0))) - 1.0;
    value = floor(value + 0.5);
    return (int64_t)(value < lo ? lo : value > hi ? hi : value);
}

/* Upper end of the range near the default: four times the default; where that is 0, 16 or a half. */
static double params_limit(const struct writer *w, const struct tess_param *p)
{
    double near =
        p->type == TESS_F64 || p->type == TESS_LIST_F64 ? (fabs(p->def) > 0 ? 4.0 * fabs(p->def) : 0.5) : 4.0 * fmax(fabs(p->def), 4.0);
    return w->how == JUDGE_WIDE || p->hi < near ? p->hi : near;
}

/* Draws a real number: a quarter of them at one end, a quarter at the other where the whole range is meant. */
static double params_real(const struct writer *w, const struct tess_param *p)
{
    double u = judge_draw(w->j, p->name, w->v, 1), where = judge_draw(w->j, p->name, w->v, 2), hi = params_limit(w, p);
    if (where < 0.25)
        return p->lo;
    if (where < 0.5)
        return hi;
    return p->lo + u * (hi - p->lo);
}

static void params_list(struct writer *w, const struct tess_param *p)
{
    char text[600] = "[";
    int64_t n = 1 + judge_draw_below(w->j, p->name, w->v, 5, w->how == JUDGE_WIDE ? TESS_LIST_MAX : 4);
    for (int64_t i = 0; i < n; i++)
        if (p->type == TESS_LIST)
            tessi_base_add(text, sizeof text, "%s%lld", i ? ", " : "",
                           (long long)params_whole(w, p, 10 + i, w->how == JUDGE_WIDE || p->hi < 8 ? p->hi : 8));
        else
            tessi_base_add(text, sizeof text, "%s%.17g", i ? ", " : "",
                           p->lo + judge_draw(w->j, p->name, w->v, 10 + i) * (params_limit(w, p) - p->lo));
    tessi_base_add(text, sizeof text, "]");
    params_write(w, p->name, text);
}

/* Writes the default halved a few times: divisors of it are mostly still divisors. */
static void params_halve(struct writer *w, const struct tess_param *p)
{
    char text[64];
    int64_t value = p->type == TESS_I64 && p->def >= 1 ? (int64_t)p->def : 0;
    for (int64_t times = judge_draw_below(w->j, p->name, w->v, 6, 6); times > 0 && value > 1 && (double)(value / 2) >= p->lo; times--)
        value /= 2;
    if (value < 1 || value == (int64_t)p->def)
        return;
    snprintf(text, sizeof text, "%lld", (long long)value);
    params_write(w, p->name, text);
}

static void params_draw(struct writer *w, const struct tess_param *p)
{
    char text[128], option[80];
    int64_t n = 0;
    if (w->how == JUDGE_NEAR && judge_draw(w->j, p->name, w->v, 0) < 0.5)
        return;
    switch (p->type) {
    case TESS_BOOL:
        params_write(w, p->name, judge_draw_below(w->j, p->name, w->v, 4, 2) ? "true" : "false");
        break;
    case TESS_I64:
        snprintf(text, sizeof text, "%lld", (long long)params_whole(w, p, 1, params_limit(w, p)));
        params_write(w, p->name, text);
        break;
    case TESS_F64:
        snprintf(text, sizeof text, "%.17g", params_real(w, p));
        params_write(w, p->name, text);
        break;
    case TESS_ENUM:
        while (tessi_plug_option(p, n, option, sizeof option))
            n++;
        if (n && tessi_plug_option(p, judge_draw_below(w->j, p->name, w->v, 4, n), option, sizeof option))
            params_write(w, p->name, option);
        break;
    case TESS_LIST:
    case TESS_LIST_F64:
        params_list(w, p);
        break;
    default: /* texts and components keep their default */
        break;
    }
}

/* Writes a required parameter. A component is the first of its kind; numbers are drawn; a text cannot be guessed. */
static int params_required(struct writer *w, const struct tess_param *p)
{
    char kind[80], like[80], text[128];
    const char *other;
    if (p->type == TESS_STR)
        return judge_skip(w->j, "the parameter `%s` (%s) has no default; give one with --set %s=VALUE", p->name, p->help, p->name);
    if (p->type == TESS_COMPONENT) {
        if (!tessi_plug_component_text(p, kind, sizeof kind, like, sizeof like) ||
            !(other = judge_other(w->j, kind, w->j->component->name)))
            return judge_skip(w->j, "the parameter `%s` wants a component, and no %s opens with its defaults; give one with --set %s=NAME",
                              p->name, p->text, p->name);
        params_write(w, p->name, other);
        return TESS_OK;
    }
    int how = w->how;
    w->how = JUDGE_WIDE;
    if (p->type == TESS_I64) {
        snprintf(text, sizeof text, "%lld", (long long)params_whole(w, p, 1, fmin(p->hi, fmax(64.0, p->lo))));
        params_write(w, p->name, text);
    } else {
        params_draw(w, p);
    }
    w->how = how;
    return TESS_OK;
}

static int params_variant(struct judge *j, int64_t v, int how, const char *name, const char *value)
{
    const struct tess_param *p;
    struct writer w = {.j = j, .v = v, .how = how, .text = j->verdict->config, .capacity = sizeof j->verdict->config};
    snprintf(w.text, w.capacity, "{use: %s", j->component->name);
    for (int64_t i = 0; (p = tessi_plug_param_at(j->component, i)); i++) {
        const char *set = params_set(j, p->name);
        if (name && strcmp(p->name, name) == 0)
            params_write(&w, p->name, value);
        else if (set)
            params_write(&w, p->name, set);
        else if (p->flags & TESS_REQUIRED)
            JUDGE_TRY(params_required(&w, p));
        else if (how == JUDGE_SMALL)
            params_halve(&w, p);
        else if (v > 0)
            params_draw(&w, p);
    }
    tessi_base_add(w.text, w.capacity, "}");
    return TESS_OK;
}

int judge_variant(struct judge *j, int64_t v, int how)
{
    return params_variant(j, v, how, NULL, NULL);
}

int judge_variant_with(struct judge *j, const char *name, const char *value)
{
    return params_variant(j, 0, JUDGE_NEAR, name, value);
}

static int params_open(struct judge *j, struct tess_context *ctx, const char *kind, const char *text, int open, struct tess_instance **out)
{
    struct tessi_config *config = NULL;
    *out = NULL;
    tess_forget(ctx);
    TESS_TRY(tessi_config_yaml_parse(ctx, text, strlen(text), "parameters", &config));
    int status = tessi_plug_instance_new(ctx, j->runtime->registry, kind, config, NULL, NULL, open, out);
    tessi_config_free(config);
    return status;
}

int judge_open(struct judge *j, struct tess_context *ctx, int open, struct tess_instance **out)
{
    return params_open(j, ctx, j->component->kind, j->verdict->config, open, out);
}

const char *judge_other(struct judge *j, const char *kind, const char *not_this)
{
    const struct tess_component *k;
    struct tess_instance *i;
    for (int64_t at = 0; (k = tessi_plug_registry_component(j->runtime->registry, at, NULL)); at++) {
        if (strcmp(k->kind, kind) != 0 || strcmp(k->name, not_this) == 0)
            continue;
        int status = params_open(j, j->ctx, kind, k->name, 1, &i);
        tess_instance_close(i);
        tess_forget(j->ctx);
        if (status == TESS_OK)
            return k->name;
    }
    return NULL;
}

int judge_over(struct judge *j, int64_t variants, int (*body)(struct judge *j, struct tess_instance *i))
{
    int64_t ran = 0;
    char why[sizeof j->verdict->text] = "";
    for (int64_t v = 0; v < variants || (!ran && v < variants + PARAMS_MORE); v++) {
        struct tess_instance *i;
        JUDGE_TRY(judge_variant(j, v, v < variants ? JUDGE_NEAR : JUDGE_SMALL));
        int status = judge_open(j, j->ctx, 1, &i);
        if (status != TESS_OK) { /* other tests report this failure */
            if (v == 0)
                snprintf(why, sizeof why, "%.1000s", tess_message(j->ctx));
            continue;
        }
        status = body(j, i);
        tess_instance_close(i);
        tess_forget(j->ctx);
        if (status == JUDGE_UNFIT) {
            if (*why == '\0' && *j->verdict->text)
                memcpy(why, j->verdict->text, sizeof why);
            *j->verdict->text = '\0';
            continue;
        }
        if (status != TESS_OK)
            return status;
        ran++;
    }
    return ran ? TESS_OK
               : judge_skip(j, "there is nothing to try it with: %.1000s", *why ? why : "whatever is drawn wants too much time or memory");
}
