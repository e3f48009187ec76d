/* One row a kind: where its functions are, and which of them every component has. The gate refuses a component without one of those, so
 * nobody who calls them asks; and `tessera plugins` tells which of the others there are.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/kinds.h"
#include "core/plug/plug_private.h"
#include "core/base/context.h"

#include <tessera/exchange.h>
#include <tessera/kind/backend.h>
#include <tessera/kind/critic.h>
#include <tessera/kind/decoder.h>
#include <tessera/kind/encoder.h>
#include <tessera/kind/features.h>
#include <tessera/kind/quantizer.h>
#include <tessera/kind/source.h>
#include <tessera/kind/stage.h>
#include <tessera/prior.h>

#include <stdio.h>
#include <string.h>

#define END_OF(type, member) (offsetof(struct type, member) + sizeof(((struct type *)0)->member))
#define MUST(type, member)                                                                                                                 \
    {                                                                                                                                      \
#member, offsetof(struct type, member), 0                                                                                          \
    }
#define MAY(type, member)                                                                                                                  \
    {                                                                                                                                      \
#member, offsetof(struct type, member), 1                                                                                          \
    }

static const struct tessi_kind kinds[] = {
    {"backend/1",
     END_OF(tess_backend_1, drop),
     {MUST(tess_backend_1, numeric_class), MUST(tess_backend_1, plan), MAY(tess_backend_1, pack), MUST(tess_backend_1, run),
      MUST(tess_backend_1, drop), MAY(tess_backend_1, multiplies), MAY(tess_backend_1, reserve)}},
    {"source/1",
     END_OF(tess_source_1, fingerprint),
     {MUST(tess_source_1, count), MUST(tess_source_1, shape), MUST(tess_source_1, labels), MUST(tess_source_1, names),
      MUST(tess_source_1, read), MUST(tess_source_1, fingerprint), MAY(tess_source_1, class_name), MAY(tess_source_1, tolerate),
      MAY(tess_source_1, remark), MAY(tess_source_1, bytes), MAY(tess_source_1, rest)}},
    {"encoder/1", END_OF(tess_encoder_1, record), {MUST(tess_encoder_1, record)}},
    {"decoder/1",
     END_OF(tess_decoder_1, record),
     {MUST(tess_decoder_1, record), MAY(tess_decoder_1, record_likelihood), MAY(tess_decoder_1, record_larger)}},
    {"quantizer/1",
     END_OF(tess_quantizer_1, rebuild),
     {MUST(tess_quantizer_1, codebook_size), MUST(tess_quantizer_1, code_dim), MUST(tess_quantizer_1, record),
      MUST(tess_quantizer_1, record_assign), MUST(tess_quantizer_1, record_lookup), MAY(tess_quantizer_1, react),
      MAY(tess_quantizer_1, rebuild), MAY(tess_quantizer_1, depth), MAY(tess_quantizer_1, level_size),
      MAY(tess_quantizer_1, outside_latent_space)}},
    {"noise/1",
     END_OF(tess_noise_1, reverse),
     {MUST(tess_noise_1, vocabulary), MUST(tess_noise_1, steps), MUST(tess_noise_1, corrupt), MUST(tess_noise_1, record_loss),
      MUST(tess_noise_1, bound_constant), MUST(tess_noise_1, start), MUST(tess_noise_1, reverse), MAY(tess_noise_1, changes),
      MAY(tess_noise_1, draw_time), MAY(tess_noise_1, observe), MAY(tess_noise_1, condition)}},
    {"critic/1", END_OF(tess_critic_1, record), {MUST(tess_critic_1, record)}},
    {"features/1",
     END_OF(tess_features_1, place),
     {MUST(tess_features_1, record), MUST(tess_features_1, file), MUST(tess_features_1, place)}},
    {"denoiser/1", END_OF(tess_denoiser_1, record), {MUST(tess_denoiser_1, record), MAY(tess_denoiser_1, record_next)}},
    {"stage/1",
     END_OF(tess_stage_1, run),
     {MUST(tess_stage_1, output), MUST(tess_stage_1, plan), MAY(tess_stage_1, fingerprint), MUST(tess_stage_1, run),
      MAY(tess_stage_1, depends)}},
    {"format/1",
     END_OF(tess_format_1, write),
     {MUST(tess_format_1, recognises), MUST(tess_format_1, open_file), MUST(tess_format_1, count), MUST(tess_format_1, entry),
      MUST(tess_format_1, read), MAY(tess_format_1, write)}},
    {"checkpoint/1", END_OF(tess_checkpoint_1, plan_export), {MUST(tess_checkpoint_1, plan_import), MUST(tess_checkpoint_1, plan_export)}},
};
#define KINDS ((int64_t)(sizeof kinds / sizeof *kinds))

const struct tessi_kind *tessi_plug_kind_at(int64_t i)
{
    return i >= 0 && i < KINDS ? &kinds[i] : NULL;
}

const struct tessi_kind *tessi_plug_kind_find(const char *id)
{
    for (int64_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].id, id) == 0)
            return &kinds[i];
    return NULL;
}

const char *tessi_plug_kind_other(const char *id)
{
    size_t word = (size_t)tessi_plug_kind_length(id);
    for (int64_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i].id, id) != 0 && strncmp(kinds[i].id, id, word) == 0 && kinds[i].id[word] == '/')
            return kinds[i].id;
    return NULL;
}

const char *tessi_plug_kind_nearest(const char *id, char *text, size_t capacity)
{
    char word[64];
    char names[sizeof kinds / sizeof *kinds][32];
    const char *list[sizeof kinds / sizeof *kinds];
    snprintf(word, sizeof word, "%.*s", tessi_plug_kind_length(id), id);
    for (int64_t i = 0; i < KINDS; i++) {
        snprintf(names[i], sizeof names[i], "%.*s", tessi_plug_kind_length(kinds[i].id), kinds[i].id);
        list[i] = names[i];
    }
    const char *nearest = tessi_base_nearest_name(word, list, KINDS);
    snprintf(text, capacity, "%s", nearest ? nearest : "");
    return nearest && strcmp(nearest, word) != 0 ? text : NULL;
}

int tessi_plug_kind_has(const struct tessi_kind_function *f, const void *ops)
{
    uint32_t size = 0;
    void (*function)(void) = NULL;
    memcpy(&size, ops, sizeof size);
    if (size < f->offset + sizeof function)
        return 0;
    memcpy(&function, (const char *)ops + f->offset, sizeof function);
    return function != NULL;
}
