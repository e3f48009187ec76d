/* Everything a plugin may see.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_TESSERA_H
#define TESSERA_TESSERA_H

#include <tessera/artefact.h>
#include <tessera/autoencoder.h>
#include <tessera/backend.h>
#include <tessera/base.h>
#include <tessera/critic.h>
#include <tessera/digest.h>
#include <tessera/epoch.h>
#include <tessera/exchange.h>
#include <tessera/facts.h>
#include <tessera/features.h>
#include <tessera/graph.h>
#include <tessera/kmeans.h>
#include <tessera/model.h>
#include <tessera/neighbours.h>
#include <tessera/plugin.h>
#include <tessera/prior.h>
#include <tessera/random.h>
#include <tessera/sampler.h>
#include <tessera/source.h>
#include <tessera/stage.h>
#include <tessera/tensor.h>
#include <tessera/train.h>
#include <tessera/weights.h>

#endif
