/* Codes that a quantizer made, looked at as they come: those outside of what their level has fail the run, before anybody counts, stores or
 * looks them up. SPDX-License-Identifier: MIT */
#ifndef TESSI_CODE_RANGE_H
#define TESSI_CODE_RANGE_H

#include "core/model/check_recorded.h"

#include <tessera/model.h>

/* codes i32 (..., depth), or (...) where depth is 1 -> the same. TESS_E_PLUGIN names the component and the function of `r`. No gradient. */
struct tess_node *tessi_model_code_range(const struct tessi_recording *r, struct tess_node *codes, const struct tess_code_layout *k);

#endif
