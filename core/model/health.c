/* Codebook health (docs/models.md, "Codebook health", (11.1), (11.2), (11.3) and (11.4)). SPDX-License-Identifier: MIT */
#include <tessera/model.h>

#include <math.h>

struct tess_code_health tess_code_health_of(const int64_t *counts, int64_t codebook_size)
{
    struct tess_code_health h = {.codebook_size = codebook_size};
    int64_t max = 0;
    for (int64_t k = 0; k < codebook_size; k++) {
        h.total += counts[k];
        h.used += counts[k] > 0;
        max = counts[k] > max ? counts[k] : max;
    }
    for (int64_t k = 0; k < codebook_size; k++)
        if (counts[k] > 0) {
            double p = (double)counts[k] / (double)h.total;
            h.entropy -= p * log2(p);
        }
    h.perplexity = h.total ? exp2(h.entropy) : 0.0;
    h.top_share = h.total ? (double)max / (double)h.total : 0.0;
    return h;
}
