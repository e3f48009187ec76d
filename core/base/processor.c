/* The brand string of the CPUID instruction, leaves 0x80000002 to 0x80000004: 48 bytes, padded with blanks on either side.
 *
 * SPDX-License-Identifier: MIT */
#include "core/base/processor.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#define LEAVES 3

static void processor_brand(char text[16 * LEAVES + 1])
{
    memset(text, 0, 16 * LEAVES + 1);
#if defined(__x86_64__) || defined(__i386__)
    unsigned part[4 * LEAVES];
    for (unsigned i = 0; i < LEAVES; i++) {
        unsigned *p = part + 4 * i;
        if (!__get_cpuid(0x80000002u + i, p, p + 1, p + 2, p + 3))
            return;
    }
    memcpy(text, part, sizeof part);
#endif
}

const char *tessi_base_processor_name(char *name, size_t capacity)
{
    char brand[16 * LEAVES + 1];
    size_t used = 0;
    processor_brand(brand);
    for (const char *at = brand; *at && used + 1 < capacity; at++)
        if (*at != ' ' || (used && name[used - 1] != ' '))
            name[used++] = *at;
    while (used && name[used - 1] == ' ')
        used--;
    name[used] = '\0';
    struct utsname system;
    if (!used)
        (void)snprintf(name, capacity, "%s", uname(&system) == 0 ? system.machine : "unknown");
    return name;
}
