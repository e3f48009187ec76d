/* Check, before a call, that memory can be allocated: some libraries hang or crash where it cannot. SPDX-License-Identifier: MIT */
#ifndef KIT_BACKEND_ADDRESSES_H
#define KIT_BACKEND_ADDRESSES_H

#include <stddef.h>
#include <sys/mman.h>

/* 1 when that much could be had just now. Nothing of it is touched. */
static inline int addresses_are_there(size_t bytes)
{
    void *buffer = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return buffer != MAP_FAILED && munmap(buffer, bytes) == 0;
}

#endif
