/* The results' epoch: a number in every cache key, so that what other code has computed is never taken for what this code would.
 *
 * A key has the names and versions of the plugins that had a part in a result. It cannot tell by itself that code which many results share
 * now computes something else: core, or a file of kit, linked into several plugins (kit/nets/conv_blocks.c, kit/infer/common.c). So:
 *
 *     raise TESS_EPOCH by one in the commit after which any result may have other bits, and renew tests/epoch/digests.txt;
 *     a plugin that alone computes something else raises its own version instead, which spares everybody else's results.
 *
 * Neither is for what only changes speed, memory or words. tests/flow/test_epoch.c notices when results changed and the number did not.
 * A plugin carries the number that it was compiled with (TESS_PLUGIN), so one left over from an earlier build has keys of its own.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_EPOCH_H
#define TESSERA_EPOCH_H

#define TESS_EPOCH 1

#endif
