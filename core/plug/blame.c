/* Whoever calls a function of a plugin cannot know that it will crash, and a process that did has no call to return from. But the return
 * addresses are still on its stack, and the loader knows which file each is in: the innermost that is of a plugin or of the program tells
 * who was at work. A library between, such as libc, crashed for what it was given.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* dladdr */
#include "core/plug/blame.h"
#include "core/plug/object_file.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>

#define FILES_MAX 512

static struct blame_file {
    const void *base; /* address that the loader put it at */
    const struct tess_plugin *plugin;
    const char *path;
    int own;
} file[FILES_MAX];
static atomic_int files;

void tessi_plug_blame_add(const struct tess_plugin *p, int own)
{
    Dl_info about;
    int n = atomic_load(&files);
    if (n == FILES_MAX || dladdr(p, &about) == 0)
        return;
    for (int i = 0; i < n; i++)
        if (file[i].base == about.dli_fbase)
            return;
    file[n] = (struct blame_file){.base = about.dli_fbase, .plugin = p, .path = about.dli_fname, .own = own};
    atomic_store(&files, n + 1);
}

/* 1 where the address is in the program or in the library that this function is in. */
static int is_program(const Dl_info *about)
{
    Dl_info program, library;
    return (dladdr((const void *)getauxval(AT_PHDR), &program) && about->dli_fbase == program.dli_fbase) ||
           (dladdr(&files, &library) && about->dli_fbase == library.dli_fbase);
}

/* Path of the file: the loader knows the program by the word it was called by, which need not be one. */
static const char *blame_path(const Dl_info *about)
{
    Dl_info program;
    int is_main = dladdr((const void *)getauxval(AT_PHDR), &program) && about->dli_fbase == program.dli_fbase;
    return is_main ? "/proc/self/exe" : about->dli_fname;
}

void tessi_plug_blame(void *const *frame, int n, struct tessi_blamed *out)
{
    Dl_info about;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < n; i++) {
        int at = 0, known = atomic_load(&files);
        if (dladdr(frame[i], &about) == 0)
            continue;
        while (at < known && file[at].base != about.dli_fbase)
            at++;
        int ours = is_program(&about);
        if (at == known && !ours)
            continue;
        if (!ours) {
            out->plugin = file[at].plugin;
            out->path = about.dli_fname;
            out->own = file[at].own;
        }
        (void)tessi_plug_object_function(blame_path(&about), (uint64_t)((const char *)frame[i] - (const char *)about.dli_fbase),
                                         out->function, sizeof out->function);
        return;
    }
}

const struct tess_plugin *tessi_plug_blame_suspect(const char **path)
{
    for (int i = 0; i < atomic_load(&files); i++)
        if (!file[i].own) {
            *path = file[i].path;
            return file[i].plugin;
        }
    return NULL;
}
