/* Whatever stands on the command line behind a pipeline: a line of the input is one word. SPDX-License-Identifier: MIT */
#include "tests/fuzz/fuzz.h"

#include "tests/small_pipeline.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The images that the pipeline reads: without them no plan gets to its other stages. */
static void make_images(void)
{
    static int made;
    if (made++)
        return;
    if (chdir(fuzz_folder()) != 0)
        abort();
    small_make_data(SMALL_COUNT);
}

int FUZZ_TARGET(override)(const uint8_t *data, size_t size)
{
    enum { MOST = 8 };
    const char *word[MOST + 1] = {NULL};
    int n = 0;
    char *text = calloc(size + 1, 1), *next = NULL;
    if (!text)
        return 0;
    make_images();
    memcpy(text, data, size);
    for (char *at = strtok_r(text, "\n", &next); at && n < MOST; at = strtok_r(NULL, "\n", &next))
        word[n++] = at;
    (void)fuzz_pipeline(fuzz_file("small.yaml", (const uint8_t *)small_pipeline, strlen(small_pipeline)), word, 0);
    free(text);
    return 0;
}
