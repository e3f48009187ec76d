/* Table of the kinds: the functions of each, and which are required. A component without a required one is refused when its plugin is
 * checked, so that callers need not test for it; `tessera plugins` lists which of the optional ones a component has.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/kinds.h"
#include "core/plug/plug_private.h"
#include "core/base/context.h"

#include <tessera/exchange.h>
#include <tessera/kind/backend.h>
#include <tessera/kind/critic.h>
#include <tessera/kind/decoder.h>
#include <tessera/kind/denoiser.h>
#include <tessera/kind/encoder.h>
#include <tessera/kind/features.h>
#include <tessera/kind/metric.h>
#include <tessera/kind/noise.h>
#include <tessera/kind/quantizer.h>
#include <tessera/kind/sampler.h>
#include <tessera/kind/source.h>
#include <tessera/kind/stage.h>
#include <tessera/kind/transport.h>

#include <stdio.h>
#include <string.h>

#define END_OF(type, member) (offsetof(struct type, member) + sizeof(((struct type *)0)->member))
/* clang-format off */
#define MUST(type, member) {#member, offsetof(struct type, member), NULL}
#define MAY(type, member, meaning) {#member, offsetof(struct type, member), meaning}

static const struct tessi_kind kinds[] = {
    {"backend/1", END_OF(tess_backend_1, drop), {
        MUST(tess_backend_1, numeric_class), MUST(tess_backend_1, plan),
        MAY(tess_backend_1, pack, "packs weights in a layout of its own"),
        MUST(tess_backend_1, run), MUST(tess_backend_1, drop),
        MAY(tess_backend_1, multiplies, "says which dtypes the processor multiplies by itself"),
        MAY(tess_backend_1, reserve, "has its memory before the first product"),
    }},
    {"source/1", END_OF(tess_source_1, fingerprint), {
        MUST(tess_source_1, count), MUST(tess_source_1, shape), MUST(tess_source_1, labels), MUST(tess_source_1, names),
        MUST(tess_source_1, read),
        MAY(tess_source_1, fingerprint, "reads files: what they hold counts for what is made of them"),
        MAY(tess_source_1, class_name, "classes have names"),
        MAY(tess_source_1, tolerate, "bad images may be left out"),
        MAY(tess_source_1, remark, "tells what lies beside the images"),
        MAY(tess_source_1, bytes, "tells how much memory it holds"),
        MAY(tess_source_1, rest, "gives that back while nothing is read"),
        MAY(tess_source_1, content, "tells the content of one image from that of others"),
        MAY(tess_source_1, soon, "takes advice of what will be read next"),
        MAY(tess_source_1, part, "digests the files of some of its images"),
    }},
    {"encoder/1", END_OF(tess_encoder_1, record), {
        MUST(tess_encoder_1, record),
    }},
    {"decoder/1", END_OF(tess_decoder_1, record), {
        MUST(tess_decoder_1, record),
        MAY(tess_decoder_1, record_likelihood, "a head for the likelihood of images"),
        MAY(tess_decoder_1, record_larger, "decodes maps larger than it was trained on"),
    }},
    {"quantizer/1", END_OF(tess_quantizer_1, rebuild), {
        MUST(tess_quantizer_1, codebook_size), MUST(tess_quantizer_1, code_dim), MUST(tess_quantizer_1, record),
        MUST(tess_quantizer_1, record_assign), MUST(tess_quantizer_1, record_lookup),
        MAY(tess_quantizer_1, react, "acts after each step of the optimiser"),
        MAY(tess_quantizer_1, rebuild, "builds its codebook anew from latents"),
        MAY(tess_quantizer_1, depth, "gives several codes at a position"),
        MAY(tess_quantizer_1, level_size, "tells each of them its number of codes"),
        MAY(tess_quantizer_1, outside_latent_space, "says whether codes lie outside of the latent's space"),
    }},
    {"noise/1", END_OF(tess_noise_1, reverse), {
        MUST(tess_noise_1, vocabulary), MUST(tess_noise_1, steps), MUST(tess_noise_1, corrupt), MUST(tess_noise_1, record_loss),
        MUST(tess_noise_1, bound_constant), MUST(tess_noise_1, start), MUST(tess_noise_1, reverse),
        MAY(tess_noise_1, changes, "tells which tokens a step would draw"),
        MAY(tess_noise_1, draw_time, "chooses the times it is trained at"),
        MAY(tess_noise_1, observe, "learns from the losses at each time"),
        MAY(tess_noise_1, condition, "samples around tokens that are known"),
    }},
    {"sampler/1", END_OF(tess_sampler_1, draw), {
        MAY(tess_sampler_1, check, "says which priors it is for"),
        MAY(tess_sampler_1, reads, "tells which tokens a step reads the logits of"),
        MUST(tess_sampler_1, draw),
        MAY(tess_sampler_1, calls, "several calls of the denoiser in a step"),
        MAY(tess_sampler_1, state_size, "keeps a state with each sequence"),
    }},
    {"critic/1", END_OF(tess_critic_1, record), {
        MUST(tess_critic_1, record),
    }},
    {"features/1", END_OF(tess_features_1, place), {
        MUST(tess_features_1, record), MUST(tess_features_1, file), MUST(tess_features_1, place),
    }},
    {"metric/1", END_OF(tess_metric_1, unpack), {
        MAY(tess_metric_1, check, "says which rows it can judge"),
        MAY(tess_metric_1, bytes, "tells how much memory it takes"),
        MUST(tess_metric_1, open), MUST(tess_metric_1, close), MUST(tess_metric_1, accumulate), MUST(tess_metric_1, merge),
        MUST(tess_metric_1, finish), MUST(tess_metric_1, pack), MUST(tess_metric_1, unpack),
        MAY(tess_metric_1, resample, "gives intervals by bootstrap"),
    }},
    {"denoiser/1", END_OF(tess_denoiser_1, record), {
        MUST(tess_denoiser_1, record),
        MAY(tess_denoiser_1, record_next, "gives token after token with a cache"),
    }},
    {"stage/1", END_OF(tess_stage_1, run), {
        MUST(tess_stage_1, output), MUST(tess_stage_1, plan),
        MAY(tess_stage_1, fingerprint, "reads files of its own"),
        MUST(tess_stage_1, run),
        MAY(tess_stage_1, depends, "says whether it draws, and whether it computes with reals"),
    }},
    {"format/1", END_OF(tess_format_1, write), {
        MUST(tess_format_1, recognises), MUST(tess_format_1, open_file), MUST(tess_format_1, count), MUST(tess_format_1, entry),
        MUST(tess_format_1, read),
        MAY(tess_format_1, write, "can be written"),
    }},
    {"checkpoint/1", END_OF(tess_checkpoint_1, plan_export), {
        MUST(tess_checkpoint_1, plan_import), MUST(tess_checkpoint_1, plan_export),
    }},
    {"transport/1", END_OF(tess_transport_1, leave), {
        MUST(tess_transport_1, join), MUST(tess_transport_1, exchange), MUST(tess_transport_1, broadcast), MUST(tess_transport_1, barrier),
        MUST(tess_transport_1, alive), MUST(tess_transport_1, abort), MUST(tess_transport_1, leave),
    }},
};
/* clang-format on */
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

uint32_t tessi_plug_port_stride(const struct tess_stage_1 *ops)
{
    return TESS_HAS(ops, port_stride) && ops->port_stride ? ops->port_stride : (uint32_t)TESSI_PORT_BYTES;
}

const struct tess_port *tessi_plug_port_at(const struct tess_stage_1 *ops, int64_t i)
{
    const struct tess_port *p = ops->ports;
    for (int64_t n = 0; p && p->name && n < i; n++)
        p = (const void *)((const char *)p + tessi_plug_port_stride(ops));
    return p && p->name ? p : NULL;
}
