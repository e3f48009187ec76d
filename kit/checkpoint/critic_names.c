/* See critic_names.h. SPDX-License-Identifier: MIT */
#include "kit/checkpoint/critic_names.h"

#include "kit/checkpoint/name_table.h"

#include <stdio.h>
#include <string.h>

enum { LAYERS_MAX = 8 };

static const struct tess_entry *critic_names_layer(const struct tess_import_plan *p, const char *prefix, int64_t place)
{
    char format[TESS_ENTRY_NAME];
    (void)snprintf(format, sizeof format, "%smain.%%d.weight", prefix);
    return name_find(p, format, place);
}

static int critic_names_ends(const char *name, const char *ending)
{
    size_t n = strlen(name), e = strlen(ending);
    return n >= e && strcmp(name + n - e, ending) == 0;
}

static int critic_names_is_statistic(const char *name)
{
    return critic_names_ends(name, ".running_mean") || critic_names_ends(name, ".running_var") ||
           critic_names_ends(name, ".num_batches_tracked");
}

/* 1 when the tensor at this place of the list is what critic/1 `patchgan` has there: kernels of 4 x 4, `in` channels to `out`. */
static int critic_names_fits(const struct tess_entry *e, int64_t out, int64_t in)
{
    return e && e->is_real && e->rank == 4 && e->dim[0] == out && e->dim[1] == in && e->dim[2] == 4 && e->dim[3] == 4;
}

/* 1 when all widths are those of the network and nothing is there beside it: no other norm, no bias where it has none. */
static int critic_names_is_whole(const struct tess_import_plan *p, const char *prefix, int64_t layers)
{
    const struct tess_entry *first = critic_names_layer(p, prefix, 0);
    int64_t width = first->dim[0], found = 0, in = width;
    if (!critic_names_fits(first, width, first->dim[1]))
        return 0;
    for (int64_t i = 1; i <= layers; i++) {
        const struct tess_entry *norm = critic_names_layer(p, prefix, 3 * i);
        int64_t out = width << (i < 3 ? i : 3);
        if (!critic_names_fits(critic_names_layer(p, prefix, 3 * i - 1), out, in) || norm->dim[0] != out)
            return 0;
        in = out;
    }
    if (!critic_names_fits(critic_names_layer(p, prefix, 3 * layers + 2), 1, in))
        return 0;
    for (int64_t i = 0; i < p->entries; i++)
        found += strncmp(p->entry[i].name, prefix, strlen(prefix)) == 0 && !critic_names_is_statistic(p->entry[i].name);
    return found == 4 + 3 * layers;
}

/* A convolution at 0; convolution and norm at 3 n - 1 and 3 n; a convolution to one channel. 0 layers: it is something else. */
static int64_t count_layers(const struct tess_import_plan *p, const char *prefix)
{
    const struct tess_entry *first = critic_names_layer(p, prefix, 0), *last;
    int64_t n = 0;
    if (!first || first->rank != 4)
        return 0;
    for (; n < LAYERS_MAX; n++) {
        const struct tess_entry *convolution = critic_names_layer(p, prefix, 3 * n + 2), *norm = critic_names_layer(p, prefix, 3 * n + 3);
        if (!convolution || convolution->rank != 4 || !norm || norm->rank != 1)
            break;
    }
    last = critic_names_layer(p, prefix, 3 * n + 2);
    return last && last->rank == 4 && last->dim[0] == 1 && n > 0 && critic_names_is_whole(p, prefix, n) ? n : 0;
}

static void critic_names_leave(struct tess_import_use *use, const char *why)
{
    use->ours[0] = '\0';
    use->left = why;
}

int critic_import(struct tess_context *ctx, struct tess_import_plan *p, const char *prefix, const char *range, int64_t height,
                  int64_t width)
{
    char config_text[120];
    int64_t layers = count_layers(p, prefix), side = height < width ? height : width;
    int fits = layers > 0 && side >> layers >= 3; /* what patchgan wants */
    for (int64_t i = 0; i < p->entries; i++) {
        const char *name = p->entry[i].name;
        if (strncmp(name, prefix, strlen(prefix)) != 0)
            continue;
        if (layers == 0)
            critic_names_leave(&p->use[i],
                               "a discriminator of a kind that is not known here; training that starts from the model has a new one");
        else if (!fits)
            critic_names_leave(&p->use[i],
                               "a discriminator of larger images, nothing of which is left by its layers; training that starts from the "
                               "model has a new one");
        else if (critic_names_is_statistic(name))
            critic_names_leave(&p->use[i], "running statistics of the discriminator's norms, which here go by the batch");
    }
    if (!fits)
        return TESS_OK;
    (void)snprintf(config_text, sizeof config_text, "{use: patchgan, channels: %lld, layers: %lld, range: %s}",
                   (long long)critic_names_layer(p, prefix, 0)->dim[0], (long long)layers, range);
    return tess_attrs_set_text(ctx, p->attrs, "critic", config_text);
}

int critic_export(struct tess_context *ctx, const struct tess_export_plan *p, const char *range, struct tess_export_weight *w)
{
    const char *config_text = tess_attrs_text_or(p->attrs, "critic", "");
    int32_t is_patchgan = 0, same_range = 0;
    if (strncmp(w->ours, "critic.", 7) != 0)
        return TESS_OK;
    if (*config_text) {
        TESS_TRY(tess_config_text_has(ctx, config_text, "use", "patchgan", &is_patchgan));
        TESS_TRY(tess_config_text_has(ctx, config_text, "range", range, &same_range));
    }
    if (is_patchgan && same_range)
        return TESS_OK;
    w->theirs[0] = '\0';
    w->left = "a critic that is not the architecture's, or sees pixels of another range";
    return TESS_OK;
}
