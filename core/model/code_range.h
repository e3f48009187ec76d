/* Range check of a quantizer's codes at run time: a code outside its level's codebook fails the run before it is counted, stored or looked
 * up. SPDX-License-Identifier: MIT */
#ifndef TESSI_CODE_RANGE_H
#define TESSI_CODE_RANGE_H

#include "core/model/check_recorded.h"

#include <tessera/model.h>

/* Identity on codes i32 (..., depth), or (...) where depth is 1, that fails the run for a code out of range. TESS_E_PLUGIN names the
 * component and the function of `r`. No gradient. */
struct tess_node *tessi_model_code_range(const struct tessi_recording *r, struct tess_node *codes, const struct tess_code_layout *k);

#endif
