/* CRC-32 of a storage's bytes, as ZIP archives have it. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_TORCH_STORAGE_SUM_H
#define PLUGINS_FORMATS_TORCH_STORAGE_SUM_H

#include <stddef.h>
#include <stdint.h>

/* The sum of some bytes and `bytes` more, from the sum of the former, that of none being 0: what crc32 of zlib gives. [any thread] */
uint32_t storage_sum(uint32_t sum, const void *data, size_t bytes);

#endif
