/* Whatever stands on the command line behind a pipeline: a line of the input is one word. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

int FUZZ_TARGET(override)(const uint8_t *data, size_t size)
{
    enum { MAX = 8 };
    static int made;
    const char *word[MAX + 1] = {NULL};
    int n = 0;
    char *text = calloc(size + 1, 1), *next = NULL;
    if (!text)
        return 0;
    if (!made++)
        fuzz_enter_small(); /* with the images: without them no plan gets to its other stages */
    memcpy(text, data, size);
    for (char *at = strtok_r(text, "\n", &next); at && n < MAX; at = strtok_r(NULL, "\n", &next))
        word[n++] = at;
    (void)fuzz_pipeline("small.yaml", word, 0);
    free(text);
    return 0;
}
