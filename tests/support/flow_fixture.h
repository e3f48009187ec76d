/* A folder, a pipeline in it, and what an attempt to plan or run it gave. SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_FLOW_FIXTURE_H
#define TESTS_SUPPORT_FLOW_FIXTURE_H

#include "core/flow/pipeline.h"

#define MAX_STAGES 16

struct attempt {
    const char *path; /* NULL: "p.yaml" */
    const char *override[8];
    const char *until, *force;
    const char *backend; /* NULL: "flow-one" */
    const uint64_t *seed;
    int run; /* 0: plan only */
};

struct result {
    int status;
    char message[2048];
    int64_t stages;
    struct {
        char name[64], reason[512], digest[65], key[65], identity[65], parameters[512];
        int32_t state, outcome;
        int64_t pictures, output_bytes, checkpoint_bytes;
        double seconds_predicted;
    } stage[MAX_STAGES];
};

/* A pipeline of four stages in a row, `chain`. */
extern const char flow_chain[];

/* A new folder to work in, gone at the end; FLOW_TRACE set. */
void flow_start(void);
void flow_end(void);
void flow_write(const char *path, const char *text);
/* The file's text, in a buffer that the next call uses again. */
const char *flow_read(const char *path);
/* Stages executed since the last call, a line each. */
const char *flow_trace(void);
void flow_attempt(const struct attempt *a, struct result *r);
/* The whole pipeline of p.yaml. */
void flow_run(struct result *r);
void flow_plan(struct result *r);
/* Runs it in a child process; gives what waitpid says. A limit on the size of files when `largest` > 0. */
int flow_child(const struct attempt *a, long largest);
int flow_files(const char *folder, const char *ending);

#endif
