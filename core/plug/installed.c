/* An installation that can be moved: paths are kept relative to the program, not to the prefix that configure was told.
 *
 * A package is built for one prefix, staged under DESTDIR and unpacked under another. All paths between its parts stay the same, so the
 * folder of the running file tells where the other parts are: bindir -> plugins, libdir -> plugins, whatever libdir is called.
 *
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* dladdr */
#include "core/plug/installed.h"

#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef TESSI_BIN_DIR
#define TESSI_BIN_DIR "/usr/local/bin"
#define TESSI_LIB_DIR "/usr/local/lib"
#endif
#define LIBRARY "libtessera.so.1"

/* 1 where `base` is the program's own: the kernel says where its headers are. */
static int is_program(const void *base)
{
    const ElfW(Ehdr) *head = base;
    return (const char *)base + head->e_phoff == (const char *)getauxval(AT_PHDR);
}

int tessi_plug_own_file(char *path, size_t capacity, int *program)
{
    static const char here = 0;
    char file[PATH_MAX];
    Dl_info info;
    *program = dladdr(&here, &info) == 0 || !info.dli_fbase || is_program(info.dli_fbase);
    if (*program) {
        ssize_t length = readlink("/proc/self/exe", file, sizeof file - 1);
        file[length > 0 ? length : 0] = '\0';
    } else if (!realpath(info.dli_fname, file)) {
        return 0;
    }
    return *file == '/' && snprintf(path, capacity, "%s", file) < (int)capacity;
}

/* Length of the folders that both paths begin with, without the closing slash. */
static size_t shared_folders(const char *a, const char *b)
{
    size_t length = 0;
    for (size_t i = 0;; i++) {
        int end_a = a[i] == '\0' || a[i] == '/', end_b = b[i] == '\0' || b[i] == '/';
        if (end_a && end_b)
            length = i;
        if (a[i] != b[i] || a[i] == '\0')
            return length;
    }
}

int tessi_plug_moved(const char *here, const char *planned, const char *target, char *path, size_t capacity)
{
    size_t shared = shared_folders(planned, target), length = strlen(here);
    for (const char *at = planned + shared; *at; at += strcspn(at, "/")) {
        at += strspn(at, "/");
        if (*at == '\0')
            break;
        while (length > 0 && here[length - 1] != '/')
            length--;
        if (length == 0)
            return 0;
        length--;
    }
    return snprintf(path, capacity, "%.*s%s", (int)length, here, target + shared) < (int)capacity;
}

static int is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Path of `configured` in this installation, found from the folder of this file, whether or not anything is there. */
static int moved_with_this(const char *configured, char *path, size_t capacity)
{
    char file[PATH_MAX];
    int program;
    if (!tessi_plug_own_file(file, sizeof file, &program))
        return 0;
    *strrchr(file, '/') = '\0';
    return tessi_plug_moved(file, program ? TESSI_BIN_DIR : TESSI_LIB_DIR, configured, path, capacity);
}

int tessi_plug_installed(const char *configured, char *path, size_t capacity)
{
    if (moved_with_this(configured, path, capacity) && is_folder(path))
        return 1;
    snprintf(path, capacity, "%s", configured);
    return is_folder(path);
}

void tessi_plug_offer_library(void)
{
    char file[PATH_MAX], library[PATH_MAX + sizeof LIBRARY + 8];
    int program;
    if (!tessi_plug_own_file(file, sizeof file, &program) || !program)
        return;
    *strrchr(file, '/') = '\0';
    snprintf(library, sizeof library, "%s/.libs/" LIBRARY, file); /* the folder libtool builds the library in */
    if (access(library, R_OK) != 0 && !moved_with_this(TESSI_LIB_DIR "/" LIBRARY, library, sizeof library))
        return;
    (void)dlopen(library, RTLD_LAZY | RTLD_LOCAL | RTLD_NODELETE);
}
