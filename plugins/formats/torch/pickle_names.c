/* Names that a pickle may use, and what a call of each stands for here. A name that is in no row may be the class of an object, of which
 * nothing is kept; but not one of the modules that a hostile pickle would have run. SPDX-License-Identifier: MIT */
#include "plugins/formats/torch/pickle_objects.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *module, *name; /* name NULL: any of the module */
    int call, type;            /* type: of a storage's numbers, -1: no storage */
} names[] = {
    {"", "", CALL_VALUE, -1}, /* row 0: a type of the language */
    {"torch._utils", "_rebuild_tensor_v2", CALL_TENSOR, -1},
    {"torch._utils", "_rebuild_tensor", CALL_TENSOR, -1},
    {"torch._utils", "_rebuild_tensor_v3", CALL_TENSOR_V3, -1},
    {"torch._utils", "_rebuild_parameter", CALL_PARAMETER, -1},
    {"torch._utils", "_rebuild_parameter_with_state", CALL_PARAMETER, -1},
    {"torch._tensor", "_rebuild_from_type_v2", CALL_SUBCLASS, -1},
    {"torch._utils", NULL, CALL_VALUE, -1}, /* sparse, quantised and other tensors */
    {"torch", "FloatStorage", CALL_NOTHING, NUMBER_F32},
    {"torch", "HalfStorage", CALL_NOTHING, NUMBER_F16},
    {"torch", "BFloat16Storage", CALL_NOTHING, NUMBER_BF16},
    {"torch", "DoubleStorage", CALL_NOTHING, NUMBER_F64},
    {"torch", "LongStorage", CALL_NOTHING, NUMBER_I64},
    {"torch", "IntStorage", CALL_NOTHING, NUMBER_I32},
    {"torch", "ShortStorage", CALL_NOTHING, NUMBER_I16},
    {"torch", "CharStorage", CALL_NOTHING, NUMBER_I8},
    {"torch", "ByteStorage", CALL_NOTHING, NUMBER_U8},
    {"torch", "BoolStorage", CALL_NOTHING, NUMBER_BOOL},
    {"torch", "ComplexFloatStorage", CALL_NOTHING, NUMBER_C64},
    {"torch", "ComplexDoubleStorage", CALL_NOTHING, NUMBER_C128},
    {"torch", "QUInt8Storage", CALL_NOTHING, NUMBER_U8},
    {"torch", "QInt8Storage", CALL_NOTHING, NUMBER_I8},
    {"torch", "QInt32Storage", CALL_NOTHING, NUMBER_I32},
    {"torch", "QUInt4x2Storage", CALL_NOTHING, NUMBER_U8},
    {"torch", "QUInt2x4Storage", CALL_NOTHING, NUMBER_U8},
    {"torch", "UntypedStorage", CALL_NOTHING, NUMBER_U8},
    {"torch.storage", "UntypedStorage", CALL_NOTHING, NUMBER_U8},
    {"collections", "OrderedDict", CALL_DICT, -1},
    {"collections", "defaultdict", CALL_DICT, -1},
    {"collections", "Counter", CALL_DICT, -1},
    {"builtins", "dict", CALL_DICT, -1},
    {"__builtin__", "dict", CALL_DICT, -1},
    /* Values that trainers write beside the weights. */
    {"collections", NULL, CALL_VALUE, -1},
    {"torch", "device", CALL_VALUE, -1},
    {"torch", "Size", CALL_VALUE, -1},
    {"torch.serialization", "_get_layout", CALL_VALUE, -1},
    {"numpy", "dtype", CALL_VALUE, -1},
    {"numpy", "ndarray", CALL_VALUE, -1},
    {"numpy.core.multiarray", "scalar", CALL_VALUE, -1},
    {"numpy.core.multiarray", "_reconstruct", CALL_VALUE, -1},
    {"numpy._core.multiarray", "scalar", CALL_VALUE, -1},
    {"numpy._core.multiarray", "_reconstruct", CALL_VALUE, -1},
    {"numpy.core.numeric", "_frombuffer", CALL_VALUE, -1},
    {"numpy._core.numeric", "_frombuffer", CALL_VALUE, -1},
    {"numpy.dtypes", NULL, CALL_VALUE, -1},
    {"numpy.random._pickle", NULL, CALL_VALUE, -1},
    {"numpy.random.bit_generator", NULL, CALL_VALUE, -1},
    {"argparse", "Namespace", CALL_VALUE, -1},
    {"types", "SimpleNamespace", CALL_VALUE, -1},
    {"pathlib", NULL, CALL_VALUE, -1},
    {"pathlib._local", NULL, CALL_VALUE, -1},
    {"datetime", NULL, CALL_VALUE, -1},
    {"zoneinfo", "ZoneInfo._unpickle", CALL_VALUE, -1},
    {"decimal", "Decimal", CALL_VALUE, -1},
    {"fractions", "Fraction", CALL_VALUE, -1},
    {"uuid", "UUID", CALL_VALUE, -1},
    {"_codecs", "encode", CALL_VALUE, -1}, /* bytes in protocol 2 */
    {"copyreg", "_reconstructor", CALL_VALUE, -1},
    {"copy_reg", "_reconstructor", CALL_VALUE, -1},
};

/* Types of the language, in Python 3 and 2. */
static const char *const builtin_types[] = {"bool", "bytearray", "bytes", "complex", "float", "frozenset", "int",     "list",  "long",
                                            "object", "range",   "set",   "slice",   "str",   "tuple",     "unicode", "xrange"};

/* Modules whose functions a pickle is made hostile with. `a` is for `a.b` too. */
static const char *const runs[] = {"os",        "posix",  "nt",      "posixpath", "sys",    "subprocess", "runpy",    "importlib",
                                   "imp",       "socket", "shutil",  "ctypes",    "pty",    "code",       "codeop",   "builtins",
                                   "__builtin__", "pickle", "marshal", "commands",  "signal", "webbrowser", "platform", "operator"};

static int same(const struct machine *m, int64_t offset, uint32_t length, const char *known)
{
    return strlen(known) == length && memcmp(m->bytes + offset, known, length) == 0;
}

static int inside(const struct machine *m, int64_t offset, uint32_t length, const char *module)
{
    size_t n = strlen(module);
    return n <= length && memcmp(m->bytes + offset, module, n) == 0 && (n == length || m->bytes[offset + (int64_t)n] == '.');
}

const char *pickle_global_shown(const struct machine *m, const struct value *v, char out[2 * PICKLE_SHOWN])
{
    char module[PICKLE_SHOWN], name[PICKLE_SHOWN];
    (void)snprintf(out, 2 * PICKLE_SHOWN, "%.250s.%.250s", pickle_shown(m, v->number, v->length, module),
                   pickle_shown(m, v->first, v->last, name));
    return out;
}

/* Row of a name; -2 where no file of weights has it. */
static int32_t pickle_names_row(const struct machine *m, const struct value *v)
{
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        if (same(m, v->number, v->length, names[i].module) && (!names[i].name || same(m, v->first, v->last, names[i].name)))
            return (int32_t)i;
    if (same(m, v->number, v->length, "builtins") || same(m, v->number, v->length, "__builtin__"))
        for (size_t i = 0; i < sizeof builtin_types / sizeof *builtin_types; i++)
            if (same(m, v->first, v->last, builtin_types[i]))
                return 0;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        if (inside(m, v->number, v->length, runs[i]))
            return -2;
    return -1;
}

static int pickle_names_push(struct machine *m, int64_t module, uint32_t module_length, int64_t name, uint32_t name_length)
{
    struct value v = {.kind = GLOBAL, .number = module, .length = module_length, .first = (uint32_t)name, .last = name_length};
    char shown[2 * PICKLE_SHOWN];
    v.which = pickle_names_row(m, &v);
    if (v.which == -2)
        return pickle_refuse(m, "asks for `%s`, which no dictionary of weights needs; nothing of it was run. Save model.state_dict() alone",
                             pickle_global_shown(m, &v, shown));
    TESS_TRY(pickle_push_new(m, GLOBAL, v.which, module, module_length));
    struct value *made = &m->value[m->stack[m->depth - 1]];
    made->first = v.first;
    made->last = v.last;
    return TESS_OK;
}

int pickle_global(struct machine *m)
{
    const char *module, *name, *start = (const char *)m->bytes;
    size_t module_length, name_length;
    TESS_TRY(pickle_take_line(m, &module, &module_length));
    TESS_TRY(pickle_take_line(m, &name, &name_length));
    return pickle_names_push(m, module - start, (uint32_t)module_length, name - start, (uint32_t)name_length);
}

int pickle_stack_global(struct machine *m)
{
    uint32_t name, module;
    TESS_TRY(pickle_pop(m, &name));
    TESS_TRY(pickle_pop(m, &module));
    const struct value *n = &m->value[name], *o = &m->value[module];
    if (n->kind != TEXT || o->kind != TEXT)
        return pickle_refuse(m, "names a class by %s and %s, texts were wanted", pickle_kind_name[o->kind], pickle_kind_name[n->kind]);
    return pickle_names_push(m, o->number, o->length, n->number, n->length);
}

int pickle_call_of(const struct value *v)
{
    return v->which < 0 ? CALL_NOTHING : names[v->which].call;
}

int pickle_storage_type(const struct value *v)
{
    return v->which < 0 ? -1 : names[v->which].type;
}

int pickle_dtype(const struct machine *m, const struct value *v)
{
    static const struct {
        const char *name;
        int type;
    } dtypes[] = {{"float32", NUMBER_F32},      {"float64", NUMBER_F64},    {"float16", NUMBER_F16},        {"bfloat16", NUMBER_BF16},
                  {"int64", NUMBER_I64},        {"int32", NUMBER_I32},      {"int16", NUMBER_I16},          {"int8", NUMBER_I8},
                  {"uint64", NUMBER_U64},       {"uint32", NUMBER_U32},     {"uint16", NUMBER_U16},         {"uint8", NUMBER_U8},
                  {"bool", NUMBER_BOOL},        {"complex32", NUMBER_C32},  {"complex64", NUMBER_C64},      {"complex128", NUMBER_C128},
                  {"float8_e4m3fn", NUMBER_F8}, {"float8_e5m2", NUMBER_F8}, {"float8_e4m3fnuz", NUMBER_F8}, {"float8_e5m2fnuz", NUMBER_F8},
                  {"float8_e8m0fnu", NUMBER_F8}};
    if (v->kind != GLOBAL || !same(m, v->number, v->length, "torch"))
        return -1;
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (same(m, v->first, v->last, dtypes[i].name))
            return dtypes[i].type;
    return NUMBER_OTHER;
}
