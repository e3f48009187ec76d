/* Description of a plugin: one constant, `tess_plugin_1`, its only exported symbol.
 *
 * The host checks it (size, major, needed services, duplicate names, sane tables) before any of the plugin's code runs;
 * the file is opened RTLD_NOW | RTLD_LOCAL and never closed. A component's parameters are a table of rows with offsets into the
 * component's own struct: the host parses, range-checks, documents and stores them, and fills the struct before `open`.
 *
 * Growth: fields are appended, never reordered or reused, each at a multiple of 8 (`int32_t reserved` before it, where need be): a field in
 * what was padding would be counted by the size of an older struct. Who looks for one asks TESS_HAS. A new meaning is a new id ("noise/2").
 * Types at this boundary are fixed-width integers, double and pointers.
 *
 * SPDX-License-Identifier: MIT */
#ifndef TESSERA_PLUGIN_H
#define TESSERA_PLUGIN_H

#include <tessera/base.h>
#include <tessera/epoch.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Type of a parameter, and of the member at its offset. */
enum {
    TESS_BOOL = 1,           /* int32_t, 0 or 1 */
    TESS_I64 = 2,            /* int64_t; lo, hi, def are exact to 2^53 */
    TESS_F64 = 3,            /* double; NaN and infinities are refused */
    TESS_STR = 4,            /* const char *; the default is `text`, NULL when there is none */
    TESS_ENUM = 5,           /* int32_t: index into `text`, "l1|l2"; the default is index `def` */
    TESS_LIST = 6,           /* struct tess_list; lo and hi hold for each item; the default is `text`, "1, 1, 2" */
    TESS_COMPONENT = 7,      /* struct tess_instance *; `text` is the kind, "encoder/1", NULL in the member when not given.
                              * "decoder/1 like encoder": parameters not written are taken from the component given for the
                              * parameter `encoder` (an earlier row) where it has one of that name and type. */
    TESS_LIST_F64 = 8,       /* struct tess_list_f64; as TESS_LIST, the default like "0.5, 0.999" */
    TESS_LIST_STR = 9,       /* struct tess_list_str; the default is `text`, "red, green"; items are texts of any kind, valid until close */
    TESS_LIST_COMPONENT = 10 /* struct tess_list_component; `text` as for TESS_COMPONENT; none unless the pipeline says so */
};

/* Flags of a parameter. */
enum {
    TESS_REQUIRED = 1u << 0, /* no default: the pipeline must say it */
    TESS_NEUTRAL = 1u << 1,  /* changes how fast or how talkative, never the result: left out of cache keys */
    TESS_PATH = 1u << 2,     /* a string that names a file: left out of cache keys; what the file holds counts (fingerprint).
                              * A relative path is relative to the folder of the pipeline file; the host makes it absolute. */
    TESS_LATER = 1u << 3,    /* a parameter added when there were results already, with a default that does what was done before it: at its
                              * default it is in no cache key and in no model's description, so that earlier results are still found */
    TESS_GONE = 1u << 4      /* former names are refused, naming the new one; without the flag they are accepted for the parameter */
};

#define TESS_LIST_MAX 16
struct tess_list {
    int64_t count, item[TESS_LIST_MAX];
};

struct tess_list_f64 {
    int64_t count;
    double item[TESS_LIST_MAX];
};
struct tess_list_str {
    int64_t count;
    const char *item[TESS_LIST_MAX];
};
/* An opened component: its plugin's description, its own struct, its parameters. One call at a time per instance. */
struct tess_instance;
struct tess_list_component {
    int64_t count;
    struct tess_instance *item[TESS_LIST_MAX];
};

struct tess_param {
    const char *name; /* the YAML key; NULL ends the table */
    const char *help; /* description in one line, with the unit */
    int32_t type;
    uint32_t flags;
    size_t offset;      /* offsetof(struct self, member) */
    double lo, hi, def; /* inclusive range, and the default */
    const char *text;   /* default or choices as text: see the types */
    const char *former; /* former names of the YAML key, "rate|learning_rate"; NULL: none */
};

struct tess_component {
    const char *name;    /* "conv": what a pipeline writes after `use:`; NULL ends the table */
    const char *kind;    /* "encoder/1": says what `ops` points at */
    const char *summary; /* description in one line, for listings */
    const struct tess_param *params;
    uint32_t param_stride; /* sizeof(struct tess_param) as compiled, so that rows may grow */
    uint32_t reserved;
    uint64_t caps;    /* capability bits; none are defined yet, so 0: a bit that the host does not know is refused */
    size_t self_size; /* the host allocates self, zeroed, and fills the parameters */
    /* Cross-check parameters, reserve memory, open files. May be NULL. On failure `close` is called too. */
    int (*open)(void *self, struct tess_context *ctx);
    /* Accepts a half-opened self. May be NULL. */
    void (*close)(void *self);
    const void *ops; /* for example const struct tess_encoder_1 */
    /* The stage that computes its weights, where training cannot begin with their initial values but with a model's only: "refit". NULL: it
     * is trained from its initial values. */
    const char *made_by;
    /* A component on a library that is slow or large to load names the file that has its functions, `libraries/MODULE.so` beside its own
     * plugin's: a plugin of the same id and version with a component of this kind and name, which is loaded when one is opened and then
     * taken in place of this row. Here `open` and `close` are NULL, and `ops` says what is known without the library. NULL: no such file.
     * An instance's functions are there once it is open. */
    const char *module;
    const char *const *settings; /* environment variables set while `module` is being loaded: {"NAME=VALUE", NULL}; NULL: none */
    const char *source;          /* publication, one line: authors, title, year, equation; NULL: none */
    const char *example;         /* example, as YAML of a pipeline, "quantizer: {use: ema, codebook_size: 256}", or a command; NULL: none */
};

struct tess_plugin {
    uint32_t size; /* sizeof(struct tess_plugin) as compiled: readers look no further */
    uint16_t abi_major, abi_minor;
    const char *id, *version, *license;
    const char *const *needs; /* host services that it requires: {"graph/1", NULL}; NULL for none */
    const struct tess_component *components;
    uint32_t component_stride;
    int64_t epoch; /* TESS_EPOCH as compiled: part of the cache key of every result that the plugin had a part in */
};

/* Rows of these tables, alike in C99 and later and in C++11 and later:
 *
 *     struct steps {
 *         int64_t levels;
 *         int32_t hard;
 *     };
 *     static const struct tess_param params[] = {TESS_PARAM_I64(struct steps, levels, 2, 255, 8, "levels of a value"),
 *                                                TESS_PARAM_BOOL(struct steps, hard, 1, "no soft edges"), TESS_PARAM_END};
 *     static const struct tess_quantizer_1 ops = { ... };
 *     TESS_PLUGIN("my-steps", "0.1.0", "MIT", TESS_NEEDS("graph/1"),
 *                 TESS_COMPONENT("steps", "quantizer/1", "levels of equal width", sizeof(struct steps), params, NULL, NULL, &ops));
 *
 * A parameter has the name of its member; TESS_PARAM gives it another, and flags. */
#define TESS_PARAM(name, self, member, type, flags, lo, hi, def, text, help)                                                               \
    {                                                                                                                                      \
        name, help, type, flags, offsetof(self, member), lo, hi, def, text, NULL                                                           \
    }
/* A parameter with its former names (TESS_GONE in `flags`: they are refused). */
#define TESS_PARAM_RENAMED(name, former, self, member, type, flags, lo, hi, def, text, help)                                               \
    {                                                                                                                                      \
        name, help, type, flags, offsetof(self, member), lo, hi, def, text, former                                                         \
    }
#define TESS_PARAM_BOOL(self, member, def, help) TESS_PARAM(#member, self, member, TESS_BOOL, 0, 0, 0, def, NULL, help)
#define TESS_PARAM_I64(self, member, lo, hi, def, help) TESS_PARAM(#member, self, member, TESS_I64, 0, lo, hi, def, NULL, help)
#define TESS_PARAM_F64(self, member, lo, hi, def, help) TESS_PARAM(#member, self, member, TESS_F64, 0, lo, hi, def, NULL, help)
#define TESS_PARAM_STR(self, member, text, help) TESS_PARAM(#member, self, member, TESS_STR, 0, 0, 0, 0, text, help)
#define TESS_PARAM_ENUM(self, member, choices, def, help) TESS_PARAM(#member, self, member, TESS_ENUM, 0, 0, 0, def, choices, help)
#define TESS_PARAM_LIST(self, member, lo, hi, text, help) TESS_PARAM(#member, self, member, TESS_LIST, 0, lo, hi, 0, text, help)
#define TESS_PARAM_LIST_F64(self, member, lo, hi, text, help) TESS_PARAM(#member, self, member, TESS_LIST_F64, 0, lo, hi, 0, text, help)
#define TESS_PARAM_LIST_STR(self, member, text, help) TESS_PARAM(#member, self, member, TESS_LIST_STR, 0, 0, 0, 0, text, help)
#define TESS_PARAM_LIST_COMPONENT(self, member, kind, help) TESS_PARAM(#member, self, member, TESS_LIST_COMPONENT, 0, 0, 0, 0, kind, help)
#define TESS_PARAM_COMPONENT(self, member, flags, kind, help) TESS_PARAM(#member, self, member, TESS_COMPONENT, flags, 0, 0, 0, kind, help)
#define TESS_PARAM_END                                                                                                                     \
    {                                                                                                                                      \
        NULL, NULL, 0, 0, 0, 0, 0, 0, NULL, NULL                                                                                           \
    }

/* A component. `self` is the size of its struct, 0 for none; `params`, `open` and `close` may be NULL. DOCUMENTED has where it was
 * published and an example as well, WITH the rest of struct tess_component. */
#define TESS_COMPONENT(name, kind, summary, self, params, open, close, ops)                                                                \
    TESS_COMPONENT_WITH(name, kind, summary, self, params, open, close, ops, NULL, NULL, NULL, NULL, NULL)
#define TESS_COMPONENT_DOCUMENTED(source, example, name, kind, summary, self, params, open, close, ops)                                    \
    TESS_COMPONENT_WITH(name, kind, summary, self, params, open, close, ops, NULL, NULL, NULL, source, example)
#define TESS_COMPONENT_WITH(name, kind, summary, self, params, open, close, ops, made_by, module, settings, source, example)               \
    {                                                                                                                                      \
        name, kind, summary, params, sizeof(struct tess_param), 0, 0, self, open, close, ops, made_by, module, settings, source, example   \
    }
#define TESS_COMPONENT_END                                                                                                                 \
    {                                                                                                                                      \
        NULL, NULL, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL                                                 \
    }

/* The plugin, at the end of its file: what it needs, TESS_NEEDS("graph/1", ...) or TESS_NEEDS_NONE, and its components. INIT is what a
 * struct tess_plugin begins with, of tables made elsewhere. */
#define TESS_NEEDS(...)                                                                                                                    \
    {                                                                                                                                      \
        __VA_ARGS__, NULL                                                                                                                  \
    }
#define TESS_NEEDS_NONE                                                                                                                    \
    {                                                                                                                                      \
        NULL                                                                                                                               \
    }
#define TESS_PLUGIN(id, version, license, needs, ...)                                                                                      \
    static const char *const tess_plugin_needs[] = needs;                                                                                  \
    static const struct tess_component tess_plugin_components[] = {__VA_ARGS__, TESS_COMPONENT_END};                                       \
    const struct tess_plugin tess_plugin_1 = TESS_PLUGIN_INIT(id, version, license, tess_plugin_needs, tess_plugin_components)
#define TESS_PLUGIN_INIT(id, version, license, needs, components)                                                                          \
    {                                                                                                                                      \
        sizeof(struct tess_plugin), TESS_ABI_MAJOR, TESS_ABI_MINOR, id, version, license, needs, components,                               \
            sizeof(struct tess_component), TESS_EPOCH                                                                                      \
    }

extern TESS_EXPORT const struct tess_plugin tess_plugin_1;

/* The kind's table of functions, or NULL when the instance is of another kind. */
TESS_EXPORT const void *tess_instance_ops(const struct tess_instance *i, const char *kind);
TESS_EXPORT void *tess_instance_self(const struct tess_instance *i);
TESS_EXPORT const char *tess_instance_name(const struct tess_instance *i); /* "conv" */
/* The status that the instance's function returned, as a caller of components passes it on: `status`, or TESS_E_PLUGIN where it is positive
 * or has no message, with one that names kind ("critic"), component, plugin and function ("record"). A message of a user's plugin that
 * names neither component nor plugin gets them behind it. [any thread] */
TESS_EXPORT TESS_CHECKED int tess_instance_returned(struct tess_context *ctx, const struct tess_instance *i, const char *kind,
                                                    const char *function, int status);
/* TESS_E_USAGE, with the stage that makes it, where training cannot begin with the component's initial values (made_by). `parameter` of the
 * caller is what it was given as, and `port` the input for a model to start from, NULL where there is none. */
TESS_EXPORT TESS_CHECKED int tess_instance_learns(struct tess_context *ctx, const struct tess_instance *i, const char *parameter,
                                                  const char *port);
/* Config text of a component, as a model's artefact keeps it and a cache key hashes it: its name and every parameter with defaults filled
 * in, in the table's order, without paths and neutral parameters: "{use: conv, channels: 32, ...}". Valid until close. */
TESS_EXPORT const char *tess_instance_config_text(const struct tess_instance *i);
/* Parameters of a component read from its config text, with nothing opened. tess_config_text_has: 1 in `out` where `key`, "use" for the
 * component's name, has the value `text`, else 0; the others: the number of `key`, `otherwise` where there is none. TESS_E_DATA for a text
 * that is no config text, or no number. [any thread] */
TESS_EXPORT TESS_CHECKED int tess_config_text_has(struct tess_context *ctx, const char *config_text, const char *key, const char *text,
                                                  int32_t *out);
TESS_EXPORT TESS_CHECKED int tess_config_text_i64(struct tess_context *ctx, const char *config_text, const char *key, int64_t otherwise,
                                                  int64_t *out);
TESS_EXPORT TESS_CHECKED int tess_config_text_f64(struct tess_context *ctx, const char *config_text, const char *key, double otherwise,
                                                  double *out);
/* Opens a component of `kind` from its config text. Errors name `where` ("codes.h5: encoder"). */
TESS_EXPORT TESS_CHECKED int tess_instance_open(struct tess_context *ctx, const char *kind, const char *config_text, const char *where,
                                                struct tess_instance **out);
TESS_EXPORT void tess_instance_close(struct tess_instance *i);

#ifdef __cplusplus
}
#endif
#endif
