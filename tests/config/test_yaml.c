/* YAML and what is made of it before a plugin is asked: strictness with exact places, extends, overrides, interpolation.
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/memory.h"
#include "core/flow/load.h"
#include "core/config/yaml.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tessi_context context;
static struct tess_context *ctx = &context.context;
static char folder[] = "/tmp/tessera-yaml-XXXXXX";

static void start(void)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    tessi_base_context_init(&context, NULL);
}

static void end(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    ck_assert_int_eq(chdir("/"), 0);
    ck_assert_int_eq(system(command), 0);
    ck_assert_int_eq(tessi_base_memory_in_use(), 0);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
}

/* Flow text of what was read, or the message. */
static const char *parsed(const char *text)
{
    static char out[4096];
    struct tessi_config *s = NULL;
    char *printed = NULL;
    tessi_base_context_clear(ctx);
    if (tessi_config_yaml_parse(ctx, text, strlen(text), "x.yaml", &s) != TESS_OK) {
        ck_assert_ptr_null(s);
        snprintf(out, sizeof out, "%s", tessi_base_context_message(ctx));
        return out;
    }
    ck_assert_int_eq(tessi_config_print(ctx, s, &printed), TESS_OK);
    snprintf(out, sizeof out, "%s", printed);
    tess_free(printed);
    tessi_config_free(s);
    return out;
}

static void expect(const char *text, const char *wanted)
{
    const char *found = parsed(text);
    ck_assert_msg(strncmp(found, wanted, strlen(wanted)) == 0, "for\n%s\nwanted: %s\nfound:  %s", text, wanted, found);
}

START_TEST(values)
{
    expect("a: 1\nb: [x, 'no', 2.5]\nc: {d: ~, e: \"1\"}\n", "{a: 1, b: [x, \"no\", 2.5], c: {d: null, e: \"1\"}}");
    expect("a: |\n  one\n  two\n", "{a: \"one\\ntwo\\n\"}");
    expect("# only\n---\na: 1\n...\n", "{a: 1}");
    expect("7", "7");
    expect("\xef\xbb\xbf"
           "a: 1\n",
           "{a: 1}");
    expect("a: &x {k: 1}\nb: *x\nc: [*x, *x]\n", "{a: {k: 1}, b: {k: 1}, c: [{k: 1}, {k: 1}]}");
}
END_TEST

START_TEST(places)
{
    struct tessi_config *s = NULL;
    const char *text = "a: 1\nbc:\n  - x\n  - {d: \"e\"}\n";
    ck_assert_int_eq(tessi_config_yaml_parse(ctx, text, strlen(text), "x.yaml", &s), TESS_OK);
    const struct tessi_config *a = s->child, *b = a->next, *d = b->child->next->child;
    ck_assert_int_eq(a->line, 1);
    ck_assert_int_eq(a->column, 4);
    ck_assert_int_eq(a->key_column, 1);
    ck_assert_int_eq(b->key_line, 2);
    ck_assert_int_eq(b->line, 3);
    ck_assert_int_eq(b->column, 3);
    ck_assert_int_eq(d->key_line, 4);
    ck_assert_int_eq(d->key_column, 6);
    ck_assert_int_eq(d->column, 9);
    ck_assert_int_eq(d->quoted, 1);
    ck_assert_str_eq(d->file, "x.yaml");
    tessi_config_free(s);
}
END_TEST

START_TEST(strictness)
{
    expect("a: 1\nb: 2\na: 3\n", "x.yaml:3:1: the key `a` is there twice; the first is at line 1");
    expect("x: {a: 1, b: {c: 1, c: 2}}\n", "x.yaml:1:21: the key `c` is there twice");
    expect("a:\n\tb: 1\n", "x.yaml:2:1: found a tab in the indentation");
    expect("a:\n  b: 1\n\tc: 2\n", "x.yaml:3:1: found a tab in the indentation");
    expect("a:\n  b: \"1\"\n  \tc: 2\n", "x.yaml:3:3: found a tab in the indentation");
    expect("a: 1\n---\nb: 2\n", "x.yaml:2:1: wanted one document, found a second one");
    expect("a: &x 1\n<<: *x\n", "x.yaml:2:1: merge keys (`<<`)");
    expect("a: !!str 1\n", "x.yaml:1:4: tags (`tag:yaml.org,2002:str`)");
    expect("a: *x\n", "x.yaml:1:4: wanted an anchor `&x`");
    expect("a: &x [*x]\n", "x.yaml:1:8: wanted an anchor `&x` above and finished before its alias");
    expect("[a, b]: 1\n", "x.yaml:1:1: wanted a name as the key, found a list");
    expect("? \n: 1\n", "x.yaml:1:2: wanted a name as the key, found an empty one");
    expect("a: \"x\\0y\"\n", "x.yaml:1:4: wanted a text without zero bytes");
    expect("a: 1\nb: [1, 2\n",
           "x.yaml:3:1: this is not YAML: did not find expected ',' or ']' (while parsing a flow sequence that began at line 2)");
    expect("a: {k: ${K}}\n", "x.yaml:1:9: this is not YAML");
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(ctx), "with quotes"));
    expect("a: b\nc: \xff\n", "x.yaml:2:4: wanted text in UTF-8");
    expect("x: &x 1\n*x : 2\n", "x.yaml:2:1: wanted a name as the key, found an alias");
    expect("{{a: 1}: 2}\n", "x.yaml:1:2: wanted a name as the key, found a map");
    expect("!!str a: 1\n", "x.yaml:1:1: wanted a plain key, found one with a tag or an anchor");
    expect("&k a: 1\n", "x.yaml:1:1: wanted a plain key, found one with a tag or an anchor");
    expect("\"a\\tb\": 1\n", "x.yaml:1:1: wanted a name as the key, found the control character U+0009 in it");
    expect("", "x.yaml: wanted YAML, found nothing");
    expect("# c\n", "x.yaml: wanted YAML, found nothing");
}
END_TEST

START_TEST(limits)
{
    char deep[200] = "";
    for (int i = 0; i < 40; i++)
        strcat(deep, "[");
    expect(deep, "x.yaml:1:33: wanted values at most 32 deep");
    expect("a: &a [0,0,0,0,0,0,0,0,0,0]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
           "d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n",
           "x.yaml:4:29: wanted at most 10000 values");
    char *many = calloc(1, 40000);
    strcpy(many, "[");
    for (int i = 0; i < 11000; i++)
        strcpy(many + 1 + 2 * i, "1,");
    expect(many, "x.yaml:1:20000: wanted at most 10000 values");
    free(many);
    struct tessi_config *s = NULL;
    char *large = malloc((1 << 20) + 2);
    memset(large, ' ', (1 << 20) + 1);
    large[(1 << 20) + 1] = '\0';
    put("large.yaml", large);
    tessi_base_context_clear(ctx);
    ck_assert_int_eq(tessi_config_yaml_load(ctx, "large.yaml", &s), TESS_E_USAGE);
    ck_assert_str_eq(tessi_base_context_message(ctx), "large.yaml: wanted YAML of at most 1024 KiB, found more");
    free(large);
    tessi_base_context_clear(ctx);
    ck_assert_int_eq(tessi_config_yaml_load(ctx, "none.yaml", &s), TESS_E_IO);
    tessi_base_context_clear(ctx);
    ck_assert_int_eq(tessi_config_yaml_load(ctx, ".", &s), TESS_E_IO);
    ck_assert_str_eq(tessi_base_context_message(ctx), ".: wanted a YAML file, found a folder");
    ck_assert_ptr_null(s);
}
END_TEST

/* Limits of names: each key and anchor is compared with those before it. */
START_TEST(limits_of_names)
{
    char *text = calloc(1, 1 << 15), name[300];
    struct tessi_config *s = NULL;
    for (int i = 0; i <= 1000; i++)
        snprintf(text + strlen(text), 16, "k%d: 1\n", i);
    expect(text, "x.yaml:1001:1: wanted at most 1000 keys in a map, found more");
    *strrchr(text, 'k') = '\0';
    expect(text, "{k0: 1, k1: 1,");
    for (int length = 255; length <= 256; length++) {
        memset(name, 'n', (size_t)length);
        name[length] = '\0';
        snprintf(text, 600, "%s: 1\n", name);
        expect(text, length == 255 ? "{nnn" : "x.yaml:1:1: wanted a key of at most 255 bytes, found 256");
        snprintf(text, 600, "a: &%s 1\n", name);
        expect(text, length == 255 ? "{a: 1}" : "x.yaml:1:4: wanted at most 1000 anchors, their names of at most 255 bytes; found more");
    }
    expect("a: &a [[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]\nb: [[[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]]\n",
           "x.yaml:2:20: wanted values at most 32 deep, found more");
    char *large = malloc((1 << 20) + 1024);
    memset(large, ' ', (1 << 20) + 1024);
    tessi_base_context_clear(ctx);
    ck_assert_int_eq(tessi_config_yaml_parse(ctx, large, (1 << 20) + 1024, "x.yaml", &s), TESS_E_USAGE);
    ck_assert_str_eq(tessi_base_context_message(ctx), "x.yaml: wanted YAML of at most 1024 KiB, found 1025 KiB");
    free(large);
    free(text);
}
END_TEST

START_TEST(every_prefix)
{
    /* Whatever is cut off, there is a tree or a message, and nothing is lost. */
    const char *text = "tessera: 1\nparams: &p {a: 'x', b: \"y\\n\"}\nstages:\n  s:\n    - *p\n    - |\n      text\n    - [1, {c: d}]\n";
    for (size_t n = 0; n <= strlen(text); n++) {
        struct tessi_config *s = NULL;
        tessi_base_context_clear(ctx);
        int status = tessi_config_yaml_parse(ctx, text, n, "x.yaml", &s);
        ck_assert_int_eq(status == TESS_OK, s != NULL);
        ck_assert_int_eq(status == TESS_OK, *tessi_base_context_message(ctx) == '\0');
        tessi_config_free(s);
    }
    for (int64_t i = 1; i < 60; i++) {
        struct tessi_config *s = NULL;
        tessi_base_context_clear(ctx);
        tessi_base_memory_fail_at(i);
        int status = tessi_config_yaml_parse(ctx, text, strlen(text), "x.yaml", &s);
        ck_assert(status == TESS_OK || status == TESS_E_MEMORY);
        tessi_base_memory_fail_at(0);
        tessi_config_free(s);
    }
}
END_TEST

/* ---- loading ------------------------------------------------------------------------------------------------------- */

static const char *loaded(const char *path, const char *const *override)
{
    static char out[4096];
    struct tessi_config *s = NULL;
    char *printed = NULL;
    struct tessi_pipeline_options o = {.path = path, .override = override};
    while (override && override[o.overrides])
        o.overrides++;
    tessi_base_context_clear(ctx);
    if (tessi_flow_pipeline_load(ctx, &o, &s) != TESS_OK) {
        ck_assert_ptr_null(s);
        snprintf(out, sizeof out, "%s", tessi_base_context_message(ctx));
        return out;
    }
    ck_assert_int_eq(tessi_config_print(ctx, s, &printed), TESS_OK);
    snprintf(out, sizeof out, "%s", printed);
    tess_free(printed);
    tessi_config_free(s);
    return out;
}

#define WITH(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_load(const char *text, const char *const *override, const char *wanted)
{
    put("p.yaml", text);
    const char *found = loaded("p.yaml", override);
    ck_assert_msg(strncmp(found, wanted, strlen(wanted)) == 0, "for\n%s\nwanted: %s\nfound:  %s", text, wanted, found);
}

START_TEST(top_level)
{
    expect_load("tessera: 1\nstages: {a: {use: x}}\n", NULL, "{tessera: 1, stages: {a: {use: x}}, name: p}");
    expect_load("stages: {a: {use: x}}\n", NULL, "p.yaml:1:1: wanted `tessera: 1`");
    expect_load("tessera: 2\n", NULL, "p.yaml:1:10: wanted `tessera: 1`, found 2");
    expect_load("tessera: 1\nstage: {}\n", NULL, "p.yaml:2:1: a pipeline has no key `stage`; did you mean `stages`?");
    expect_load("[1]\n", NULL, "p.yaml:1:1: wanted a pipeline");
}
END_TEST

START_TEST(reference_values)
{
    expect_load("tessera: 1\nparams: {K: 2}\nreferences: {A paper: {FD: 6.1, at: {a.k: \"${K}\"}}}\n", NULL,
                "{tessera: 1, params: {K: 2}, references: {\"A paper\": {FD: 6.1, at: {a.k: 2}}}, name: p}");
    expect_load("tessera: 1\nreferences: 6.1\n", NULL, "p.yaml:2:13: `references` wants a map of names and metrics, found 6.1");
    expect_load("tessera: 1\nreferences: {A: 6.1}\n", NULL,
                "p.yaml:2:17: `references.A` wants metrics with their values, as `recall: 0.47`");
    expect_load("tessera: 1\nreferences: {A: {}}\n", NULL, "p.yaml:2:17: `references.A` wants metrics with their values");
    expect_load("tessera: 1\nreferences: {A: {FD: low}}\n", NULL, "p.yaml:2:22: wanted a finite number, found the text");
    expect_load("tessera: 1\nreferences: {A: {FD: 1, at: 3}}\n", NULL, "p.yaml:2:29: `at` wants the settings of the reference");
}
END_TEST

#define HEAD "tessera: 1\nname: nn\n"

START_TEST(interpolation)
{
    expect_load(HEAD "params: {K: 64, d: /data, t: '7'}\nstages:\n  a: {use: x, k: \"${K}\", f: \"${d}/a-${params.K}.gz\", t: \"${t}\", e: "
                     "\"$${K} $x\"}\n",
                NULL,
                "{tessera: 1, name: nn, params: {K: 64, d: /data, t: \"7\"}, stages: {a: {use: x, k: 64, f: /data/a-64.gz, t: \"7\", e: "
                "\"${K} $x\"}}}");
    expect_load(HEAD "params: {a: '${b}/x', b: yy}\nstages: {s: {use: u, p: '${a}'}}\n", NULL,
                "{tessera: 1, name: nn, params: {a: yy/x, b: yy}, stages: {s: {use: u, p: yy/x}}}");
    expect_load("tessera: 1\nname: n-${K}\nparams: {K: 3}\nstages:\n  s:\n    use: ${K}\n", NULL, "{tessera: 1, name: n-3,");
    expect_load(HEAD "params: {codes: 64}\nstages:\n  a:\n    k: ${code}\n", NULL,
                "p.yaml:6:8: `${code}`: there is no such name under params; did you mean `codes`?");
    expect_load(HEAD "stages:\n  a:\n    k: x${K\n", NULL, "p.yaml:5:8: wanted `}` after `${`");
    expect_load(HEAD "stages:\n  a:\n    k: ${K}\n", NULL, "p.yaml:5:8: `${K}`: there is no such name under params; there is none");
    expect_load(HEAD "params: {a: '${b}', b: '${a}'}\nstages: {s: {p: '${a}'}}\n", NULL,
                "p.yaml:3:24: `${a}`: this name stands for itself");
    expect_load(HEAD "params:\n  K: 64\n  L: 3\nstages: {s: {p: '${K}'}}\n", NULL, "p.yaml:5:3: params: nothing uses `L`");
    expect_load(HEAD "params: {K: [1]}\nstages: {s: {p: '${K}'}}\n", NULL, "p.yaml:3:13: params: `K` wants a single value, found a list");
    expect_load(HEAD "params: {K: null}\nstages: {s: {p: 'x-${K}'}}\n", NULL,
                "p.yaml:4:17: `${K}` stands inside a text and has no value: it is null at p.yaml:3:13");
    char chain[4096] = HEAD "params:\n";
    for (int i = 0; i < 110; i++)
        snprintf(chain + strlen(chain), sizeof chain - strlen(chain), "  n%d: ${n%d}\n", i, i + 1);
    strcat(chain, "  n110: 1\nstages: {s: {p: '${n0}'}}\n");
    expect_load(chain, NULL, "p.yaml:103:8: `${n100}`: wanted at most 100 names that stand for one another, found more");
    char text[2048] = HEAD "params:\n  a: 0123456789012345\n";
    for (int i = 0; i < 16; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "  %c: '${%c}${%c}${%c}'\n", 'b' + i, 'a' + i, 'a' + i, 'a' + i);
    strcat(text, "stages: {s: {p: '${q}'}}\n");
    expect_load(text, NULL, "p.yaml:12:6: wanted a text of at most 65536 letters");
}
END_TEST

START_TEST(overrides)
{
    const char *text = HEAD "seed: 1\nparams: {K: 64}\nstages:\n  tok: {use: t, q: {use: ema, size: '${K}', decay: 0.9}, d: conv}\n  enc: "
                            "{use: e, in: {m: tok}}\n";
    expect_load(text, WITH("K=32", "seed=3"),
                "{tessera: 1, name: nn, seed: 3, params: {K: 32}, stages: {tok: {use: t, q: {use: ema, size: 32,");
    expect_load(text, WITH("tok.q.use=nearest", "tok.q.decay=null", "stages.enc.new=[1, 2]"),
                "{tessera: 1, name: nn, seed: 1, params: {K: 64}, stages: {tok: {use: t, q: {use: nearest, size: 64}, d: conv}, enc: {use: "
                "e, in: {m: tok}, new: [1, 2]}}}");
    expect_load(text, WITH("tok.d.channels=8"),
                "{tessera: 1, name: nn, seed: 1, params: {K: 64}, stages: {tok: {use: t, q: {use: ema, size: 64, "
                "decay: 0.9}, d: {use: conv, channels: 8}}");
    expect_load(text, WITH("tok.q=nearest"),
                "{tessera: 1, name: nn, seed: 1, params: {K: 64}, stages: {tok: {use: t, q: nearest, d: conv}");
    expect_load(text, WITH("tok.q.size=8"),
                "{tessera: 1, name: nn, seed: 1, params: {K: 64}, stages: {tok: {use: t, q: {use: ema, size: 8,");
    expect_load(text, WITH("params.K=2"), "{tessera: 1, name: nn, seed: 1, params: {K: 2}, stages: {tok: {use: t, q: {use: ema, size: 2,");
    expect_load(text, WITH("K=8", "tok.q.size=8"), "command line:1:1: params: nothing uses `K` any more");
    expect_load(text, WITH("tik.q=1"), "command line:1:1: `tik.q=1`: there is no stage `tik`; did you mean `tok`?");
    expect_load(text, WITH("seed=2", "k=1"), "command line:2:1: `k=1`: there is no name under params `k`");
    expect_load(text, WITH("tok=1"), "command line:1:1: `tok=1`: `tok` is a stage");
    expect_load(text, WITH("tok.q"), "command line:1:1: `tok.q`: wanted key=value");
    expect_load(text, WITH("=1"), "command line:1:1: `=1`: wanted key=value");
    expect_load(text, WITH("tok..q=1"), "command line:1:1: `tok..q=1`: wanted names with one dot between");
    expect_load(text, WITH("name=other", "backend=b", "precision=p"),
                "{tessera: 1, name: other, seed: 1, params: {K: 64}, stages: {tok: {use: t, q: {use: ema, size: 64, decay: 0.9}, d: conv}, "
                "enc: {use: e, in: {m: tok}}}, backend: b, precision: p}");
    expect_load(text, WITH("tok.q="),
                "command line:1:1: `tok.q=`: wanted a value behind `=`, found nothing; did a variable of the shell stand there, which is "
                "not set? tok.q=null takes the key away, tok.q='\"\"' is an empty text");
    expect_load(
        HEAD "stages: {a: {use: x}}\n", WITH("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p=1"),
        "{tessera: 1, name: nn, stages: {a: {use: x, b: {c: {d: {e: {f: {g: {h: {i: {j: {k: {l: {m: {\"n\": {o: {p: 1}}}}}}}}}}}}}}}}}");
    expect_load(text, WITH("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p=1"),
                "command line:1:1: `a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p=1`: there is no stage `a`");
    expect_load(text, WITH("a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1"),
                "command line:1:1: `a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q=1`: wanted at most 16 names");
    expect_load(text, WITH("tok.q=[1"), "command line:1:1: this is not YAML: did not find expected");
    ck_assert_ptr_nonnull(strstr(loaded("p.yaml", WITH("tok.q=[1")), "; in `tok.q=[1`"));
    expect_load(text, WITH("params.K.x=1"), "command line:1:1: `params.K.x=1`: wanted params.NAME=value");
    expect_load(text, WITH("tok.nope=null"), "command line:1:1: `nope: null` takes a key away, and there is no `nope`");
    expect_load(text, WITH("params.L=2"), "command line:1:1: `params.L=2`: there is no name under params `L`");
    expect_load(HEAD "stages: [a]\n", WITH("tok.q=1"), "command line:1:1: `tok.q=1`: there is no stage `tok`; there is none");
    expect_load(text, WITH("stages=2"), "command line:1:1: `stages=2`: `stages` as a whole is said in the file alone");
    expect_load(text, WITH("tessera=2"), "command line:1:1: `tessera=2`: `tessera` as a whole is said in the file alone");
}
END_TEST

START_TEST(the_longest_override_key)
{
    char line[520], wanted[700];
    for (int length = 511; length <= 512; length++) {
        snprintf(line, sizeof line, "tok.%0*d=1", length - 4, 0);
        snprintf(wanted, sizeof wanted, "command line:1:1: `%s`: %s", line,
                 length == 511 ? "there is no stage `tok`" : "wanted a key of at most 511 letters");
        expect_load(HEAD "stages: {a: {use: x}}\n", WITH(line), wanted);
    }
}
END_TEST

/* The first 256 names are looked at for one that was meant, however many there are. */
START_TEST(a_slip_among_many_names)
{
    static char text[1 << 14];
    for (int last = 255; last <= 256; last++) {
        snprintf(text, sizeof text, HEAD "stages:\n");
        for (int i = 0; i <= 300; i++)
            snprintf(text + strlen(text), sizeof text - strlen(text), i == last ? "  omega1: {use: x}\n" : "  s%d: {use: x}\n", i);
        put("p.yaml", text);
        const char *found = loaded("p.yaml", WITH("omega2.p=1"));
        ck_assert_ptr_nonnull(strstr(found, "there is no stage `omega2`"));
        ck_assert_int_eq(strstr(found, "did you mean `omega1`?") != NULL, last == 255);
    }
}
END_TEST

START_TEST(override_places)
{
    struct tessi_config *s = NULL;
    put("p.yaml", HEAD "stages: {tok: {use: t}}\n");
    const char *override[] = {"seed=1", "tok.x={a: 1}"};
    ck_assert_int_eq(
        tessi_flow_pipeline_load(ctx, &(struct tessi_pipeline_options){.path = "p.yaml", .overrides = 2, .override = override}, &s),
        TESS_OK);
    const struct tessi_config *x = tessi_config_child(tessi_config_child(tessi_config_child(s, "stages"), "tok"), "x");
    ck_assert_str_eq(x->file, "command line");
    ck_assert_int_eq(x->line, 2);
    ck_assert_int_eq(x->column, 7);
    ck_assert_int_eq(x->child->column, 11);
    tessi_config_free(s);
}
END_TEST

START_TEST(extends)
{
    put("base.yaml", "tessera: 1\nname: base\nseed: 5\nparams: {K: 64, d: x}\nstages:\n  a: {use: u, k: '${K}', q: {use: ema, decay: 0.9}, "
                     "l: [1, 2]}\n  b: {use: v, d: '${d}'}\n");
    expect_load("tessera: 1\nextends: base.yaml\nparams: {K: 8}\nstages: {a: {q: {use: nearest, decay: null}, l: [3]}, b: null}\n", NULL,
                "{tessera: 1, seed: 5, params: {K: 8, d: x}, stages: {a: {use: u, k: 8, q: {use: nearest}, l: [3]}}, name: p}");
    mkdir("sub", 0777);
    put("sub/mid.yaml", "tessera: 1\nextends: ../base.yaml\nstages: {a: {k: 1}}\n");
    expect_load("tessera: 1\nname: top\nextends: sub/mid.yaml\nseed: 6\n", NULL,
                "{tessera: 1, seed: 6, params: {K: 64, d: x}, stages: {a: {use: u, k: 1, q: {use: ema, decay: 0.9}, l: [1, 2]}, b: {use: "
                "v, d: x}}, name: top}");
    put("one.yaml", "tessera: 1\nextends: two.yaml\n");
    put("two.yaml", "tessera: 1\nextends: ./one.yaml\n");
    ck_assert_str_eq(loaded("one.yaml", NULL), "two.yaml:2:10: `extends` goes in a circle: one.yaml -> two.yaml -> one.yaml");
    expect_load("tessera: 1\nextends: none.yaml\n", NULL, "p.yaml:2:10: extends: none.yaml: cannot be read: No such file");
    expect_load("tessera: 1\nextends: [a]\n", NULL, "p.yaml:2:10: `extends` wants the path of one file");
    expect_load("tessera: 1\nextends: base.yaml\nstages: {c: null}\n", NULL,
                "p.yaml:3:10: `c: null` takes a key away, and there is no `c`");
    put("bad.yaml", "tessera: 1\nstages: {a: {u: 1, u: 2}}\n");
    expect_load("tessera: 1\nextends: bad.yaml\n", NULL, "bad.yaml:2:20: the key `u` is there twice");
    put("loud.yaml", "tessera: 1\nfoo: 1\n");
    expect_load("tessera: 1\nextends: loud.yaml\n", NULL, "loud.yaml:2:1: a pipeline has no key `foo`");
}
END_TEST

START_TEST(memory)
{
    put("base.yaml", "tessera: 1\nparams: {K: 64}\nstages: {a: {use: u, q: ema, k: 'x${K}'}}\n");
    put("p.yaml", "tessera: 1\nextends: base.yaml\nstages: {a: {q: {x: 1}}}\n");
    const char *override[] = {"a.z=1", "K=3"};
    for (int64_t i = 1;; i++) {
        struct tessi_config *s = NULL;
        tessi_base_context_clear(ctx);
        tessi_base_memory_fail_at(i);
        int status =
            tessi_flow_pipeline_load(ctx, &(struct tessi_pipeline_options){.path = "p.yaml", .overrides = 2, .override = override}, &s);
        tessi_base_memory_fail_at(0);
        tessi_config_free(s);
        ck_assert_int_eq(tessi_base_memory_in_use(), 0);
        if (status == TESS_OK)
            break;
        ck_assert_int_eq(status, TESS_E_MEMORY);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("yaml");
    TCase *t = tcase_create("yaml");
    tcase_add_checked_fixture(t, start, end);
    tcase_add_test(t, values);
    tcase_add_test(t, places);
    tcase_add_test(t, strictness);
    tcase_add_test(t, limits);
    tcase_add_test(t, limits_of_names);
    tcase_add_test(t, every_prefix);
    suite_add_tcase(s, t);
    t = tcase_create("load");
    tcase_add_checked_fixture(t, start, end);
    tcase_add_test(t, top_level);
    tcase_add_test(t, reference_values);
    tcase_add_test(t, interpolation);
    tcase_add_test(t, overrides);
    tcase_add_test(t, a_slip_among_many_names);
    tcase_add_test(t, override_places);
    tcase_add_test(t, the_longest_override_key);
    tcase_add_test(t, extends);
    tcase_add_test(t, memory);
    suite_add_tcase(s, t);
    return suite_run(s);
}
