/* Everything a plugin may see.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_TESSERA_H
#define TESSERA_TESSERA_H

#include <tessera/array.h>
#include <tessera/artefact.h>
#include <tessera/codes.h>
#include <tessera/kind/backend.h>
#include <tessera/base.h>
#include <tessera/kind/critic.h>
#include <tessera/kind/decoder.h>
#include <tessera/kind/denoiser.h>
#include <tessera/digest.h>
#include <tessera/kind/encoder.h>
#include <tessera/epoch.h>
#include <tessera/exchange.h>
#include <tessera/attributes.h>
#include <tessera/kind/features.h>
#include <tessera/kind/metric.h>
#include <tessera/graph.h>
#include <tessera/kmeans.h>
#include <tessera/levels.h>
#include <tessera/model.h>
#include <tessera/neighbours.h>
#include <tessera/plugin.h>
#include <tessera/kind/quantizer.h>
#include <tessera/random.h>
#include <tessera/sampler.h>
#include <tessera/kind/noise.h>
#include <tessera/kind/sampler.h>
#include <tessera/kind/source.h>
#include <tessera/kind/stage.h>
#include <tessera/kind/transport.h>
#include <tessera/tensor.h>
#include <tessera/train.h>
#include <tessera/weights.h>

#endif
