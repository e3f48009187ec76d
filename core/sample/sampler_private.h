/* The sampler behind <tessera/sampler.h>, shared by its files. SPDX-License-Identifier: MIT */
#ifndef TESSI_SAMPLER_PRIVATE_H
#define TESSI_SAMPLER_PRIVATE_H

#include "core/sample/lockstep.h"
#include "core/ranks/ranks.h"
#include "core/sample/sample_state.h"

struct tessi_logit_graph { /* denoiser graph: of all tokens, or of picked positions */
    struct tess_graph *graph;
    int64_t width; /* tokens of a sequence that it computes logits of */
    double flops;  /* work for one row of the batch */
};

struct tessi_active {        /* sequence that waits for the denoiser */
    int64_t sequence, place; /* its number; its place in the next call's batch */
    int64_t reads;           /* tokens whose logits its next call reads; below 0: all */
    uint8_t *where;          /* (tokens): 1 for each of them, where there are not below 0 of them */
    int waits;               /* a step is left */
};

struct tess_sampler {
    struct tessi_sample_state state;
    int64_t calls;
    double flops;
    int telling;                                              /* the sampler can tell beforehand which calls read no logits */
    struct tessi_logit_graph all, picked;                     /* picked.graph NULL: there is none */
    struct tess_tensor input, time, label, positions, logits; /* buffers of a batch */
    struct tessi_active *active; /* (batch): `actives` of them, at most batch / places of each remainder modulo `places` */
    int64_t actives;
    int64_t *next;                   /* (places): the next sequence of that remainder to begin */
    int64_t *filled;                 /* (places): sequences of that remainder in the batch so far */
    uint8_t *where;                  /* memory of all `where` */
    struct tessi_lockstep *lockstep; /* NULL: whole sequences; else nothing from `input` on is there */
    struct tessi_ranks *ranks;       /* ranks that the sequences are dealt to; NULL: this process has them all */
    int64_t all_done;                /* steps made of all sequences, of all ranks */
    int all_finished;                /* 1: so have all ranks */
};

/* ---- sampler.c */
/* tess_sampler_finished and tess_sampler_steps_done of this rank's sequences alone. */
int tessi_sampler_own_finished(const struct tess_sampler *s);
int64_t tessi_sampler_own_done(const struct tess_sampler *s);
/* ---- sampler_advance.c */
int tessi_sampler_own_advance(struct tess_context *ctx, struct tess_sampler *s) TESS_CHECKED;

#endif
