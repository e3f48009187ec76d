/* Interface of the fuzz targets. A target is one function over an input: a fuzzer's program has one, by the name that fuzzers call;
 * test_fuzz, which replays the inputs in tests/fuzz/corpus, has them all. SPDX-License-Identifier: MIT */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "core/base/context.h"
#include "core/host/runtime.h"

#include <tessera/tessera.h>

#include <stddef.h>
#include <stdint.h>

#ifdef FUZZ_AGAIN
#define FUZZ_TARGET(name) fuzz_##name
#else
#define FUZZ_TARGET(name) LLVMFuzzerTestOneInput
#endif
typedef int fuzz_target(const uint8_t *data, size_t size);
fuzz_target LLVMFuzzerTestOneInput, fuzz_yaml, fuzz_override, fuzz_artefact, fuzz_idx, fuzz_cifar, fuzz_list, fuzz_npy, fuzz_tar,
    fuzz_pickle, fuzz_opcodes, fuzz_members, fuzz_safetensors, fuzz_header, fuzz_picture;

/* A call of a runtime with this build's plugins, one thread, quiet; its message is of the last failure. The same each time. */
struct tess_context *fuzz_call(void);
struct tessi_runtime *fuzz_runtime(void);
/* A folder of this process's own in memory or /tmp, gone at exit; and the input as a file of that name in it: its path, in a static buffer.
 */
const char *fuzz_folder(void);
const char *fuzz_file(const char *name, const uint8_t *data, size_t size);
/* Enters the folder, with small.yaml of small_pipeline.h in it and the files that it reads. */
void fuzz_enter_small(void);
/* Plans the pipeline in the file with the overrides, ended by NULL, and runs it where `run`. */
int fuzz_pipeline(const char *path, const char *const *override, int run);
/* A component told in YAML flow style, "{use: idx, images: ...}"; NULL where it is refused. */
struct tess_instance *fuzz_instance(const char *kind, const char *text);
/* Opens a source, and reads its first images, and a few of the last. */
void fuzz_source(const char *text);
/* Reads the file at `path` as a container of tensors by the format `name`. */
void fuzz_format(const char *name, const char *path);
/* Leak check at the end of an input: aborts when more memory is in use than at the end of the first. Not for targets that plan pipelines,
 * whose remembered file digests stay in the runtime. */
void fuzz_no_leak(void);

#endif
