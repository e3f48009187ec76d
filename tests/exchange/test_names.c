/* Names as programs wrap them: prefixes, compilers' and parallel training's words, averages of the weights, shards and folders. Each file
 * has the tensors of the fixture vqgan.th under other names, and has to become the model that this becomes.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/checkpoint_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char parameters[] = "groups=4 height=8 width=12";

/* A file being written: entries of the fixture from `first` on, `count` of them, with names and values made of theirs. */
struct rewrite {
    struct tess_instance *from;
    const struct tess_format_1 *ops;
    struct tess_entry entry[400];
    char name[400][TESS_ENTRY_NAME];
    int64_t source[400], entries;
    float *value, scale[400];
    FILE *to;
};

static struct rewrite w;

static int values(void *user, struct tess_context *ctx, int64_t i, const float **out)
{
    (void)user;
    int64_t n = 1;
    for (int32_t d = 0; d < w.entry[i].rank; d++)
        n *= w.entry[i].dim[d];
    TESS_TRY(w.ops->read(tess_instance_self(w.from), ctx, w.source[i], w.value));
    for (int64_t k = 0; k < n; k++)
        w.value[k] *= w.scale[i];
    *out = w.value;
    return TESS_OK;
}

static int put(void *user, struct tess_context *ctx, const void *bytes, size_t count)
{
    (void)user;
    (void)ctx;
    return fwrite(bytes, 1, count, w.to) == count ? TESS_OK : TESS_E_IO;
}

static void start(void)
{
    memset(&w, 0, sizeof w);
    fixture_ok(&fixture, tessi_exchange_format_read(C, TEST_CHECKPOINTS "/vqgan.th", "", &w.from));
    w.ops = tess_instance_ops(w.from, "format/1");
    w.value = malloc(1 << 20);
}

/* Adds entry i under a name, its values times `scale`. */
static void add(int64_t i, const char *name, float scale)
{
    int64_t at = w.entries++;
    ck_assert_int_lt(at, 400);
    snprintf(w.name[at], sizeof w.name[at], "%s", name);
    w.entry[at] = *w.ops->entry(tess_instance_self(w.from), i);
    w.entry[at].name = w.name[at];
    w.source[at] = i;
    w.scale[at] = scale;
}

static int is_real(int64_t i)
{
    return w.ops->entry(tess_instance_self(w.from), i)->is_real;
}

static const char *name_of(int64_t i)
{
    return w.ops->entry(tess_instance_self(w.from), i)->name;
}

static int64_t count(void)
{
    return w.ops->count(tess_instance_self(w.from));
}

static void write_file(const char *path)
{
    struct tess_instance *format;
    struct tess_format_file f = {.size = sizeof f, .entries = w.entries, .entry = w.entry, .values = values, .put = put};
    fixture_ok(&fixture, tessi_exchange_format_for(C, "x.safetensors", NULL, &format));
    w.to = fopen(path, "wb");
    ck_assert_ptr_nonnull(w.to);
    fixture_ok(&fixture, ((const struct tess_format_1 *)tess_instance_ops(format, "format/1"))->write(tess_instance_self(format), C, &f));
    fclose(w.to);
    tess_instance_close(format);
    w.entries = 0;
}

static void end(void)
{
    tess_instance_close(w.from);
    free(w.value);
}

/* The file becomes the same model as the fixture. */
static void same_model(struct tessi_exchange x)
{
    const char *const parameter[] = {"groups=4", "height=8", "width=12"};
    struct tess_artefact *a, *b;
    x.to = "x.h5";
    x.as = "unleashing-transformers";
    x.parameter = parameter;
    x.parameters = 3;
    fixture_ok(&fixture, tessi_exchange_import_model(C, &x));
    fixture_ok(&fixture, checkpoint_import(TEST_CHECKPOINTS "/vqgan.th", "control.h5", NULL, parameters));
    fixture_ok(&fixture, tessi_store_artefact_open(C, "x.h5", &a));
    fixture_ok(&fixture, tessi_store_artefact_open(C, "control.h5", &b));
    ck_assert_str_eq(tess_artefact_digest(a), tess_artefact_digest(b));
    tessi_store_artefact_close(a);
    tessi_store_artefact_close(b);
}

static void add_all(const char *prefix)
{
    char name[TESS_ENTRY_NAME];
    for (int64_t i = 0; i < count(); i++)
        if (is_real(i)) {
            snprintf(name, sizeof name, "%s%s", prefix, name_of(i));
            add(i, name, 1);
        }
}

static const char *const prefixes[] = {"module.", "_orig_mod.", "model.", "first_stage_model.", "module._orig_mod.", "a.b.c."};

START_TEST(a_prefix_by_guess)
{
    start();
    add_all(prefixes[_i]);
    if (!strstr(prefixes[_i], "_orig_mod."))
        add(0, "beside", 2);
    write_file("x.safetensors");
    same_model((struct tessi_exchange){.from = "x.safetensors"});
    end();
}
END_TEST

/* Where two models are in a file, a prefix decides; without one the larger is taken. */
START_TEST(a_prefix_by_option)
{
    char name[TESS_ENTRY_NAME];
    start();
    add_all("second.");
    for (int64_t i = 0; i < count(); i++)
        if (is_real(i)) {
            snprintf(name, sizeof name, "first.%s", name_of(i));
            add(i, name, 3);
        }
    write_file("x.safetensors");
    same_model((struct tessi_exchange){.from = "x.safetensors", .prefix = "second."});
    checkpoint_refused(
        tessi_exchange_import_model(
            C, &(struct tessi_exchange){.from = "x.safetensors", .to = "y.h5", .as = "unleashing-transformers", .prefix = "third."}),
        TESS_E_DATA, "the file is neither an autoencoder");
    end();
}
END_TEST

START_TEST(words_in_the_middle)
{
    static const char *const word[] = {"_orig_mod", "module"};
    char name[TESS_ENTRY_NAME];
    start();
    for (int64_t i = 0; i < count(); i++)
        if (is_real(i)) {
            const char *dot = strchr(name_of(i), '.');
            snprintf(name, sizeof name, "%.*s.%s%s", (int)(dot - name_of(i)), name_of(i), word[_i], dot);
            add(i, name, 1);
        }
    write_file("x.safetensors");
    same_model((struct tessi_exchange){.from = "x.safetensors"});
    end();
}
END_TEST

/* The averages are taken in place of the weights, or the weights where that is asked for. */
START_TEST(averages)
{
    char name[TESS_ENTRY_NAME];
    start();
    for (int64_t i = 0; i < count(); i++)
        if (is_real(i)) {
            size_t n = (size_t)snprintf(name, sizeof name, "model_ema.");
            for (const char *p = name_of(i); *p; p++)
                if (*p != '.')
                    name[n++] = *p;
            name[n] = '\0';
            add(i, name, _i ? 5 : 1);
            add(i, name_of(i), _i ? 1 : 5);
        }
    write_file("x.safetensors");
    same_model((struct tessi_exchange){.from = "x.safetensors", .as_trained = _i});
    end();
}
END_TEST

/* ---- several files -------------------------------------------------------------------------------------------------- */

static void write_text(const char *path, const char *text)
{
    checkpoint_write(path, text, strlen(text));
}

/* Two files and their list, in a folder with settings; `lie` leaves one tensor out of the list. */
static void write_shards(int lie)
{
    static char list[1 << 16];
    size_t n = (size_t)snprintf(list, sizeof list, "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {");
    ck_assert_int_eq(mkdir("model", 0777), 0);
    start();
    for (int part = 0; part < 2; part++) {
        char path[100];
        snprintf(path, sizeof path, "model-%05d-of-00002.safetensors", part + 1);
        for (int64_t i = 0; i < count(); i++)
            if (is_real(i) && i % 2 == part) {
                add(i, name_of(i), 1);
                if (!lie || i != 4)
                    n += (size_t)snprintf(list + n, sizeof list - n, "%s\"%s\": \"%s\"", i ? ", " : "", name_of(i), path);
            }
        char whole[120];
        snprintf(whole, sizeof whole, "model/%s", path);
        write_file(whole);
    }
    snprintf(list + n, sizeof list - n, "}}");
    write_text("model/model.safetensors.index.json", list);
    write_text("model/config.json",
               "{\"norm_num_groups\": 4, \"deep\": {\"a\": [1, null]}, \"ratio\": 0.5, \"name\": \"x\", \"on\": true}");
    end();
}

START_TEST(shards_and_folders)
{
    static const char *const from[] = {"model", "model/", "model/model.safetensors.index.json"};
    write_shards(0);
    same_model((struct tessi_exchange){.from = from[_i]});
}
END_TEST

START_TEST(shards_that_lie)
{
    write_shards(1);
    checkpoint_refused(checkpoint_import("model", "refused.h5", NULL, parameters), TESS_E_DATA, "tensors, its 2 files have ");
    write_text("model/model.safetensors.index.json", "{\"weight_map\": {\"a\": \"../x.safetensors\"}}");
    checkpoint_refused(checkpoint_import("model", "refused.h5", NULL, parameters), TESS_E_DATA, "is not the name of one beside it");
    write_text("model/model.safetensors.index.json", "{\"weight_map\": {\"a\": \"none.safetensors\"}}");
    checkpoint_refused(checkpoint_import("model", "refused.h5", NULL, parameters), TESS_E_IO, "model/none.safetensors: cannot be opened");
    write_text("model/model.safetensors.index.json", "[]");
    checkpoint_refused(checkpoint_import("model", "refused.h5", NULL, parameters), TESS_E_DATA, "has no map `weight_map`");
    write_text("model/model.safetensors.index.json", "{\"weight_map\": {\"a\": 7}}");
    checkpoint_refused(checkpoint_import("model", "refused.h5", NULL, parameters), TESS_E_DATA, "is not the name of one beside it");
    ck_assert_int_eq(remove("model/model.safetensors.index.json"), 0);
    checkpoint_refused(checkpoint_import("model", "refused.h5", NULL, parameters), TESS_E_DATA, "with several files of weights; name");
}
END_TEST

/* Lists of shards that are no files, or too large for one, and tensors that two of the files have. */
START_TEST(lists_that_cannot_be_read)
{
    static const char index[] = "model/model.safetensors.index.json";
    static char name[5000], list[6000];
    write_shards(0);
    write_text(index, "{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"two.safetensors\", \"c\": \"one.safetensors\"}}");
    start();
    add(0, "a", 1);
    add(0, "c", 1);
    write_file("model/one.safetensors");
    add(0, "a", 1);
    write_file("model/two.safetensors");
    end();
    checkpoint_refused(checkpoint_import(index, "refused.h5", NULL, parameters), TESS_E_DATA, "`a` is in another of the files too");
    memset(name, 'n', sizeof name - 1);
    snprintf(list, sizeof list, "{\"weight_map\": {\"a\": \"%s\"}}", name);
    write_text(index, list);
    checkpoint_refused(checkpoint_import(index, "refused.h5", NULL, parameters), TESS_E_DATA, "a file in it has too long a name");
    ck_assert_int_eq(truncate(index, (32 << 20) + 1), 0);
    checkpoint_refused(checkpoint_import(index, "refused.h5", NULL, parameters), TESS_E_DATA, "33554433 bytes, 33554432 are the most");
    ck_assert_int_eq(remove(index), 0);
    ck_assert_int_eq(mkdir(index, 0777), 0);
    checkpoint_refused(checkpoint_import(index, "refused.h5", NULL, parameters), TESS_E_DATA, "is a folder with no file of weights");
    ck_assert_int_eq(rename("model/config.json", "config.json"), 0);
    ck_assert_int_eq(mkdir("model/config.json", 0777), 0);
    ck_assert_int_eq(remove(index), 0);
    ck_assert_int_eq(remove("model/one.safetensors"), 0);
    ck_assert_int_eq(remove("model/two.safetensors"), 0);
    ck_assert_int_eq(remove("model/model-00002-of-00002.safetensors"), 0);
    checkpoint_refused(checkpoint_import("model", "refused.h5", NULL, parameters), TESS_E_IO,
                       "config.json: cannot be opened: it is no file");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *tests = tcase_create("names");
    suite_add_tcase(suite, tests);
    tcase_add_checked_fixture(tests, checkpoint_setup, checkpoint_teardown);
    tcase_add_loop_test(tests, a_prefix_by_guess, 0, (int)(sizeof prefixes / sizeof *prefixes));
    tcase_add_test(tests, a_prefix_by_option);
    tcase_add_loop_test(tests, words_in_the_middle, 0, 2);
    tcase_add_loop_test(tests, averages, 0, 2);
    tcase_add_loop_test(tests, shards_and_folders, 0, 3);
    tcase_add_test(tests, shards_that_lie);
    tcase_add_test(tests, lists_that_cannot_be_read);
    return suite_run(suite);
}
