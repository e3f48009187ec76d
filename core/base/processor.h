/* The processor's name, for what was measured on it. SPDX-License-Identifier: MIT */
#ifndef TESSI_PROCESSOR_H
#define TESSI_PROCESSOR_H

#include <stddef.h>

/* Name of the processor as it tells it ("AMD EPYC 7763 64-Core Processor"), else of its architecture ("aarch64"); blanks are single, never
 * empty. Returns `name`. [any thread] */
const char *tessi_base_processor_name(char *name, size_t capacity);

#endif
