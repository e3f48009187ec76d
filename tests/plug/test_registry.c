/* Finding and refusing plugins; the runtime that stands on them.
 * SPDX-License-Identifier: MIT */
#include "core/plug/kinds.h"
#include "core/plug/registry_private.h"
#include "tests/support/plug_fixture.h"
#include "tests/support/suite.h"

#include <tessera/tessera.h>

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static struct plug_fixture fixture;

static void setup(void)
{
    plug_start(&fixture);
}

static void teardown(void)
{
    plug_end(&fixture);
}

static void refusal_has(const char *name, const char *wanted)
{
    char path[PATH_MAX];
    const char *refusal = plug_refusal(&fixture, name);
    ck_assert_msg(refusal != NULL, "%s was not looked at", name);
    snprintf(path, sizeof path, "%s/%s.so: ", fixture.folder, name);
    ck_assert_msg(strncmp(refusal, path, strlen(path)) == 0, "%s does not begin with the path", refusal);
    ck_assert_msg(strstr(refusal, wanted) != NULL, "wanted \"%s\", found \"%s\"", wanted, refusal);
}

START_TEST(bad_files_are_refused_with_the_reason)
{
    static const char *const names[] = {"good", "duplicate", "major", "size", "need", "default", "symbol"};
    char taken[PATH_MAX];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        plug_add(&fixture, "", names[i]);
    plug_write(&fixture, "text.so", "not a shared object\n");
    plug_write(&fixture, "notes.txt", "not looked at\n");
    plug_write(&fixture, ".hidden.so", "not looked at\n");
    plug_scan(&fixture);
    refusal_has("major", "wanted plugin ABI 1.x, found 7.3");
    refusal_has("size", "bytes, found 16");
    refusal_has("need", "fixture-bad 0.0.1, of ABI 1.0, needs the service crystal-ball/1, which this tessera, of ABI 1.0, does not offer");
    refusal_has("default", "component `wrong`: parameter `count`: wanted a whole default in 1 .. 8, found 9");
    refusal_has("symbol", "wanted plugin ABI 1 (symbol tess_plugin_1), found ABI 2");
    refusal_has("text", "wanted a shared object (ELF), found a text");
    ck_assert_ptr_null(plug_refusal(&fixture, ".hidden"));
    /* duplicate.so comes before good.so, so that the latter is the one refused. */
    ck_assert_str_eq(plug_refusal(&fixture, "duplicate"), "");
    snprintf(taken, sizeof taken, "wanted names of its own, found encoder/all, which %s/duplicate.so already brings", fixture.folder);
    refusal_has("good", taken);
    ck_assert_ptr_null(tessi_plug_registry_find(fixture.runtime->registry, "decoder/1", "part", NULL));
}
END_TEST

START_TEST(folders_are_searched_one_level_deep)
{
    const char *note;
    char missing[PATH_MAX], kind[PATH_MAX];
    plug_add(&fixture, "encoders", "good");
    snprintf(kind, sizeof kind, "%s/decoders", fixture.folder);
    ck_assert_int_eq(mkdir(kind, 0777), 0);
    plug_add(&fixture, "decoders/.libs", "duplicate");
    plug_add(&fixture, "deeper", "need");
    snprintf(kind, sizeof kind, "%s/deeper/down", fixture.folder);
    ck_assert_int_eq(mkdir(kind, 0777), 0);
    plug_add(&fixture, "deeper/down", "major");
    snprintf(missing, sizeof missing, "%s/none:%s//::%s", fixture.folder, fixture.folder, fixture.folder);
    setenv("TESSERA_PLUGIN_PATH", missing, 1);
    plug_scan(&fixture);
    ck_assert_str_eq(plug_refusal(&fixture, "duplicate"), "");
    ck_assert_ptr_nonnull(plug_refusal(&fixture, "good"));
    ck_assert_ptr_nonnull(plug_refusal(&fixture, "need"));
    ck_assert_ptr_null(plug_refusal(&fixture, "major"));

    /* The environment's folders, the option's, the tree's or the installed one; a file seen twice is looked at once. */
    const struct tessi_registry *r = fixture.runtime->registry;
    snprintf(missing, sizeof missing, "%s/none", fixture.folder);
    ck_assert_str_eq(tessi_plug_registry_folder(r, 0, &note), missing);
    ck_assert_str_eq(note, "no such folder");
    ck_assert_str_eq(tessi_plug_registry_folder(r, 1, &note), fixture.folder);
    ck_assert_str_eq(note, "");
    ck_assert_str_eq(tessi_plug_registry_folder(r, 2, NULL), fixture.folder);
    ck_assert_str_eq(tessi_plug_registry_folder(r, 3, NULL), fixture.folder);
    ck_assert_ptr_nonnull(tessi_plug_registry_folder(r, 4, NULL));
    ck_assert_ptr_null(tessi_plug_registry_folder(r, 5, NULL));
    int seen = 0;
    for (int64_t i = 0; i < tessi_plug_registry_files(r); i++)
        seen += strstr(tessi_plug_registry_file(r, i)->path, "/duplicate.so") != NULL;
    ck_assert_int_eq(seen, 1);
}
END_TEST

/* Leaves `more` descriptors to the process. */
static void limit_descriptors(rlim_t more)
{
    struct rlimit limit;
    int lowest = open("/dev/null", O_RDONLY);
    ck_assert_int_ge(lowest, 0);
    ck_assert_int_eq(close(lowest), 0);
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = (rlim_t)lowest + more;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void lift_the_limit(void)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

/* A folder that cannot be listed for want of descriptors is none without plugins. */
START_TEST(a_folder_that_cannot_be_listed)
{
    plug_scan(&fixture);
    limit_descriptors(0);
    int status = tessi_plug_registry_scan(fixture.ctx, fixture.runtime->registry, fixture.folder, strlen(fixture.folder));
    lift_the_limit();
    ck_assert_int_eq(status, TESS_E_IO);
    ck_assert_ptr_nonnull(
        strstr(tessi_base_context_message(fixture.ctx), "cannot be listed, and what plugins it has is not known: Too many"));
}
END_TEST

/* Nor is a file that cannot be opened for want of them a damaged one. */
START_TEST(a_file_that_cannot_be_opened)
{
    plug_add(&fixture, "", "good");
    plug_scan(&fixture);
    plug_add(&fixture, "", "duplicate");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/duplicate.so", fixture.folder);
    limit_descriptors(0);
    int status = tessi_plug_registry_add(fixture.ctx, fixture.runtime->registry, path);
    lift_the_limit();
    ck_assert_int_eq(status, TESS_E_IO);
    ck_assert_ptr_nonnull(
        strstr(tessi_base_context_message(fixture.ctx), "/duplicate.so: cannot be looked at, and what it brings is not known: Too many"));
}
END_TEST

START_TEST(components_are_sorted_and_found)
{
    const struct tess_plugin *plugin = NULL;
    const struct tess_component *k, *before = NULL;
    plug_add(&fixture, "", "good");
    plug_scan(&fixture);
    const struct tessi_registry *r = fixture.runtime->registry;
    for (int64_t i = 0; (k = tessi_plug_registry_component(r, i, NULL)); i++) {
        if (before)
            ck_assert(strcmp(before->kind, k->kind) < 0 || (strcmp(before->kind, k->kind) == 0 && strcmp(before->name, k->name) < 0));
        before = k;
    }
    k = tessi_plug_registry_find(r, "pair/1", "bare", &plugin);
    ck_assert_ptr_nonnull(k);
    ck_assert_str_eq(plugin->id, "fixture-good");
    ck_assert_ptr_null(tessi_plug_registry_find(r, "pair/2", "bare", NULL));
    ck_assert_ptr_null(tessi_plug_registry_find(r, "encoder/1", "bare", NULL));
}
END_TEST

START_TEST(a_missing_component_names_the_refused_file)
{
    struct tess_instance *i;
    char wanted[PATH_MAX];
    plug_add(&fixture, "", "major");
    plug_scan(&fixture);
    const char *message = plug_open(&fixture, "sculptor/1", "use: major\n", 1, &i);
    ck_assert_ptr_nonnull(message);
    snprintf(wanted, sizeof wanted,
             "x.yaml:1:6: no sculptor is called `major`; none of kind sculptor/1 was found at all; refused: %s/major.so: wanted plugin ABI "
             "1.x, found 7.3", fixture.folder);
    ck_assert_msg(strstr(message, wanted) == message, "%s", message);
    ck_assert_int_eq(tessi_base_exit_code(fixture.context.code), 69);
}
END_TEST

/* ---- tables -------------------------------------------------------------------------------------------------------- */

struct self {
    int64_t a, b;
    double x;
    const char *s;
    int32_t e, f;
    struct tess_list l;
    struct tess_instance *c, *d;
};
static int record(void *self, struct tess_context *ctx, struct tess_graph *g, struct tess_node *image, int64_t width,
                  struct tess_node **latent)
{
    (void)self, (void)g, (void)image, (void)latent;
    return (ctx->fail)(ctx, TESS_E_FAILED, "nothing is recorded for a width of %lld", (long long)width);
}

static const struct tess_encoder_1 ops = {.size = sizeof ops, .record = record};

/* Checks a parameter row in a new table, behind `first` if not NULL; gives the reason of the refusal, "" when it is accepted. */
static const char *check_row(struct tess_param row, const struct tess_param *first)
{
    static char why[1024];
    struct tess_param rows[3] = {{.name = NULL}, {.name = NULL}, {.name = NULL}};
    int64_t n = 0;
    if (first)
        rows[n++] = *first;
    if (!row.name)
        row.name = "row";
    if (!row.help)
        row.help = "for tests";
    rows[n] = row;
    const struct tess_component k[] = {TESS_COMPONENT("k", "encoder/1", "for tests", sizeof(struct self), rows, NULL, NULL, &ops),
                                       TESS_COMPONENT_END};
    const struct tess_plugin p = TESS_PLUGIN_INIT("p", "1", "MIT", NULL, k);
    *why = '\0';
    ck_assert_int_eq(tessi_plug_plugin_check(&p, NULL, why, sizeof why), *why == '\0');
    return why;
}

#define OF(member) .offset = offsetof(struct self, member)
#define REFUSED(wanted, ...)                                                                       \
    do {                                                                                           \
        const char *why_ = check_row((struct tess_param){__VA_ARGS__}, NULL);                      \
        ck_assert_msg(strstr(why_, wanted) != NULL, "wanted \"%s\", found \"%s\"", wanted, why_); \
    } while (0)
#define ACCEPTED(...) ck_assert_str_eq(check_row((struct tess_param){__VA_ARGS__}, NULL), "")

START_TEST(tables_are_checked_row_by_row)
{
    ACCEPTED(OF(a), .type = TESS_I64, .lo = -1, .hi = 1);
    ACCEPTED(OF(x), .type = TESS_F64, .lo = 0, .hi = INFINITY, .def = 1e300);
    ACCEPTED(OF(a), .type = TESS_I64, .lo = 1, .hi = 4, .flags = TESS_REQUIRED);
    ACCEPTED(OF(l), .type = TESS_LIST, .lo = 1, .hi = 4);
    REFUSED("wanted a name of letters", .name = "a b", OF(a), .type = TESS_I64, .lo = 0, .hi = 1);
    REFUSED("wanted a name of letters", .name = "use", OF(a), .type = TESS_I64, .lo = 0, .hi = 1);
    REFUSED("wanted a name of letters", .name = "null", OF(a), .type = TESS_I64, .lo = 0, .hi = 1);
    REFUSED("wanted a type from 1 to 10, found 11", OF(a), .type = 11);
    REFUSED("wanted a type from 1 to 10, found 0", OF(a), .lo = 0, .hi = 1);
    REFUSED("inside the", .offset = sizeof(struct self) - 4, .type = TESS_I64, .lo = 0, .hi = 1);
    REFUSED("inside the", .offset = sizeof(struct self) - 8, .type = TESS_LIST, .lo = 0, .hi = 1);
    REFUSED("wanted a line of help, in UTF-8, found other text", .help = "two\nlines", OF(a), .type = TESS_I64, .lo = 0, .hi = 1);
    REFUSED("inside the", .offset = (size_t)-8, .type = TESS_I64, .lo = 0, .hi = 1);
    REFUSED("aligned to 8", .offset = 4, .type = TESS_I64, .lo = 0, .hi = 1);
    REFUSED("wanted a range with lo below hi, found 0 .. 0", OF(a), .type = TESS_I64);
    REFUSED("wanted a range with lo below hi", OF(x), .type = TESS_F64, .lo = NAN, .hi = 1);
    REFUSED("wanted a whole default in 1 .. 4, found 0", OF(a), .type = TESS_I64, .lo = 1, .hi = 4);
    REFUSED("wanted a whole default in 1 .. 4, found 1.5", OF(a), .type = TESS_I64, .lo = 1, .hi = 4, .def = 1.5);
    REFUSED("wanted a finite default", OF(x), .type = TESS_F64, .lo = 0, .hi = 1, .def = NAN);
    REFUSED("wanted 0 or 1 as the default, found 2", OF(e), .type = TESS_BOOL, .def = 2);
    REFUSED("wanted its choices", OF(e), .type = TESS_ENUM);
    REFUSED("wanted different names", OF(e), .type = TESS_ENUM, .text = "a|b|a");
    REFUSED("wanted different names", OF(e), .type = TESS_ENUM, .text = "a||b");
    REFUSED("wanted the index of one of its 2 choices", OF(e), .type = TESS_ENUM, .text = "a|b", .def = 2);
    REFUSED("integers as the default, found \"1, x\"", OF(l), .type = TESS_LIST, .lo = 0, .hi = 4, .text = "1, x");
    REFUSED("wanted default items in 0 .. 4, found 5", OF(l), .type = TESS_LIST, .lo = 0, .hi = 4, .text = "1, 5");
    REFUSED("has the flags 0x80000000, which this tessera, of ABI 1.0, does not know", OF(a), .type = TESS_I64, .lo = 0, .hi = 1,
            .flags = 1u << 31);
    REFUSED("wanted a line of UTF-8 as the default", OF(s), .type = TESS_STR, .text = "a\nb");
    REFUSED("wanted its choices in one line of UTF-8", OF(e), .type = TESS_ENUM, .text = "a|\x80");
    REFUSED("wanted a default for what came later (TESS_LATER)", OF(a), .type = TESS_I64, .lo = 0, .hi = 1,
            .flags = TESS_REQUIRED | TESS_LATER);
    REFUSED("wanted TESS_PATH with a string", OF(a), .type = TESS_I64, .lo = 0, .hi = 1, .flags = TESS_PATH);
    REFUSED("wanted a kind like", OF(c), .type = TESS_COMPONENT, .text = "encoder");
    REFUSED("wanted a kind like", OF(c), .type = TESS_COMPONENT);
    REFUSED("in an earlier row, found no such row", OF(c), .type = TESS_COMPONENT, .text = "decoder/1 like first");
    REFUSED("in an earlier row", OF(c), .type = TESS_COMPONENT, .text = "decoder/1 like row");

    const struct tess_param first = {.name = "first", .help = "for tests", OF(d), .type = TESS_COMPONENT, .text = "encoder/1"};
    ck_assert_str_eq(check_row((struct tess_param){OF(c), .type = TESS_COMPONENT, .text = "decoder/1 like first"}, &first), "");
    ck_assert_ptr_nonnull(strstr(check_row((struct tess_param){OF(d), .type = TESS_STR}, &first), "found the one of `first`"));
    ck_assert_ptr_nonnull(strstr(check_row((struct tess_param){.name = "first", OF(s), .type = TESS_STR}, &first), "found it twice"));
}
END_TEST

static const char *check_component(struct tess_component k)
{
    static char why[1024];
    const struct tess_component table[] = {k, TESS_COMPONENT_END};
    const struct tess_plugin p = TESS_PLUGIN_INIT("p", "1", "MIT", NULL, table);
    *why = '\0';
    ck_assert_int_eq(tessi_plug_plugin_check(&p, NULL, why, sizeof why), *why == '\0');
    return why;
}

START_TEST(components_are_checked)
{
    static const struct tess_param none[] = {{.name = NULL}};
    static const uint32_t small = 4;
    const struct tess_component good = TESS_COMPONENT("k", "encoder/1", "for tests", 0, none, NULL, NULL, &ops);
    char why[256] = "";
    struct tess_component k = good;
    ck_assert_str_eq(check_component(good), "");
    k.kind = "brand-new/12";
    ck_assert_str_eq(check_component(k), "");
    k.kind = "encoder";
    ck_assert_ptr_nonnull(strstr(check_component(k), "wanted a kind like \"encoder/1\", found \"encoder\""));
    k = good;
    k.name = "a/b";
    ck_assert_ptr_nonnull(strstr(check_component(k), "wanted a name of letters"));
    k = good;
    k.ops = NULL;
    ck_assert_ptr_nonnull(strstr(check_component(k), "wanted a table of functions"));
    k.ops = &small;
    ck_assert_ptr_nonnull(strstr(check_component(k), "bytes of functions for encoder/1, found size 4"));
    k = good;
    k.param_stride = 8;
    ck_assert_ptr_nonnull(strstr(check_component(k), "wanted parameter rows of at least"));
    k = good;
    k.summary = NULL;
    ck_assert_ptr_nonnull(strstr(check_component(k), "wanted a summary"));

    const struct tess_component end = TESS_COMPONENT_END;
    struct tess_plugin p = TESS_PLUGIN_INIT("p", "1", "MIT", NULL, &end);
    ck_assert(!tessi_plug_plugin_check(&p, NULL, why, sizeof why));
    ck_assert_str_eq(why, "wanted at least one component, found none");
    p.component_stride = 8;
    ck_assert(!tessi_plug_plugin_check(&p, NULL, why, sizeof why));
    ck_assert_ptr_nonnull(strstr(why, "wanted a table of components with rows of at least"));
    p.license = NULL;
    ck_assert(!tessi_plug_plugin_check(&p, NULL, why, sizeof why));
    ck_assert_str_eq(why, "wanted an id, a version and a license, found no license");
}
END_TEST

/* Each kind's functions, taken away one by one: missed when it is one that every component has. */
START_TEST(every_kind_has_its_functions)
{
    static union {
        uint32_t size;
        void (*function[64])(void);
        char bytes[64 * sizeof(void *)];
    } table;
    struct tess_component k = {.name = "k", .summary = "for tests", .ops = &table};
    char wanted[200];
    const struct tessi_kind *kind;
    int64_t kinds = 0;
    for (; (kind = tessi_plug_kind_at(kinds)); kinds++) {
        k.kind = kind->id;
        for (const struct tessi_kind_function *missing = kind->function; missing->name; missing++) {
            memset(&table, 0, sizeof table);
            for (const struct tessi_kind_function *f = kind->function; f->name; f++)
                if (f != missing)
                    memset(table.bytes + f->offset, 0x55, sizeof(void *));
            table.size = sizeof table;
            snprintf(wanted, sizeof wanted, "component `k`: wanted the function `%s`, which every %s has, found NULL", missing->name,
                     kind->id);
            ck_assert_str_eq(check_component(k), missing->optional ? "" : wanted);
        }
        table.size = (uint32_t)kind->bytes - 1;
        ck_assert_ptr_nonnull(strstr(check_component(k), "bytes of functions for"));
        table.size = UINT32_MAX;
        ck_assert_ptr_nonnull(strstr(check_component(k), "wanted at most 65536 bytes of functions, found size 4294967295"));
    }
    ck_assert_int_ge(kinds, 12);
}
END_TEST

#define PLUGIN_REFUSED(wanted, field, value)                                                       \
    do {                                                                                           \
        char why_[1024] = "";                                                                      \
        struct tess_plugin p_ = TESS_PLUGIN_INIT("p", "1", "MIT", NULL, one);                      \
        p_.field = value;                                                                          \
        ck_assert(!tessi_plug_plugin_check(&p_, NULL, why_, sizeof why_));                         \
        ck_assert_msg(strstr(why_, wanted) != NULL, "wanted \"%s\", found \"%s\"", wanted, why_);  \
    } while (0)

START_TEST(what_a_plugin_says_of_itself)
{
    static const struct tess_component one[] = {{.name = "k", .kind = "encoder/1", .summary = "for tests", .ops = &ops}, {.name = NULL}};
    static const char *const odd[] = {"gra\tph/1", NULL};
    static const char *many[80];
    for (int i = 0; i < 79; i++)
        many[i] = "graph/1";
    PLUGIN_REFUSED("wanted an id of 1 to 63 letters, digits and ._+~-, found \"a\\x1b[1mb\"", id, "a\033[1mb");
    PLUGIN_REFUSED("wanted an id of 1 to 63 letters", id, "");
    PLUGIN_REFUSED("wanted an id of 1 to 63 letters", id, "a; b");
    PLUGIN_REFUSED("wanted a version of 1 to 63 letters, digits and ._+~-, found \"1\\n2\"", version, "1\n2");
    PLUGIN_REFUSED("wanted a version of 1 to 63 letters", version, "1.\xff");
    PLUGIN_REFUSED("wanted a license in a line of UTF-8", license, "\xc3(");
    PLUGIN_REFUSED("wanted a license in a line of UTF-8", license, "");
    PLUGIN_REFUSED("wanted services like \"graph/1\" in `needs`, found other text", needs, odd);
    PLUGIN_REFUSED("needs the service graph/1", needs, many);
    PLUGIN_REFUSED("wanted a description of at most 4096 bytes, found 4294967295", size, UINT32_MAX);
    PLUGIN_REFUSED("4096 at most, found rows of 4294967288", component_stride, UINT32_MAX - 7);
    PLUGIN_REFUSED("4096 at most, found rows of 101", component_stride, 101);
    PLUGIN_REFUSED("4096 at most, found rows of 0", components, NULL);
}
END_TEST

static int plan_nothing(void *self, struct tess_context *c, struct tess_stage_plan *p)
{
    (void)self;
    (void)c;
    (void)p;
    return TESS_OK;
}

static int run_nothing(void *self, struct tess_context *c, struct tess_stage_run *r)
{
    (void)self;
    (void)c;
    (void)r;
    return TESS_OK;
}

/* Rows of ports may be longer than this program knows, as those of parameters; shorter ones are refused. Without a stride they are the
 * first release's. */
START_TEST(rows_of_ports_may_grow)
{
    static const struct {
        struct tess_port port;
        double later;
    } longer[] = {{{"a", "images", 0, "one"}, 1}, {{"b", "codes", 1, "two"}, 2}, {{NULL, NULL, 0, NULL}, 3}};
    static const struct tess_port first[] = {{"a", "images", 0, "one"}, {"b", "codes", 1, "two"}, {NULL, NULL, 0, NULL}};
    struct tess_stage_1 stage = {.size = sizeof stage,
                                 .ports = &longer[0].port,
                                 .output = "metrics",
                                 .plan = plan_nothing,
                                 .run = run_nothing,
                                 .port_stride = sizeof longer[0]};
    struct tess_component k = {.name = "k", .kind = "stage/1", .summary = "for tests", .ops = &stage};
    for (int again = 0; again < 3; again++) {
        ck_assert_str_eq(check_component(k), "");
        ck_assert_str_eq(tessi_plug_port_at(&stage, 0)->name, "a");
        ck_assert_str_eq(tessi_plug_port_at(&stage, 1)->kind, "codes");
        ck_assert_ptr_null(tessi_plug_port_at(&stage, 2));
        ck_assert_ptr_null(tessi_plug_port_at(&stage, 9));
        stage.ports = first;
        stage.port_stride = 0;
        if (again) /* a table that ends before the stride */
            stage.size = offsetof(struct tess_stage_1, port_stride);
    }
    stage.size = sizeof stage;
    static const uint32_t wrong[] = {24, sizeof(struct tess_port) + 4, 4104};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char found[40];
        stage.port_stride = wrong[i];
        snprintf(found, sizeof found, "found port_stride %u", wrong[i]);
        ck_assert_msg(strstr(check_component(k), found) != NULL, "%s", check_component(k));
    }
}
END_TEST

START_TEST(what_a_component_says_of_itself)
{
    static const struct tess_param none[] = {{.name = NULL}};
    static const char *const settings[] = {"X", NULL};
    const struct tess_component first = {
        .name = "k", .kind = "encoder/1", .summary = "for tests", .params = none, .param_stride = sizeof(struct tess_param), .ops = &ops};
    static const struct {
        const char *wanted;
        struct tess_component k;
    } cases[] = {
        {"component `a\\x07`: wanted a name of letters", {.name = "a\a", .kind = "encoder/1", .summary = "", .ops = &ops}},
        {"wanted a summary, a line of UTF-8, found other text", {.name = "k", .kind = "encoder/1", .summary = "a\nb", .ops = &ops}},
        {"wanted a summary, a line of UTF-8, found other text", {.name = "k", .kind = "encoder/1", .summary = "\xe2\x82", .ops = &ops}},
        {"has the capabilities 0x8000000000000001, which this tessera, of ABI 1.0, does not know",
         {.name = "k", .kind = "encoder/1", .summary = "", .caps = UINT64_C(0x8000000000000001), .ops = &ops}},
        {"wanted a struct of at most 1073741824 bytes, found self_size 18446744073709551615",
         {.name = "k", .kind = "encoder/1", .summary = "", .self_size = SIZE_MAX, .ops = &ops}},
        {"4096 at most, found rows of 4104",
         {.name = "k", .kind = "encoder/1", .summary = "", .params = none, .param_stride = 4104, .ops = &ops}},
        {"wanted the name of a file of libraries/ as module",
         {.name = "k", .kind = "encoder/1", .summary = "", .module = "../x", .ops = &ops}},
        {"wanted settings like \"NAME=VALUE\"", {.name = "k", .kind = "encoder/1", .summary = "", .settings = settings, .ops = &ops}},
    };
    ck_assert_str_eq(check_component(first), "");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        ck_assert_msg(strstr(check_component(cases[i].k), cases[i].wanted) != NULL, "wanted \"%s\", found \"%s\"", cases[i].wanted,
                      check_component(cases[i].k));
}
END_TEST

static const char *remark_of(const char *name)
{
    char file[128];
    snprintf(file, sizeof file, "/%s.so", name);
    for (int64_t i = 0; i < tessi_plug_registry_files(fixture.runtime->registry); i++) {
        const struct tessi_found *f = tessi_plug_registry_file(fixture.runtime->registry, i);
        const char *slash = strrchr(f->path, '/');
        if (strcmp(slash, file) == 0)
            return f->remark ? f->remark : "";
    }
    return NULL;
}

START_TEST(kinds_that_this_program_does_not_know)
{
    struct tess_instance *i;
    char wanted[PATH_MAX];
    plug_add(&fixture, "", "good");
    plug_add(&fixture, "", "later_kind");
    plug_add(&fixture, "", "slip_kind");
    plug_scan(&fixture);
    ck_assert_ptr_nonnull(strstr(remark_of("good"), " is of kind pair/1, which nothing takes"));
    snprintf(wanted, sizeof wanted, "%s/later_kind.so: there is an encoder `later` of kind encoder/2, this program knows encoder/1",
             fixture.folder);
    ck_assert_str_eq(remark_of("later_kind"), wanted);
    snprintf(wanted, sizeof wanted, "%s/slip_kind.so: `slip` is of kind encoders/1, which nothing takes; did you mean encoder/1?",
             fixture.folder);
    ck_assert_str_eq(remark_of("slip_kind"), wanted);
    const char *message = plug_open(&fixture, "encoder/1", "use: later\n", 1, &i);
    ck_assert_msg(strstr(message, "no encoder is called `later`") != NULL, "%s", message);
    ck_assert_msg(strstr(message, "; there is an encoder `later` of kind encoder/2, this program knows encoder/1") != NULL, "%s", message);
}
END_TEST

START_TEST(an_id_belongs_to_one_file)
{
    char wanted[PATH_MAX];
    plug_add(&fixture, "", "good");
    plug_add(&fixture, "", "same_id");
    plug_scan(&fixture);
    snprintf(wanted, sizeof wanted, "wanted names of its own, found the id fixture-good, which %s/good.so already brings", fixture.folder);
    refusal_has("same_id", wanted);
    snprintf(wanted, sizeof wanted, "a plugin is not used: %s/same_id.so: wanted names of its own", fixture.folder);
    ck_assert_ptr_nonnull(strstr(remark_of("same_id"), wanted));
}
END_TEST

/* A user's plugin comes before the one of the release, which is not an error and is said. */
START_TEST(a_plugin_in_the_place_of_tesseras_own)
{
    char wanted[PATH_MAX];
    plug_add(&fixture, "", "shadow");
    plug_scan(&fixture);
    ck_assert_str_eq(plug_refusal(&fixture, "shadow"), "");
    const struct tessi_found *f = tessi_plug_registry_found(fixture.runtime->registry, "fixture-bad");
    ck_assert(f && !f->shipped && strlen(f->digest) == 64);
    const char *remark = remark_of("conv");
    snprintf(wanted, sizeof wanted, "%s/shadow.so is used in the place of tessera's own: it has encoder/conv, as ", fixture.folder);
    for (int64_t i = 0; i < tessi_plug_registry_files(fixture.runtime->registry); i++) {
        const struct tessi_found *other = tessi_plug_registry_file(fixture.runtime->registry, i);
        if (strstr(other->path, "/encoders/") && strstr(other->path, "/conv.so"))
            remark = other->remark;
        ck_assert_int_eq(other->shipped, strncmp(other->path, fixture.folder, strlen(fixture.folder)) != 0);
        ck_assert_int_eq(*other->digest == '\0', other->shipped);
    }
    ck_assert_msg(remark && strstr(remark, wanted) == remark, "%s", remark);
}
END_TEST

START_TEST(longer_rows_of_a_later_minor_are_walked_by_their_stride)
{
    static const struct {
        struct tess_param row;
        int64_t appended[3];
    } rows[] = {{{.name = "a", .help = "for tests", OF(a), .type = TESS_I64, .lo = 0, .hi = 9, .def = 3}, {1, 2, 3}},
                {{.name = "b", .help = "for tests", OF(b), .type = TESS_I64, .lo = 0, .hi = 9, .def = 5}, {4, 5, 6}},
                {{.name = NULL}, {0, 0, 0}}};
    const struct tess_component k = {.name = "k", .kind = "encoder/1", .summary = "for tests", .params = &rows[0].row,
                                     .param_stride = sizeof rows[0], .self_size = sizeof(struct self), .ops = &ops};
    ck_assert_str_eq(check_component(k), "");
    ck_assert_str_eq(tessi_plug_param_at(&k, 1)->name, "b");
    ck_assert_ptr_null(tessi_plug_param_at(&k, 2));
}
END_TEST

/* ---- where ----------------------------------------------------------------------------------------------------------- */

START_TEST(the_build_tree_is_known_by_its_libs)
{
    char path[PATH_MAX], folder[PATH_MAX], wanted[PATH_MAX];
    static const char *const programs[] = {"tessera", ".libs/tessera", "tests/test_x", "tests/.libs/test_x"};
    snprintf(path, sizeof path, "%s/plugins", fixture.folder);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "%s/plugins/encoders", fixture.folder);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    snprintf(path, sizeof path, "%s/tessera", fixture.folder);
    ck_assert(!tessi_plug_tree_plugins(path, folder, sizeof folder)); /* installed plugins have no .libs */
    snprintf(path, sizeof path, "%s/plugins/encoders/.libs", fixture.folder);
    ck_assert_int_eq(mkdir(path, 0777), 0);
    snprintf(wanted, sizeof wanted, "%s/plugins", fixture.folder);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) {
        snprintf(path, sizeof path, "%s/%s", fixture.folder, programs[i]);
        ck_assert_msg(tessi_plug_tree_plugins(path, folder, sizeof folder), "%s", path);
        ck_assert_str_eq(folder, wanted);
    }
    snprintf(path, sizeof path, "%s/a/b/c/tessera", fixture.folder);
    ck_assert(!tessi_plug_tree_plugins(path, folder, sizeof folder));
    ck_assert(!tessi_plug_tree_plugins("", folder, sizeof folder));
}
END_TEST

/* ---- the runtime ----------------------------------------------------------------------------------------------------- */

START_TEST(the_host_offers_what_it_says)
{
    static const char *const offered[] = {"graph/1", "random/1", "digest/1", "artefact/1", "train/1", "stage/1", "array/1"};
    plug_scan(&fixture);
    const struct tess_host *host = fixture.ctx->host;
    ck_assert_ptr_eq(host, &fixture.runtime->host);
    ck_assert_ptr_eq(tessi_base_runtime_of(fixture.ctx), fixture.runtime);
    ck_assert_int_eq(host->abi_major, TESS_ABI_MAJOR);
    for (size_t i = 0; i < sizeof offered / sizeof *offered; i++)
        ck_assert_ptr_nonnull(host->service(host, offered[i]));
    ck_assert_ptr_null(host->service(host, "graph/2"));
    ck_assert_ptr_null(host->service(host, ""));
    struct tessi_context alone;
    tessi_base_context_init(&alone, NULL);
    ck_assert_ptr_null(tessi_base_runtime_of(&alone.context));
}
END_TEST

START_TEST(without_a_host_nothing_is_computed)
{
    struct tessi_context alone;
    struct tess_context *ctx = &alone.context;
    struct tess_instance *i;
    struct tess_graph *g;
    struct tess_neighbours *n;
    struct tess_weights *w;
    float x[4] = {1, 2, 3, 4};
    const int64_t dim[2] = {2, 2};
    int32_t index[2];
    double square[2];
    const struct tess_tensor t = tess_tensor_over(x, TESS_F32, 2, dim);
    const struct tess_graph_options go = {.size = sizeof go, .microbatch = 1, .microbatches = 1};
    const struct tess_neighbours_options no = {
        .size = sizeof no, .queries = &t, .neighbours = 1, .block = 1, .index = index, .square = square};
    tessi_base_context_init(&alone, NULL);
    ck_assert_int_eq(tess_instance_open(ctx, "noise/1", "{use: absorbing}", "test", &i), TESS_E_INTERNAL);
    ck_assert_ptr_nonnull(strstr(tess_message(ctx), "without a host"));
    ck_assert_int_eq(tess_weights_new(ctx, 1, &w), TESS_OK);
    ck_assert_int_eq(tess_graph_new(ctx, w, &go, &g), TESS_E_INTERNAL);
    tess_weights_free(w);
    ck_assert_int_eq(tess_neighbours_new(ctx, &no, &n), TESS_E_INTERNAL);
    ck_assert_int_eq(tess_train(ctx, NULL, NULL), TESS_E_VALUE);
}
END_TEST

START_TEST(a_missing_backend_says_how_to_get_one)
{
    plug_scan(&fixture);
    ck_assert_int_eq(tessi_host_runtime_choose_backend(fixture.ctx, fixture.runtime, "abacus"), TESS_OK);
    ck_assert_int_eq(tessi_host_runtime_choose_backend(fixture.ctx, fixture.runtime, "openblas"), TESS_OK); /* too late to matter */
    ck_assert_int_eq(tessi_host_runtime_compute(fixture.ctx, fixture.runtime), TESS_E_PLUGIN);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(fixture.ctx), "no backend is called `abacus`"));
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(fixture.ctx), "install that, configure and build again"));
    ck_assert_ptr_null(fixture.runtime->backend_ops);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("registry");
    TCase *tests = tcase_create("plugins and runtime");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, bad_files_are_refused_with_the_reason);
    tcase_add_test(tests, folders_are_searched_one_level_deep);
    tcase_add_test(tests, a_folder_that_cannot_be_listed);
    tcase_add_test(tests, a_file_that_cannot_be_opened);
    tcase_add_test(tests, components_are_sorted_and_found);
    tcase_add_test(tests, a_missing_component_names_the_refused_file);
    tcase_add_test(tests, tables_are_checked_row_by_row);
    tcase_add_test(tests, components_are_checked);
    tcase_add_test(tests, every_kind_has_its_functions);
    tcase_add_test(tests, what_a_plugin_says_of_itself);
    tcase_add_test(tests, rows_of_ports_may_grow);
    tcase_add_test(tests, what_a_component_says_of_itself);
    tcase_add_test(tests, kinds_that_this_program_does_not_know);
    tcase_add_test(tests, an_id_belongs_to_one_file);
    tcase_add_test(tests, a_plugin_in_the_place_of_tesseras_own);
    tcase_add_test(tests, longer_rows_of_a_later_minor_are_walked_by_their_stride);
    tcase_add_test(tests, the_build_tree_is_known_by_its_libs);
    tcase_add_test(tests, the_host_offers_what_it_says);
    tcase_add_test(tests, without_a_host_nothing_is_computed);
    tcase_add_test(tests, a_missing_backend_says_how_to_get_one);
    return suite_run(suite);
}
