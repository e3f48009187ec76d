/* Paths and folders. SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/files.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int tessi_base_format(struct tess_context *ctx, char **out, const char *format, ...)
{
    va_list list, again;
    void *memory;
    *out = NULL;
    va_start(list, format);
    va_copy(again, list);
    int bytes = vsnprintf(NULL, 0, format, list);
    va_end(list);
    int status = tess_alloc(ctx, (size_t)(bytes < 0 ? 0 : bytes) + 1, "a string", &memory);
    if (status == TESS_OK) {
        vsnprintf(memory, (size_t)bytes + 1, format, again);
        *out = memory;
    }
    va_end(again);
    return status;
}

int tessi_base_path_absolute(struct tess_context *ctx, const char *path, char **out)
{
    char here[PATH_MAX];
    *out = NULL;
    if (*path == '/')
        return tessi_base_format(ctx, out, "%s", path);
    if (!getcwd(here, sizeof here))
        return ctx->fail(ctx, TESS_E_IO, "the current folder is not available: %s", strerror(errno));
    return tessi_base_format(ctx, out, "%s/%s", here, path);
}

int tessi_base_path_beside(struct tess_context *ctx, const char *file, const char *path, char **out)
{
    const char *slash = strcmp(file, "command line") == 0 ? NULL : strrchr(file, '/');
    if (*path == '/' || !slash)
        return tessi_base_format(ctx, out, "%s", path);
    return tessi_base_format(ctx, out, "%.*s/%s", (int)(slash - file), file, path);
}

int tessi_base_is_file(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode);
}

int tessi_base_file_there(struct tess_context *ctx, const char *path, int *there)
{
    struct stat about;
    *there = 0;
    if (stat(path, &about) == 0)
        *there = S_ISREG(about.st_mode);
    else if (errno != ENOENT && errno != ENOTDIR)
        return ctx->fail(ctx, TESS_E_IO, "%s: cannot be looked at: %s; see to its folder's permissions", path, strerror(errno));
    return TESS_OK;
}

int tessi_base_make_folder(struct tess_context *ctx, const char *path)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof part)
        return ctx->fail(ctx, TESS_E_CREATE, "%.64s...: this path is too long for a folder", path);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        struct stat about;
        int error = mkdir(part, 0777) == 0 ? 0 : errno;
        if (error && !(stat(part, &about) == 0 && S_ISDIR(about.st_mode)))
            return ctx->fail(ctx, TESS_E_CREATE, "%s: the folder cannot be made: %s; %s", part, strerror(error),
                             error == ENOSPC || error == EDQUOT ? "the disk is full: make room, then run again" : "choose another place");
    }
    return TESS_OK;
}
