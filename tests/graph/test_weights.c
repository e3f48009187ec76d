/* Named weights and the files that hold them: where each lies, one read alone or under another name, what is refused, and averages that
 * become the values. SPDX-License-Identifier: MIT */
#include "core/graph/weight_store.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void declare(struct tess_weights *w, const char *name, int32_t rank, int64_t a, int64_t b, uint32_t flags)
{
    int64_t at;
    store_ok(tessi_graph_weights_declare(C, w, name, rank, (const int64_t[]){a, b},
                                         TESS_INIT(.kind = TESS_INIT_NORMAL, .flags = flags, .spread = 1.0), &at));
    ck_assert_int_eq(tess_weights_index(w, name), at);
}

/* A matrix, a scalar, a state and one that comes from elsewhere. */
static struct tess_weights *new_store(uint64_t seed)
{
    struct tess_weights *w;
    store_ok(tess_weights_new(C, seed, &w));
    declare(w, "net.blocks.0.weight", 2, 3, 5, 0);
    declare(w, "net.scale", 0, 0, 0, 0);
    declare(w, "net.blocks.0.state", 1, 4, 0, TESS_WEIGHT_BUFFER);
    declare(w, "given.weight", 1, 2, 0, TESS_WEIGHT_EXTERNAL);
    return w;
}

static int same(struct tess_weights *a, struct tess_weights *b, const char *name)
{
    struct tess_tensor x, y;
    store_ok(tess_weights_find(C, a, name, TESS_ROLE_VALUE, &x));
    store_ok(tess_weights_find(C, b, name, TESS_ROLE_VALUE, &y));
    return memcmp(x.data, y.data, tess_tensor_bytes(&x)) == 0;
}

static struct tess_artefact *write_store(struct tess_weights *w, const char *name)
{
    char digest[TESS_DIGEST_TEXT];
    struct tess_artefact *a = store_create(name, "autoencoder");
    store_ok(tess_weights_write(C, w, TESS_ROLE_VALUE, a));
    store_finish(a, digest);
    return store_open(name);
}

START_TEST(paths)
{
    char path[TESS_WEIGHT_PATH], few[12];
    tess_weights_path("encoder.blocks.0.weight", path, sizeof path);
    ck_assert_str_eq(path, "weights/encoder/blocks/0/weight");
    tess_weights_path("encoder.blocks.0.weight", few, sizeof few);
    ck_assert_str_eq(few, "weights/enc");
}
END_TEST

START_TEST(all_of_them)
{
    struct tess_weights *from = new_store(1), *to = new_store(2);
    struct tess_artefact *a = write_store(from, "w.h5");
    ck_assert(tess_artefact_has(a, "weights/net/blocks/0/state") && !tess_artefact_has(a, "weights/given/weight"));
    store_ok(tess_weights_read(C, to, a));
    ck_assert(same(from, to, "net.blocks.0.weight") && same(from, to, "net.scale") && same(from, to, "net.blocks.0.state"));
    ck_assert(!same(from, to, "given.weight"));
    ck_assert_int_eq(tess_weights_index(to, "net.blocks.0"), -1);
    tess_weights_free(from);
    tess_weights_free(to);
    tessi_store_artefact_close(a);
}
END_TEST

/* A single weight is read, no other changes, and the store's version is raised so that packed copies are rebuilt. */
START_TEST(one_of_them)
{
    struct tess_weights *from = new_store(1), *to = new_store(2);
    struct tess_artefact *a = write_store(from, "w.h5");
    store_ok(tess_weights_seal(C, to));
    uint64_t before = to->version;
    store_ok(tess_weights_read_one(C, to, tess_weights_index(to, "net.scale"), a, NULL));
    ck_assert(same(from, to, "net.scale") && !same(from, to, "net.blocks.0.weight") && !same(from, to, "net.blocks.0.state"));
    ck_assert(to->version != before);
    tess_weights_free(from);
    tess_weights_free(to);
    tessi_store_artefact_close(a);
}
END_TEST

START_TEST(under_another_name)
{
    struct tess_weights *from = new_store(1), *to;
    struct tess_artefact *a = write_store(from, "w.h5");
    struct tess_tensor x, y;
    store_ok(tess_weights_new(C, 3, &to));
    declare(to, "elsewhere.w", 2, 3, 5, 0);
    declare(to, "given.weight", 1, 2, 0, TESS_WEIGHT_EXTERNAL);
    store_ok(tess_weights_read_one(C, to, 0, a, "net.blocks.0.weight"));
    store_ok(tess_weights_find(C, from, "net.blocks.0.weight", TESS_ROLE_VALUE, &x));
    store_ok(tess_weights_find(C, to, "elsewhere.w", TESS_ROLE_VALUE, &y));
    ck_assert_int_eq(memcmp(x.data, y.data, tess_tensor_bytes(&x)), 0);
    store_fails(tess_weights_read_one(C, to, 0, a, NULL), TESS_E_DATA, "w.h5", "weights/elsewhere/w", NULL);
    store_fails(tess_weights_read_one(C, to, 0, a, "net.scale"), TESS_E_DATA, "/weights/net/scale is f32 ()",
                "the model needs f32 (3, 5)", NULL);
    ck_assert_int_eq(memcmp(x.data, y.data, tess_tensor_bytes(&x)), 0);
    tess_weights_free(from);
    tess_weights_free(to);
    tessi_store_artefact_close(a);
}
END_TEST

START_TEST(averages_become_the_values)
{
    struct tess_weights *w = new_store(1), *was = new_store(1);
    struct tess_tensor average, value;
    store_ok(tess_weights_seal(C, w));
    store_ok(tess_weights_seal(C, was));
    store_ok(tess_weights_take_averages(C, w)); /* there are none yet: they begin as the values */
    ck_assert(same(w, was, "net.blocks.0.weight"));
    store_ok(tess_weights_view(C, w, 0, TESS_ROLE_AVERAGE, &average));
    store_ok(tess_weights_view(C, w, 0, TESS_ROLE_VALUE, &value));
    for (int i = 0; i < 15; i++)
        ((float *)average.data)[i] = (float)i;
    store_ok(tess_weights_take_averages(C, w));
    for (int i = 0; i < 15; i++)
        ck_assert(((const float *)value.data)[i] == (float)i);
    ck_assert(same(w, was, "net.scale") && same(w, was, "net.blocks.0.state") && same(w, was, "given.weight"));
    tess_weights_free(w);
    tess_weights_free(was);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("weights");
    TCase *t = tcase_create("weights");
    tcase_add_checked_fixture(t, store_setup, store_teardown);
    tcase_add_test(t, paths);
    tcase_add_test(t, all_of_them);
    tcase_add_test(t, one_of_them);
    tcase_add_test(t, under_another_name);
    tcase_add_test(t, averages_become_the_values);
    suite_add_tcase(s, t);
    return suite_run(s);
}
