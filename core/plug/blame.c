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

/* The plugin's file that the address is in, NULL where it is in none. */
static const struct blame_file *blame_file_at(const Dl_info *about)
{
    const int known = atomic_load(&files);
    for (int at = 0; at < known; at++)
        if (file[at].base == about->dli_fbase)
            return &file[at];
    return NULL;
}

/* Finds the user's plugin that is nearest on the stack. */
static void blame_caller(void *const *frame, int n, struct tessi_blamed *out)
{
    Dl_info about;
    for (int i = 0; i < n && !out->caller; i++) {
        const struct blame_file *at = dladdr(frame[i], &about) ? blame_file_at(&about) : NULL;
        if (at && !at->own) {
            out->caller_path = about.dli_fname;
            out->caller = at->plugin;
        }
    }
}

void tessi_plug_blame(void *const *frame, int n, struct tessi_blamed *out)
{
    Dl_info about;
    memset(out, 0, sizeof *out);
    for (int i = 0; i < n; i++) {
        if (dladdr(frame[i], &about) == 0)
            continue;
        const struct blame_file *at = blame_file_at(&about);
        if (!at && !is_program(&about))
            continue;
        if (at && !is_program(&about)) {
            out->path = about.dli_fname;
            out->own = at->own;
            out->plugin = at->plugin;
        } else {
            blame_caller(frame + i + 1, n - i - 1, out);
        }
        (void)tessi_plug_object_function(blame_path(&about), (uint64_t)((const char *)frame[i] - (const char *)about.dli_fbase),
                                         out->function, sizeof out->function);
        return;
    }
}

int tessi_plug_blame_is_called(void *const *frame, int n)
{
    Dl_info about;
    int plugin = 0;
    for (int i = 0; i < n; i++) {
        if (dladdr(frame[i], &about) == 0)
            continue;
        if (!plugin && blame_file_at(&about))
            plugin = 1;
        else if (is_program(&about) && plugin)
            return 1;
    }
    return 0;
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
