/* Declarations shared by k-means seeding and Lloyd's iterations. SPDX-License-Identifier: MIT */
#ifndef TESSI_KMEANS_PRIVATE_H
#define TESSI_KMEANS_PRIVATE_H

#include <tessera/kmeans.h>

#include "core/base/workers.h"

/* Fills centres (K, D) by the options' seeding. */
int tessi_search_kmeans_seed(struct tess_context *ctx, struct tessi_workers *workers, const struct tess_pool *pool,
                             const struct tess_kmeans_options *o, float *centres) TESS_CHECKED;

#endif
