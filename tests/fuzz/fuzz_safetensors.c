/* Containers of tensors with a JSON header. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

int FUZZ_TARGET(safetensors)(const uint8_t *data, size_t size)
{
    fuzz_format("safetensors", fuzz_file("x.safetensors", data, size));
    fuzz_no_leak();
    return 0;
}
