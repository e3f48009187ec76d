/* Finding, checking and opening plugins, and filling parameters. SPDX-License-Identifier: MIT */
#ifndef TESSI_REGISTRY_H
#define TESSI_REGISTRY_H

#include <tessera/digest.h>
#include <tessera/plugin.h>
#include "core/config/config.h"

struct tessi_registry;

/* A plugin's file that was examined. */
struct tessi_found {
    char *path;
    char *refusal;                     /* reason of the refusal; NULL: accepted */
    const struct tess_plugin *plugin;  /* plugin of the file; NULL when refused */
    char *remark;                      /* remark for those who plan and run; NULL: none */
    int32_t shipped;                   /* 1: a file of this program's release, by its folder and name */
    char digest[TESS_DIGEST_TEXT];     /* digest of the file, where it is not of the release; else "" */
};

/* Scans, in this order, each folder of TESSERA_PLUGIN_PATH (colon-separated), of `extra` (same form, may be NULL), then the tree's
 * build/plugins when the program runs from the tree, else the installed folder; files *.so, sorted bytewise. Recursive one level
 * (kind folders, and libtool's .libs in them; not `libraries`, whose files are loaded when a component is opened). A missing folder is a
 * note; a duplicate id or kind/name refuses the later file naming both. Never fails for a bad file. Services that plugins need are asked of
 * ctx->host, which must outlive the registry. `seconds`: how long a file that is new here may take to be loaded (trial.h); 0: as long as
 * usual. [one thread] */
int tessi_plug_registry_new(struct tess_context *ctx, const char *extra, double seconds, struct tessi_registry **out) TESS_CHECKED;
void tessi_plug_registry_free(struct tessi_registry *r); /* plugins stay loaded */
/* Adds a file, or a plugin that this program has compiled in (borrowed), as if it had been found. TESS_E_PLUGIN with the reason when it is
 * refused; a file that is known already is neither opened again nor a failure. */
int tessi_plug_registry_add_file(struct tess_context *ctx, struct tessi_registry *r, const char *path) TESS_CHECKED;
int tessi_plug_registry_add_plugin(struct tess_context *ctx, struct tessi_registry *r, const struct tess_plugin *plugin) TESS_CHECKED;
int64_t tessi_plug_registry_files(const struct tessi_registry *r);
const struct tessi_found *tessi_plug_registry_file(const struct tessi_registry *r, int64_t i);
/* Path of the file a plugin came from; "" for one that is in no file of the list. */
const char *tessi_plug_registry_file_of(const struct tessi_registry *r, const struct tess_plugin *plugin);
/* The accepted file of the plugin of this id; NULL: there is none. */
const struct tessi_found *tessi_plug_registry_found(const struct tessi_registry *r, const char *id);
/* Digests of the files that a component's code is in, its plugin's and its module's ("A and B"), unless they are of the release; "". For a
 * plugin that was built again under the same version. */
const char *tessi_plug_registry_bytes(const struct tessi_registry *r, const struct tess_component *k, const struct tess_plugin *plugin,
                                      char *text, size_t capacity);
/* Value of a component's member that older plugins do not have; NULL for them, too. */
#define TESSI_COMPONENT_HAS(plugin, component, field)                                                                                      \
    ((plugin)->component_stride >= offsetof(struct tess_component, field) + sizeof(component)->field ? (component)->field : NULL)
/* Name of the module that a component's functions are in, and settings (may be NULL) for loading it; NULL: they are in its plugin. */
const char *tessi_plug_component_module(const struct tess_plugin *p, const struct tess_component *k, const char *const **settings);
/* Loads the module of a component, if it has one, and replaces plugin and component by those from there. TESS_E_PLUGIN says why it cannot
 * be loaded. [one thread] */
int tessi_plug_module_load(struct tess_context *ctx, const struct tessi_registry *r, const struct tess_plugin **plugin,
                      const struct tess_component **component) TESS_CHECKED;
/* The i-th folder that was searched: path and "" or a note ("no such folder"). NULL past the end. */
const char *tessi_plug_registry_folder(const struct tessi_registry *r, int64_t i, const char **note);
/* Appends to text the likeliest reasons for a missing component: refusals of files called NAME.so ("; refused: ..."), and components of the
 * name whose kind has another number than `kind` ("": of any). */
void tessi_plug_add_refused(const struct tessi_registry *r, const char *kind, const char *name, char *text, size_t capacity);
/* The i-th component, by kind, then name; plugin may be NULL. NULL past the end. */
const struct tess_component *tessi_plug_registry_component(const struct tessi_registry *r, int64_t i, const struct tess_plugin **plugin);
/* The component of that kind ("encoder/1") and name; NULL when absent. */
const struct tess_component *tessi_plug_registry_find(const struct tessi_registry *r, const char *kind, const char *name,
                                                 const struct tess_plugin **plugin);

/* Opens the component that `config` (a map with `use`, or a bare scalar name) asks for. `like` (may be NULL): where parameters not written
 * are taken from ("like" in plugin.h). `skip`: NULL-ended keys of the map that are the caller's own (a stage's `in`). Unknown keys, wrong
 * types, ranges, missing plugins: file:line:column, wanted, found, nearest. A missing plugin is TESS_E_PLUGIN and names refused files of
 * that name. open = 0: fills and checks everything, sub-components too, but calls no open(): for planning stages use open = 1 (opening is
 * cheap by contract); 0 serves `plugins` and tests. */
int tessi_plug_instance_new(struct tess_context *ctx, const struct tessi_registry *r, const char *kind, struct tessi_config *config,
                       const struct tess_instance *like, const char *const *skip, int open, struct tess_instance **out) TESS_CHECKED;
const struct tess_component *tessi_plug_instance_component(const struct tess_instance *i);
/* Stage that makes a component's weights (`made_by`), or NULL: none, or its plugin is older than the member. */
const char *tessi_plug_component_made_by(const struct tess_plugin *plugin, const struct tess_component *k);
const struct tess_plugin *tessi_plug_instance_plugin(const struct tess_instance *i);
/* Text of all parameters with defaults filled in, paths and neutral ones too: for the resolved pipeline. Valid until close. */
const char *tessi_plug_instance_resolved(const struct tess_instance *i);
/* The trees of both texts of an instance: `values` of tessi_plug_instance_resolved, `identity` of tess_instance_config_text. Valid until
 * close. */
const struct tessi_config *tessi_plug_instance_values(const struct tess_instance *i);
const struct tessi_config *tessi_plug_instance_identity(const struct tess_instance *i);
/* The i-th parameter row of a component, by stride; NULL at the end. */
const struct tess_param *tessi_plug_param_at(const struct tess_component *k, int64_t i);
/* Range of a parameter, "1 .. 65536, default 64" and the like, for listings; then its three parts: "integer", "1 .. 65536", "64" ("" where
 * there is none). */
const char *tessi_plug_param_range(const struct tess_param *p, char *text, size_t capacity);
const char *tessi_plug_param_type(const struct tess_param *p);
const char *tessi_plug_param_limits(const struct tess_param *p, char *text, size_t capacity);
const char *tessi_plug_param_default(const struct tess_param *p, char *text, size_t capacity);

/* Adds to the message kept that `key`, in the map `in` ("": none) of a component, stays from the component before, and the cure. */
void tessi_plug_append_stays(struct tess_context *ctx, const struct tessi_config *component, const char *in,
                             const struct tessi_config *key);

#endif
