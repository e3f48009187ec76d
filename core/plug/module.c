/* Loading: a plugin's file, and the file that has the functions of a component on a large library (`module` in <tessera/plugin.h>).
 *
 * Every verb looks at every plugin. What is opened for that is small, so that `tessera plugins` takes milliseconds and a library that
 * starts threads or reserves gigabytes of addresses does so in the run alone that asked for it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/plug/blame.h"
#include "core/plug/plug_private.h"
#include "core/plug/trial.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const struct tess_plugin *tessi_plug_plugin_open(const char *path, const struct tess_host *host, char *why, size_t capacity)
{
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle) {
        const char *reason = dlerror();
        size_t front = strlen(path);
        if (reason && strncmp(reason, path, front) == 0 && reason[front] == ':')
            reason += front + 1 + strspn(reason + front + 1, " ");
        snprintf(why, capacity, "wanted a shared object that loads, found: %s", reason ? reason : "no reason given");
        return NULL;
    }
    const struct tess_plugin *p = dlsym(handle, "tess_plugin_1");
    if (p)
        return tessi_plug_plugin_check(p, host, why, capacity) ? p : NULL;
    for (int major = TESS_ABI_MAJOR + 1; major < 10; major++) {
        char symbol[24];
        snprintf(symbol, sizeof symbol, "tess_plugin_%d", major);
        if (dlsym(handle, symbol)) {
            snprintf(why, capacity, "wanted plugin ABI %d (symbol tess_plugin_1), found ABI %d: build it again with this tessera's headers",
                     TESS_ABI_MAJOR, major);
            return NULL;
        }
    }
    snprintf(why, capacity, "wanted the symbol tess_plugin_1, found a shared object without it: not a plugin of tessera");
    return NULL;
}

const char *tessi_plug_component_module(const struct tess_plugin *p, const struct tess_component *k, const char *const **settings)
{
    int has = p->component_stride >= offsetof(struct tess_component, settings) + sizeof k->settings;
    if (settings)
        *settings = has ? k->settings : NULL;
    return has ? k->module : NULL;
}

/* Path of a module, `libraries/MODULE.so` beside the plugin's file, which libtool has put into .libs where it was built. */
int tessi_plug_module_path(const char *file, const struct tess_plugin *p, const struct tess_component *k, char *path, size_t capacity)
{
    const char *module = tessi_plug_component_module(p, k, NULL), *slash = strrchr(file, '/'), *libs = "/.libs";
    size_t folder = slash ? (size_t)(slash - file) : 0, length = strlen(libs);
    int built = folder >= length && strncmp(file + folder - length, libs, length) == 0;
    int bytes = snprintf(path, capacity, "%.*s/" TESSI_LIBRARIES "%s/%s.so", (int)(built ? folder - length : folder), file,
                         built ? libs : "", module ? module : "");
    return module && bytes > 0 && (size_t)bytes < capacity;
}

/* A module to be opened, with the result: its plugin, or the reason of a refusal. */
struct opening {
    const struct tessi_registry *registry;
    const char *path;
    int shipped;
    const struct tess_plugin *plugin;
    char why[1024];
};

/* Opens the file with the environment settings in effect: they override the user's variables, which may be meant for another program;
 * afterwards all variables are as before. */
static int open_with(struct tess_context *ctx, struct opening *o, const char *const *setting)
{
    char digest[TESS_DIGEST_TEXT];
    if (!setting || !*setting)
        return tessi_plug_registry_open_file(ctx, o->registry, o->path, o->shipped, digest, &o->plugin, o->why, sizeof o->why);
    char name[128], before[512];
    int length = (int)strcspn(*setting, "=");
    snprintf(name, sizeof name, "%.*s", length, *setting);
    const char *set = getenv(name), *value = *setting + length + ((*setting)[length] == '=');
    int keep = set && snprintf(before, sizeof before, "%s", set) < (int)sizeof before;
    setenv(name, value, 1);
    int status = open_with(ctx, o, setting + 1);
    if (keep)
        setenv(name, before, 1);
    else
        unsetenv(name);
    return status;
}

/* Address space, in bytes, that must be free before a module is loaded. Libraries of linear algebra take a buffer while they are loaded,
 * and some ask for it again for ever where the process may have no more addresses (OpenBLAS 0.3.29: 128 MiB): so that much, and the size of
 * the library itself, is tried beforehand. */
enum { LIBRARY_BYTES = 224 << 20 };
static int module_has_addresses(const struct tess_component *k)
{
    if (strcmp(k->kind, "backend/1") != 0)
        return 1;
    void *memory = mmap(NULL, LIBRARY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory != MAP_FAILED && munmap(memory, LIBRARY_BYTES) == 0;
}

int tessi_plug_module_load(struct tess_context *ctx, const struct tessi_registry *r, const struct tess_plugin **plugin,
                      const struct tess_component **component)
{
    char path[PATH_MAX];
    const char *const *settings;
    const struct tess_component *wanted = *component, *k;
    const struct tessi_found *found = tessi_plug_registry_found(r, (*plugin)->id);
    struct opening o = {.registry = r, .path = path, .shipped = found && found->shipped, .why = "its path is too long"};
    if (!tessi_plug_component_module(*plugin, wanted, &settings))
        return TESS_OK;
    if (!module_has_addresses(wanted))
        return ctx->fail(ctx, TESS_E_MEMORY,
                         "the library of %s `%s` may want %d MiB of addresses to be loaded, and they cannot be allocated; raise the limit "
                         "(`ulimit -v`)",
                         wanted->kind, wanted->name, LIBRARY_BYTES >> 20);
    if (tessi_plug_module_path(tessi_plug_registry_file_of(r, *plugin), *plugin, wanted, path, sizeof path))
        TESS_TRY(open_with(ctx, &o, settings));
    const struct tess_plugin *p = o.plugin;
    if (!p)
        return ctx->fail(ctx, TESS_E_PLUGIN, "%s: %s", path, o.why);
    if (strcmp(p->id, (*plugin)->id) != 0 || strcmp(p->version, (*plugin)->version) != 0)
        return ctx->fail(ctx, TESS_E_PLUGIN, "%s: wanted the library of %s %s, found %s %s: install both from one build", path,
                         (*plugin)->id, (*plugin)->version, p->id, p->version);
    for (int64_t i = 0; (k = tessi_plug_component_at(p, i)); i++)
        if (strcmp(k->kind, wanted->kind) == 0 && strcmp(k->name, wanted->name) == 0) {
            tessi_plug_blame_add(p, o.shipped);
            *plugin = p;
            *component = k;
            return TESS_OK;
        }
    return ctx->fail(ctx, TESS_E_PLUGIN, "%s: wanted %s `%s` in it, found none", path, wanted->kind, wanted->name);
}
