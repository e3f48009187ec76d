/* Results of runs of the small pipeline by the program, as `tessera inspect` prints them: used by the tests of priors.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESTS_SUPPORT_PRIOR_RUNS_H
#define TESTS_SUPPORT_PRIOR_RUNS_H

enum { PRIOR_RUNS_DIGEST = 80 };

/* Text that `inspect FILE` prints behind `words`; valid until the next command. */
const char *prior_runs_found(const char *file, const char *words);
/* Bound of the prior in bits a code, of the run in `workdir`, and the order-0 entropy of its codes. */
double prior_runs_bound(const char *workdir);
double prior_runs_entropy(const char *workdir);
void prior_runs_digest(const char *workdir, const char *stage, char text[PRIOR_RUNS_DIGEST]);
/* The stages named, up to NULL, have the same content in both folders. */
void prior_runs_same(const char *one, const char *two, const char *const *stage);

#endif
