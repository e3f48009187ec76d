/* Fixture of the tests of PyTorch's files: zip files and pickles made by hand, so that they can be wrong in one place.
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_TORCH_FIXTURE_H
#define TESTS_SUPPORT_TORCH_FIXTURE_H

#include "tests/support/checkpoint_fixture.h"

struct torch_member {
    const char *name;
    const void *bytes;
    size_t count;
    int method, spoilt; /* method: 8 says deflated; spoilt: 1, the sum is that of other bytes, 2, there is none */
};

/* Places of a zip file's records. */
struct torch_places {
    size_t local[8], entry[8]; /* headers of the members, and their entries in the list */
    size_t end64, pointer;     /* long record and the pointer to it; only in a wide file */
    size_t end, bytes;
};

/* A zip file, of which the last `cut` bytes are left out. `wide`: 1, sizes and places are in the fields of large files (ZIP64), behind a
 * field with the time; `places` may be NULL. */
void torch_zip(const char *path, const struct torch_member *m, int n, int wide, size_t cut, struct torch_places *places);
/* A file of a pickle and of a storage `0`, the four numbers. */
extern const float torch_four[4];
void torch_make(const char *path, const char *pickle, size_t count);
/* The first tensor of the file has these values. */
void torch_reads(const char *path, const char *key, const float *values, int64_t n);

/* Parts of pickles. FINE is a tensor of the four numbers. */
#define PROTO "\x80\x02"
#define ORDERED "ccollections\nOrderedDict\n)R"
#define WORD(length, word) "X" length "\0\0\0" word
#define STORAGE(class_, key, numbers) "(" WORD("\x07", "storage") "ctorch\n" class_ "\n" key WORD("\x03", "cpu") numbers "tQ"
#define VIEW(storage, offset, sizes, strides) "ctorch._utils\n_rebuild_tensor_v2\n(" storage offset sizes strides "\x89" ORDERED "tR"
#define KEY0 WORD("\x01", "0")
#define FOUR STORAGE("FloatStorage", KEY0, "K\x04")
#define FINE VIEW(FOUR, "K\0", "K\x04\x85", "K\x01\x85")
#define DICT_OF(value) PROTO ORDERED "(" WORD("\x01", "a") value "u."
#define HUGE_ "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"
#define STATE WORD("\x0a", "state_dict")
#define WEIGHTS "}" WORD("\x01", "a") FINE "s"
#define CALLBACK "cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n"
#define P(pickle) pickle, sizeof(pickle) - 1

#endif
