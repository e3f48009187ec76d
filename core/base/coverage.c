/* Coverage builds alone: what a process has counted is written before it ends without `exit`. The compiler's flags rename `_exit` and
 * `raise`, so that children, and processes that a signal ends, count as others do. A plugin has counters of its own, which its destructors
 * write: those of each shared object of the build folder are called.
 *
 * A coverage report leaves out what runs after the counters are written (GCOVR_EXCL).
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* dl_iterate_phdr */
#undef _exit
#undef raise
#include <link.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

void __gcov_dump(void);
void __gcov_reset(void);
__attribute__((visibility("default"), noreturn)) void tessi_coverage_exit(int status);
__attribute__((visibility("default"))) int tessi_coverage_raise(int number);

/* GCOVR_EXCL_START */
static int coverage_write_object(struct dl_phdr_info *object, size_t size, void *user)
{
    const ElfW(Dyn) *d = NULL;
    size_t at = 0, bytes = 0;
    (void)size;
    (void)user;
    for (int i = 0; strstr(object->dlpi_name, "/.libs/") && i < object->dlpi_phnum; i++)
        if (object->dlpi_phdr[i].p_type == PT_DYNAMIC)
            d = (const void *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
    for (; d && d->d_tag != DT_NULL; d++) {
        at = d->d_tag == DT_FINI_ARRAY ? object->dlpi_addr + d->d_un.d_ptr : at;
        bytes = d->d_tag == DT_FINI_ARRAYSZ ? d->d_un.d_val : bytes;
    }
    for (size_t i = bytes / sizeof(void (*)(void)); at && i > 0; i--)
        ((void (**)(void))at)[i - 1]();
    return 0;
}

void tessi_coverage_exit(int status)
{
    (void)dl_iterate_phdr(coverage_write_object, NULL);
    __gcov_dump();
    _exit(status);
}

int tessi_coverage_raise(int number)
{
    __gcov_dump();
    __gcov_reset(); /* the process may go on */
    return raise(number);
}
/* GCOVR_EXCL_STOP */
