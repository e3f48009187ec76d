/* Codebook health (docs/models.md, "Codebook health", (11.1), (11.2), (11.3) and (11.4)). SPDX-License-Identifier: MIT */
#include <tessera/model.h>

#include <math.h>

struct tess_code_health tess_code_health_of(const int64_t *counts, int64_t codes)
{
    struct tess_code_health h = {.codes = codes};
    int64_t most = 0;
    for (int64_t k = 0; k < codes; k++) {
        h.total += counts[k];
        h.used += counts[k] > 0;
        most = counts[k] > most ? counts[k] : most;
    }
    for (int64_t k = 0; k < codes; k++)
        if (counts[k] > 0) {
            double p = (double)counts[k] / (double)h.total;
            h.entropy -= p * log2(p);
        }
    h.perplexity = h.total ? exp2(h.entropy) : 0.0;
    h.top_share = h.total ? (double)most / (double)h.total : 0.0;
    return h;
}
