/* The parts of inference that nearly every stage has, each a header of its own. SPDX-License-Identifier: MIT */
#ifndef KIT_INFER_COMMON_H
#define KIT_INFER_COMMON_H

#include "kit/infer/codes.h"
#include "kit/infer/stage_codec.h"
#include "kit/infer/stage_graph.h"
#include "kit/infer/stage_images.h"
#include "kit/infer/stage_results.h"

#include <tessera/tessera.h>

#endif
