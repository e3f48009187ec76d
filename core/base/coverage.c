/* Coverage builds alone: what a process has counted is written before it ends without `exit`. The compiler's flags rename `_exit` and
 * `raise`, so that children, and processes that a signal ends, count as others do. A plugin has counters of its own, which its destructors
 * write: lines of plugins that only such a child runs are not counted, and a figure of them is a lower bound.
 *
 * SPDX-License-Identifier: MIT */
#undef _exit
#undef raise
#include <signal.h>
#include <unistd.h>

void __gcov_dump(void);
void __gcov_reset(void);
__attribute__((visibility("default"), noreturn)) void tessi_coverage_exit(int status);
__attribute__((visibility("default"))) int tessi_coverage_raise(int number);

void tessi_coverage_exit(int status)
{
    __gcov_dump();
    _exit(status);
}

int tessi_coverage_raise(int number)
{
    __gcov_dump();
    __gcov_reset(); /* the process may go on */
    return raise(number);
}
