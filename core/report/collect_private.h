/* Declarations shared by the files that collect. SPDX-License-Identifier: MIT */
#ifndef TESSI_COLLECT_PRIVATE_H
#define TESSI_COLLECT_PRIVATE_H

#include "core/base/context.h"
#include "core/base/json_read.h"
#include "core/report/collect.h"

/* ---- memory (report_memory.c) -------------------------------------------------------------------------------------- */

/* Makes a list in the set's memory at least `wanted` long, in doubling steps; what it had may have moved. */
int tessi_report_grow(struct tess_context *ctx, struct tessi_report_set *set, void *list, int64_t *capacity, int64_t wanted,
                      size_t size) TESS_CHECKED;
void tessi_report_memory_free(struct tessi_report_memory *memory);

/* ---- the log (collect_log.c) --------------------------------------------------------------------------------------- */

/* Record of a stage in the log. */
struct tessi_report_logged {
    const char *stage;
    struct tessi_json *record; /* last stage_end or stage_cached line, with the result's record; NULL: none */
    int computed;              /* 1: `record` is a stage_end */
    double seconds, planned_seconds, cached_seconds, planned_bytes, peak_bytes, flop; /* < 0: not told */
    double waited_seconds;                                                            /* waits within `seconds` */
    double waits;                                                                     /* waits since the stage's last end */
};

struct tessi_report_log {
    int64_t stages, stage_capacity, attempt_capacity;
    struct tessi_report_logged *stage;
};

/* Reads FOLDER/log.jsonl: attempts, outcome, overrides and times of `run`, and `log` for its stages. No file is no failure; a line that is
 * damaged is passed over. `log` is to be freed in any case. */
int tessi_report_log_read(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run,
                          struct tessi_report_log *log) TESS_CHECKED;
void tessi_report_log_free(struct tessi_report_log *log);
/* Record of a stage in the log; NULL: none. */
const struct tessi_report_logged *tessi_report_log_stage(const struct tessi_report_log *log, const char *stage);

/* ---- a sweep (collect_sweep.c) ------------------------------------------------------------------------------------- */

/* Appends a sweep and its variants to the set's lists, of these capacities. */
int tessi_report_collect_sweep(struct tess_context *ctx, struct tessi_report_set *set, const char *path, int64_t *runs,
                               int64_t *sweeps) TESS_CHECKED;

/* ---- one run (collect_run.c, collect_stage.c) ---------------------------------------------------------------------- */

/* Collects run->folder; the run has its name, sweep and values already. */
int tessi_report_collect_run(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run) TESS_CHECKED;
/* 1 where every stage of the run has a result. */
int tessi_report_run_is_whole(const struct tessi_report_run *run);
/* Fills a stage and appends its metrics (without protocol), from the record where it is of the artefact in the folder, else from that. */
int tessi_report_collect_stage(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run,
                               struct tessi_report_stage *s, const struct tessi_report_logged *logged, int64_t *metrics) TESS_CHECKED;
/* Fills `protocol` and `against` of all metrics of a run, once its stages are there (collect_protocol.c). */
int tessi_report_collect_protocols(struct tess_context *ctx, struct tessi_report_set *set, struct tessi_report_run *run) TESS_CHECKED;

#endif
