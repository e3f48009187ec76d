/* Tests of core/base: known answers of Philox and SHA-256, the distributions of random draws, workers, attributes, messages, the log.
 * SPDX-License-Identifier: MIT */
#include "core/base/context.h"
#include "core/base/attributes_private.h"
#include "core/base/digest_queue.h"
#include "core/base/files.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/progress_line.h"
#include "core/base/memory.h"
#include "core/base/sha256.h"
#include "core/base/xxh64.h"
#include "core/base/text.h"
#include "core/base/workers.h"
#include "tests/support/suite.h"
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif
#include <tessera/digest.h>
#include <tessera/random.h>
#include <tessera/kind/source.h>
#include <tessera/tensor.h>

#include <check.h>
#undef fail /* Check's old macro, in the way of a call's fail */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct tessi_context context;
static struct tess_context *const ctx = &context.context;
static int64_t in_use_before;

static void setup(void)
{
    tessi_base_context_init(&context, NULL);
    in_use_before = tessi_base_memory_in_use();
}

static void teardown(void)
{
    tessi_base_memory_fail_at(0);
    ck_assert_int_eq(tessi_base_memory_in_use(), in_use_before);
}

#define OK(expression) ck_assert_msg((expression) == TESS_OK, "%s", tessi_base_context_message(ctx))

/* kat_vectors of the Random123 distribution, "philox4x32 10". Our counter is (block, sample, step, purpose), so the first word,
 * a number of a block, is reached by the index 4 * word. */
START_TEST(philox_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } vector[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof vector / sizeof *vector; i++) {
        const uint32_t *k = vector[i].key, *n = vector[i].counter;
        struct tess_stream s = {.seed = (uint64_t)k[1] << 32 | k[0], .sample = n[1], .step = n[2], .purpose = n[3]};
        uint32_t got[4];
        tess_random_u32(&s, 4 * (uint64_t)n[0], 4, got);
        ck_assert_mem_eq(got, vector[i].want, sizeof got);
    }
}
END_TEST

/* What plugins do wrong with memory and failures is told, and ends nothing. */
START_TEST(misuse_is_a_failure)
{
    struct tessi_context own;
    struct tess_context *c = &own.context;
    void *memory = NULL;
    char *text = NULL;
    tessi_base_context_init(&own, NULL);
    ck_assert_int_eq(tess_alloc(c, 10, "a thing", NULL), TESS_E_VALUE);
    ck_assert_str_eq(tess_message(c), "memory for a thing: there is no place for its address (NULL)");
    tess_forget(c);
    ck_assert_int_eq(tess_alloc(c, 10, NULL, &memory), TESS_OK);
    tess_free(memory);
    ck_assert_int_eq(tess_copy_text(c, NULL, &text), TESS_E_VALUE);
    tess_forget(c);
    ck_assert_int_eq(c->fail(c, 0, "told with %d", 0), TESS_E_PLUGIN);
    ck_assert_str_eq(tess_message(c), "a failure that is told with the code 0, wanted a negative TESS_E_: told with 0");
    tess_forget(c);
    const char *volatile none = NULL;
    ck_assert_int_eq(c->fail(c, TESS_E_DATA, none ? "%s" : "", ""), TESS_E_DATA);
    ck_assert_str_eq(tess_message(c), "");
    tess_forget(c);
}
END_TEST

START_TEST(purpose_is_fnv1a)
{
    ck_assert_uint_eq(tess_purpose(""), 0x811c9dc5);
    ck_assert_uint_eq(tess_purpose("a"), 0xe40c292c);
    ck_assert_uint_eq(tess_purpose("foobar"), 0xbf9cf968);
}
END_TEST

/* Drawing in pieces, from any place, gives what drawing at once gives. */
START_TEST(random_in_pieces)
{
    enum { N = 203 };
    struct tess_stream s = {.seed = 7, .purpose = tess_purpose("test"), .step = 3, .sample = 5};
    const struct tess_stream other = {.seed = 8}; /* drawn from in between, so that nothing of a block is left on the stack */
    uint32_t u[N], u_piece[N], apart[4];
    float f[N], f_piece[N], g[N], g_piece[N];
    tess_random_u32(&s, 0, N, u);
    tess_random_uniform(&s, 0, N, f);
    tess_random_normal(&s, 0, N, g);
    for (int64_t cut = 0; cut <= N; cut += 29) {
        tess_random_u32(&s, 0, cut, u_piece);
        tess_random_u32(&other, 0, 4, apart);
        tess_random_u32(&s, (uint64_t)cut, N - cut, u_piece + cut);
        ck_assert_mem_eq(u, u_piece, sizeof u);
        tess_random_uniform(&s, 0, cut, f_piece);
        tess_random_u32(&other, 0, 4, apart);
        tess_random_uniform(&s, (uint64_t)cut, N - cut, f_piece + cut);
        ck_assert_mem_eq(f, f_piece, sizeof f);
        tess_random_normal(&s, 0, cut, g_piece);
        tess_random_u32(&other, 0, 4, apart);
        tess_random_normal(&s, (uint64_t)cut, N - cut, g_piece + cut);
        ck_assert_mem_eq(g, g_piece, sizeof g);
    }
    for (int i = 0; i < N; i++)
        ck_assert_float_eq(f[i], (float)(u[i] >> 8) / 16777216.0f);
}
END_TEST

static void moments(const float *x, int64_t n, double m[4])
{
    double mean = 0;
    for (int64_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    m[0] = mean;
    m[1] = m[2] = m[3] = 0;
    for (int64_t i = 0; i < n; i++)
        for (int k = 1; k < 4; k++)
            m[k] += pow(x[i] - mean, k + 1) / (double)n;
}

/* Tolerances are five standard errors. */
START_TEST(random_moments)
{
    enum { N = 200000 };
    static float x[N];
    struct tess_stream s = {.seed = 42, .purpose = tess_purpose("moments")};
    double m[4], root = sqrt(N);
    tess_random_uniform(&s, 0, N, x);
    for (int i = 0; i < N; i++)
        ck_assert(x[i] >= 0 && x[i] < 1);
    moments(x, N, m);
    ck_assert_double_eq_tol(m[0], 0.5, 5 * 0.2887 / root);
    ck_assert_double_eq_tol(m[1], 1.0 / 12, 5 * 0.0745 / root);

    tess_random_normal(&s, 0, N, x);
    moments(x, N, m);
    ck_assert_double_eq_tol(m[0], 0, 5 / root);
    ck_assert_double_eq_tol(m[1], 1, 5 * sqrt(2) / root);
    ck_assert_double_eq_tol(m[2], 0, 5 * sqrt(6) / root);
    ck_assert_double_eq_tol(m[3], 3, 5 * sqrt(96) / root);
    double inside = 0;
    for (int i = 0; i < N; i++)
        inside += fabsf(x[i]) < 1.0f;
    ck_assert_double_eq_tol(inside / N, 0.682689, 5 * 0.4654 / root);
}
END_TEST

START_TEST(random_below_is_uniform)
{
    struct tess_stream s = {.seed = 1, .purpose = tess_purpose("below")};
    enum { N = 60000, SIDES = 7 };
    int64_t count[SIDES] = {0};
    for (uint64_t i = 0; i < N; i++) {
        int64_t x = tess_random_below(&s, i, SIDES);
        ck_assert(x >= 0 && x < SIDES);
        count[x]++;
        ck_assert_int_eq(tess_random_below(&s, i, 1), 0);
        int64_t far = tess_random_below(&s, i, INT64_MAX);
        ck_assert(far >= 0 && far < INT64_MAX);
    }
    double chi2 = 0, want = (double)N / SIDES;
    for (int k = 0; k < SIDES; k++)
        chi2 += pow((double)count[k] - want, 2) / want;
    ck_assert_double_lt(chi2, 27.9); /* 6 degrees of freedom, p = 1e-4 */
}
END_TEST

START_TEST(permute_is_a_bijection)
{
    static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 15, 16, 17, 63, 64, 65, 100, 255, 256, 257, 1000, 4096, 4097, 60000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (uint64_t seed = 0; seed < 3; seed++) {
            int64_t n = sizes[k], moved = 0;
            struct tess_stream s = {.seed = seed, .purpose = tess_purpose("order"), .step = (uint32_t)seed};
            char *seen = calloc(1, (size_t)n);
            for (int64_t i = 0; i < n; i++) {
                int64_t at = tess_random_permute(&s, n, i);
                ck_assert(at >= 0 && at < n);
                ck_assert_int_eq(seen[at], 0);
                seen[at] = 1;
                moved += at != i;
            }
            free(seen);
            ck_assert(n < 50 || moved > n - n / 5);
        }
    struct tess_stream s = {.seed = 1};
    int64_t huge = INT64_MAX / 2, at = tess_random_permute(&s, huge, huge - 1);
    ck_assert(at >= 0 && at < huge);
}
END_TEST

/* Every order of four comes up, each about as often as the others. */
START_TEST(permutations_are_uniform)
{
    enum { N = 24000 };
    int64_t count[256] = {0};
    for (uint32_t step = 0; step < N; step++) {
        struct tess_stream s = {.seed = 9, .purpose = tess_purpose("order"), .step = step};
        int64_t code = 0;
        for (int64_t i = 0; i < 4; i++)
            code = 4 * code + tess_random_permute(&s, 4, i);
        count[code]++;
    }
    int64_t orders = 0;
    for (int i = 0; i < 256; i++)
        orders += count[i] > 0;
    ck_assert_int_eq(orders, 24);
    for (int i = 0; i < 256; i++)
        ck_assert(count[i] == 0 || (count[i] > N / 24 / 2 && count[i] < N / 24 * 2));
}
END_TEST

static void digest_of(const char *text, size_t bytes, size_t piece, char out[TESS_DIGEST_TEXT])
{
    struct tess_digest d;
    tess_digest_start(&d);
    for (size_t at = 0; at < bytes; at += piece)
        tess_digest_add(&d, text + at, bytes - at < piece ? bytes - at : piece);
    tess_digest_end(&d, out);
}

/* FIPS 180-4 examples, in one piece and in many. */
START_TEST(sha256_known_answers)
{
    if (_i && !tessi_base_sha256_of_processor())
        return; /* this processor has no SHA-256 instructions */
    ck_assert_int_eq(tessi_base_sha256_use(_i), 0);
    static const struct {
        const char *text, *want;
    } vector[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
        {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
         "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
    };
    char got[TESS_DIGEST_TEXT];
    for (size_t i = 0; i < sizeof vector / sizeof *vector; i++)
        for (size_t piece = 1; piece < 130; piece += 9) {
            digest_of(vector[i].text, strlen(vector[i].text), piece, got);
            ck_assert_str_eq(got, vector[i].want);
        }
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    digest_of(million, 1000000, 777, got);
    free(million);
    ck_assert_str_eq(got, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}
END_TEST

/* The processor's instructions give what plain C gives, for every length up to several blocks and at every place within a block. */
START_TEST(sha256_of_any_length_and_place)
{
    enum { LENGTHS = 260, PLACES = 64 };
    static char data[LENGTHS + PLACES];
    char plain[TESS_DIGEST_TEXT], own[TESS_DIGEST_TEXT];
    if (!tessi_base_sha256_of_processor())
        return;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * i + 3 * i);
    for (size_t bytes = 0; bytes < LENGTHS; bytes++)
        for (size_t at = 0; at < PLACES; at++) {
            ck_assert_int_eq(tessi_base_sha256_use(0), 0);
            digest_of(data + at, bytes, LENGTHS, plain);
            ck_assert_int_eq(tessi_base_sha256_use(1), 0);
            digest_of(data + at, bytes, LENGTHS, own);
            ck_assert_str_eq(own, plain);
        }
}
END_TEST

/* Pieces of two digests in turn, from a ring that is filled anew as soon as its bytes may change. */
START_TEST(digests_on_another_thread)
{
    enum { PIECES = 200, BYTES = 5000, RING = TESSI_DIGEST_QUEUE + 1 };
    static char data[2][PIECES * BYTES], ring[RING][BYTES];
    struct tess_digest d[2];
    char want[TESS_DIGEST_TEXT], got[TESS_DIGEST_TEXT];
    struct tessi_digest_queue *q;
    OK(tessi_base_digest_queue_new(ctx, &q));
    ck_assert_ptr_nonnull(q);
    for (int64_t i = 0; i < 2 * PIECES * BYTES; i++)
        data[i % 2][i / 2] = (char)(i * i / 7);
    tess_digest_start(&d[0]);
    tess_digest_start(&d[1]);
    for (size_t i = 0; i < 2 * PIECES; i++) {
        size_t bytes = BYTES - i % 3;
        memcpy(ring[i % RING], data[i % 2] + i / 2 * BYTES, bytes);
        tessi_base_digest_queue_add(q, &d[i % 2], ring[i % RING], bytes);
    }
    tessi_base_digest_queue_wait(q);
    for (size_t k = 0; k < 2; k++) {
        struct tess_digest plain;
        tess_digest_start(&plain);
        for (size_t i = k; i < 2 * PIECES; i += 2)
            tess_digest_add(&plain, data[k] + i / 2 * BYTES, BYTES - i % 3);
        tess_digest_end(&plain, want);
        tess_digest_end(&d[k], got);
        ck_assert_str_eq(got, want);
    }
    tess_digest_start(&d[0]);
    tessi_base_digest_queue_add(q, &d[0], "abc", 3);
    tessi_base_digest_queue_free(q);
    tess_digest_end(&d[0], got);
    digest_of("abc", 3, 3, want);
    ck_assert_str_eq(got, want);
    tessi_base_digest_queue_wait(NULL);
    tessi_base_digest_queue_free(NULL);
}
END_TEST

/* Sums of bytes 0, 7, 14, ... (modulo 256), as xxhash 3.5 for Python has them; in one piece and in several. */
START_TEST(xxh64_known_answers)
{
    static const struct {
        size_t bytes;
        uint64_t sum;
    } known[] = {{0, 0xef46db3751d8e999u},  {1, 0xe934a84adb052768u},   {3, 0x9ff70a635a6209abu},   {31, 0x0f187c62b1e722b7u},
                 {32, 0x91b0cb0931a8c629u}, {100, 0x8e2272c08247d5dbu}, {1000, 0x25275608a9cfc168u}};
    uint8_t data[1000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(7 * i);
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        for (size_t piece = 1; piece < 70; piece += 17) {
            struct tessi_xxh64 x;
            tessi_base_xxh64_start(&x);
            for (size_t at = 0; at < known[k].bytes; at += piece)
                tessi_base_xxh64_add(&x, data + at, known[k].bytes - at < piece ? known[k].bytes - at : piece);
            ck_assert_uint_eq(tessi_base_xxh64_end(&x), known[k].sum);
        }
}
END_TEST

START_TEST(digest_of_texts_and_files)
{
    char one[TESS_DIGEST_TEXT], two[TESS_DIGEST_TEXT], path[] = "/tmp/tessera-digest-XXXXXX";
    struct tess_digest d;
    tess_digest_start(&d);
    tess_digest_add_text(&d, "ab");
    tess_digest_add_text(&d, "c");
    tess_digest_end(&d, one);
    tess_digest_start(&d);
    tess_digest_add_text(&d, "a");
    tess_digest_add_text(&d, "bc");
    tess_digest_end(&d, two);
    ck_assert_str_ne(one, two);

    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "abc", 3), 3);
    close(fd);
    tess_digest_start(&d);
    OK(tess_digest_add_file(ctx, &d, path));
    tess_digest_end(&d, one);
    ck_assert_str_eq(one, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    for (int before = 0; before < 2; before++) { /* with the file first, and behind other bytes */
        tess_digest_start(&d);
        tess_digest_add(&d, "abc", before ? 3 : 0);
        OK(tess_digest_add_file(ctx, &d, path));
        tess_digest_add(&d, "abc", before ? 0 : 3);
        tess_digest_end(&d, one);
        tess_digest_start(&d);
        tess_digest_add(&d, "abcabc", 6);
        tess_digest_end(&d, two);
        ck_assert_str_eq(one, two);
    }
    unlink(path);
    ck_assert_int_eq(tess_digest_add_file(ctx, &d, path), TESS_E_IO);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(ctx), path));
    tessi_base_context_clear(ctx);
    ck_assert_int_eq(tess_digest_add_file(ctx, &d, "/"), TESS_E_IO);
}
END_TEST

static void path_is(int status, const char *wanted, char *const *found)
{
    OK(status);
    ck_assert_str_eq(*found, wanted);
    tess_free(*found);
}

static void says(int status, int code, const char *words)
{
    ck_assert_int_eq(status, code);
    ck_assert_msg(strstr(tessi_base_context_message(ctx), words) != NULL, "%s", tessi_base_context_message(ctx));
    tessi_base_context_clear(ctx);
}

START_TEST(paths_and_folders)
{
    static char long_name[5000];
    char *text, folder[] = "/tmp/tessera-paths-XXXXXX";
    int there = 7;
    path_is(tessi_base_path_beside(ctx, "x/y.yaml", "z", &text), "x/z", &text);
    path_is(tessi_base_path_beside(ctx, "x/y.yaml", "/z", &text), "/z", &text);
    path_is(tessi_base_path_beside(ctx, "y.yaml", "z", &text), "z", &text);
    path_is(tessi_base_path_beside(ctx, "command line", "z", &text), "z", &text);
    path_is(tessi_base_path_absolute(ctx, "/a/b", &text), "/a/b", &text);
    memset(long_name, 'n', sizeof long_name - 1);
    says(tessi_base_file_there(ctx, long_name + sizeof long_name - 301, &there), TESS_E_IO, ": cannot be looked at: File name too long");
    ck_assert_int_eq(there, 0);
    OK(tessi_base_file_there(ctx, "/dev/null/x", &there)); /* below a file there is nothing */
    ck_assert_int_eq(there, 0);
    OK(tessi_base_file_there(ctx, "/dev/null", &there)); /* no regular file */
    ck_assert(there == 0 && !tessi_base_is_file("/dev/null"));
    OK(tessi_base_file_there(ctx, "/proc/self/exe", &there));
    ck_assert(there == 1 && tessi_base_is_file("/proc/self/exe"));
    says(tessi_base_make_folder(ctx, long_name), TESS_E_CREATE, "n...: this path is too long for a folder");
    says(tessi_base_make_folder(ctx, "/dev/null/x"), TESS_E_CREATE, "/dev/null: the folder cannot be made: File exists");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    ck_assert_int_eq(chdir(folder), 0);
    OK(tessi_base_make_folder(ctx, "a/b//c"));
    OK(tessi_base_make_folder(ctx, "a/b/c/"));
    OK(tessi_base_make_folder(ctx, "long/name")); /* and no folder whose name is a beginning of it */
    ck_assert(rmdir("long/name") == 0 && rmdir("long") == 0);
    ck_assert(rmdir("a/b/c") == 0 && rmdir("a/b") == 0 && rmdir("a") == 0 && rmdir(folder) == 0);
    says(tessi_base_path_absolute(ctx, "x", &text), TESS_E_IO, "the current folder is not available: No such file");
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(messages)
{
    ck_assert_str_eq(tessi_base_context_message(ctx), "");
    tess_prepend_message(ctx, "nothing");
    tess_append_message(ctx, "nothing");
    ck_assert_str_eq(tessi_base_context_message(ctx), "");
    ck_assert_int_eq(ctx->fail(ctx, TESS_E_SHAPE, "%d wanted, %d found", 3, 4), TESS_E_SHAPE);
    ck_assert_int_eq(ctx->fail(ctx, TESS_E_DATA, "too late"), TESS_E_DATA);
    tess_prepend_message(ctx, "%s:%d:%d", "a.yaml", 12, 5);
    ck_assert_str_eq(tessi_base_context_message(ctx), "a.yaml:12:5: 3 wanted, 4 found");
    ck_assert_int_eq(context.code, TESS_E_SHAPE);
    tess_append_message(ctx, "; set `%s: %d`", "dim", 4);
    ck_assert_str_eq(tessi_base_context_message(ctx), "a.yaml:12:5: 3 wanted, 4 found; set `dim: 4`");
    ck_assert_int_eq(context.code, TESS_E_SHAPE);

    struct tessi_context worker;
    tessi_base_context_init(&worker, NULL);
    ck_assert_int_eq(tessi_base_context_pass(&worker.context, ctx), TESS_E_SHAPE);
    ck_assert_str_eq(tessi_base_context_message(&worker.context), tessi_base_context_message(ctx));
    tessi_base_context_clear(ctx);
    ck_assert_int_eq(tessi_base_context_pass(&worker.context, ctx), TESS_OK);
    ck_assert_int_eq(worker.code, TESS_E_SHAPE);
}
END_TEST

START_TEST(long_messages_are_cut)
{
    char text[3 * TESSI_MESSAGE_CAPACITY];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    (void)ctx->fail(ctx, TESS_E_DATA, "%s", text);
    for (int i = 0; i < 8; i++)
        tess_prepend_message(ctx, "%d%s", i, text);
    const char *m = tessi_base_context_message(ctx);
    ck_assert_uint_eq(strlen(m), TESSI_MESSAGE_CAPACITY - 1);
    ck_assert_int_eq(m[0], '7');
    ck_assert_ptr_nonnull(strstr(m, "x: 6xx"));
    tess_append_message(ctx, "%s", "; run again");
    ck_assert_uint_eq(strlen(m), TESSI_MESSAGE_CAPACITY - 1);
    ck_assert_str_eq(m + strlen(m) - strlen("x; run again"), "x; run again");
}
END_TEST

/* Names of any bytes: different ones stay different, and nothing in them moves a terminal's cursor. */
START_TEST(names_become_texts)
{
    static const char *const utf8[][2] = {
        {"a \xc3\xa4 \xf0\x9f\x8e\xa8.png", "a \xc3\xa4 \xf0\x9f\x8e\xa8.png"},
        {"caf\xe9.jpg", "caf\\xe9.jpg"},
        {"caf\\xe9.jpg", "caf\\\\xe9.jpg"},
        {"a\\b", "a\\b"},
        {"a\\b\xff", "a\\\\b\\xff"},
        {"\xc0\xaf \xed\xa0\x80 \xf4\x90\x80\x80 \xe2\x82", "\\xc0\\xaf \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xe2\\x82"}};
    static const char *const shown[][2] = {{"two\nlines\t\x1b[31m\a", "two\\nlines\\t\\x1b[31m\\x07"},
                                           {"\xc2\x9b"
                                            "1m \xe2\x80\xae \x7f \xe9",
                                            "\\xc2\\x9b1m \\xe2\\x80\\xae \\x7f \\xe9"},
                                           {"plain \xc3\xa4", "plain \xc3\xa4"}};
    char text[128];
    for (size_t i = 0; i < sizeof utf8 / sizeof *utf8; i++) {
        ck_assert_uint_eq(tess_utf8_text(utf8[i][0], text, sizeof text), strlen(utf8[i][1]));
        ck_assert_str_eq(text, utf8[i][1]);
    }
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        ck_assert_uint_eq(tess_shown_text(shown[i][0], text, sizeof text), strlen(shown[i][1]));
        ck_assert_str_eq(text, shown[i][1]);
    }
    for (size_t capacity = 0; capacity < 9; capacity++) { /* cut, a character is whole or not there */
        memset(text, 'z', sizeof text);
        ck_assert_uint_eq(tess_utf8_text("\xc3\xa4\xc3\xa4\xff", text, capacity), 8);
        ck_assert(text[capacity] == 'z' &&
                  (capacity == 0 || strlen(text) == (capacity > 4 ? capacity > 8 ? 8 : 4 : (capacity - 1) / 2 * 2)));
    }
}
END_TEST

START_TEST(exit_codes)
{
    static const int want[][2] = {{TESS_OK, 0},         {TESS_E_USAGE, 2},   {TESS_E_VALUE, 2},  {TESS_E_SHAPE, 2},
                                  {TESS_E_DATA, 65},    {TESS_E_PLUGIN, 69}, {TESS_E_CREATE, 73}, {TESS_E_IO, 74},
                                  {TESS_E_STOPPED, 75}, {TESS_E_MEMORY, 1},  {TESS_E_FAILED, 1},  {TESS_E_INTERNAL, 1},
                                  {TESS_E_ITEM, 65}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        ck_assert_int_eq(tessi_base_exit_code(want[i][0]), want[i][1]);
}
END_TEST

START_TEST(nearest_names)
{
    static const char *const names[] = {"channels", "channel_mult", "codebook_size", "beta", "K"};
    ck_assert_str_eq(tessi_base_nearest_name("chanels", names, 5), "channels");
    ck_assert_str_eq(tessi_base_nearest_name("chnanels", names, 5), "channels");
    ck_assert_str_eq(tessi_base_nearest_name("codebok_sizes", names, 5), "codebook_size");
    ck_assert_str_eq(tessi_base_nearest_name("size_of_book", names, 5) ? "found" : "none", "none");
    ck_assert_str_eq(tessi_base_nearest_name("bata", names, 5), "beta");
    ck_assert_ptr_null(tessi_base_nearest_name("x", names, 5));
    ck_assert_ptr_null(tessi_base_nearest_name("", names, 5));
    ck_assert_ptr_null(tessi_base_nearest_name("beta", names, 0));
    char far[400];
    memset(far, 'a', sizeof far - 1);
    far[sizeof far - 1] = '\0';
    ck_assert_ptr_null(tessi_base_nearest_name(far, names, 5));
}
END_TEST

START_TEST(attrs)
{
    struct tess_attrs *f = NULL, *g = NULL;
    int64_t i;
    double x;
    const char *text, *name = NULL;
    OK(tessi_base_attrs_new(ctx, &f));
    OK(tessi_base_attrs_new(ctx, &g));
    OK(tess_attrs_set_i64(ctx, f, "count", 60000));
    OK(tess_attrs_set_f64(ctx, f, "loss", 0.25));
    OK(tess_attrs_set_text(ctx, f, "kind", "images"));
    OK(tess_attrs_set_text(ctx, f, "count", "soon"));
    OK(tess_attrs_set_i64(ctx, f, "count", 7));
    OK(tess_attrs_i64(ctx, f, "count", &i));
    ck_assert_int_eq(i, 7);
    OK(tess_attrs_f64(ctx, f, "loss", &x));
    ck_assert_double_eq(x, 0.25);
    OK(tess_attrs_text(ctx, f, "kind", &text));
    ck_assert_str_eq(text, "images");
    ck_assert_int_eq(f->count, 3);
    ck_assert_str_eq(f->item[0].name, "count"); /* order of first setting: `count` stays in its place */

    ck_assert_int_eq(tess_attrs_i64(ctx, f, "width", &i), TESS_E_DATA);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(ctx), "`width`"));
    tessi_base_context_clear(ctx);
    ck_assert_int_eq(tess_attrs_f64(ctx, f, "count", &x), TESS_E_DATA);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(ctx), "integer"));
    tessi_base_context_clear(ctx);
    ck_assert_int_eq(tess_attrs_i64_or(f, "kind", -1), -1);
    ck_assert_double_eq(tess_attrs_f64_or(f, "none", 0.5), 0.5);
    ck_assert_str_eq(tess_attrs_text_or(f, "kind", "?"), "images");

    OK(tess_attrs_set_text(ctx, g, "kind", "images"));
    ck_assert(!tessi_base_attrs_equal(f, g, &name));
    OK(tessi_base_attrs_copy(ctx, f, g));
    ck_assert(tessi_base_attrs_equal(f, g, &name));
    static const struct {
        double f, g;
        int equal;
    } number[] = {{0.25, 0.5, 0}, {0.5, 0.25, 0}, {0.25, NAN, 0}, {NAN, 0.25, 0}, {NAN, NAN, 1}, {0.0, -0.0, 1}, {INFINITY, INFINITY, 1}};
    for (size_t k = 0; k < sizeof number / sizeof *number; k++) {
        OK(tess_attrs_set_f64(ctx, f, "loss", number[k].f));
        OK(tess_attrs_set_f64(ctx, g, "loss", number[k].g));
        ck_assert_int_eq(tessi_base_attrs_equal(f, g, &name), number[k].equal);
        ck_assert(number[k].equal || strcmp(name, "loss") == 0);
    }
    OK(tess_attrs_set_i64(ctx, g, "extra", 1));
    ck_assert(!tessi_base_attrs_equal(f, g, &name));
    ck_assert_str_eq(name, "extra");
    for (int64_t k = 0; k < 100; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", (int)k);
        OK(tess_attrs_set_i64(ctx, f, key, k));
    }
    ck_assert_int_eq(tess_attrs_i64_or(f, "k63", -1), 63);
    tessi_base_attrs_free(f);
    tessi_base_attrs_free(g);
    tessi_base_attrs_free(NULL);
}
END_TEST

static int build_attrs(struct tess_attrs **out)
{
    int status = tessi_base_attrs_new(ctx, out);
    for (int k = 0; k < 20 && status == TESS_OK; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", k);
        status = tess_attrs_set_text(ctx, *out, key, "value");
    }
    return status == TESS_OK ? tess_attrs_set_text(ctx, *out, "k3", "other") : status;
}

/* However early memory runs out, the failure is told, what was there is whole, and nothing leaks. */
START_TEST(attrs_without_memory)
{
    int status = TESS_E_MEMORY;
    for (int64_t n = 1; status != TESS_OK; n++) {
        struct tess_attrs *f = NULL;
        tessi_base_context_clear(ctx);
        tessi_base_memory_fail_at(n);
        status = build_attrs(&f);
        tessi_base_memory_fail_at(0);
        ck_assert(status == TESS_OK || status == TESS_E_MEMORY);
        if (f)
            for (int64_t k = 0; k < f->count; k++)
                ck_assert_ptr_nonnull(f->item[k].text);
        tessi_base_attrs_free(f);
        ck_assert_int_lt(n, 1000);
    }
}
END_TEST

START_TEST(memory)
{
    void *block[40];
    for (size_t i = 0; i < 40; i++) {
        size_t bytes = i * i * i;
        OK(tess_alloc(ctx, bytes, "a test", &block[i]));
        ck_assert_uint_eq((uintptr_t)block[i] % 64, 0);
#ifdef __SANITIZE_ADDRESS__
        ck_assert(bytes % 8 != 0 || __asan_address_is_poisoned((char *)block[i] + bytes)); /* first byte past the end */
        ck_assert(__asan_address_is_poisoned((char *)block[i] - 1));
#endif
        size_t set = 0;
        for (size_t k = 0; k < bytes; k++)
            set += ((char *)block[i])[k] != 0;
        ck_assert_uint_eq(set, 0);
        if (bytes)
            memset(block[i], 0xA5, bytes);
    }
    int64_t in_use = tessi_base_memory_in_use();
    ck_assert_int_ge(tessi_base_memory_peak(), in_use);
    void *huge;
    OK(tess_alloc(ctx, (size_t)1 << 30, "zero pages", &huge)); /* costs nothing while untouched */
    ck_assert_int_eq(((char *)huge)[(size_t)5 << 27], 0);
    ck_assert_int_eq(tessi_base_memory_in_use(), in_use + ((int64_t)1 << 30));
    tess_free(huge);
    for (size_t i = 0; i < 40; i++)
        tess_free(block[i]);
    tess_free(NULL);

    ck_assert_int_eq(tess_alloc(ctx, SIZE_MAX - 5, "the moon", &huge), TESS_E_MEMORY);
    ck_assert_ptr_null(huge);
    ck_assert_ptr_nonnull(strstr(tessi_base_context_message(ctx), "the moon"));
    tessi_base_memory_fail_at(2);
    OK(tess_alloc(ctx, 1, "one", &block[0]));
    ck_assert_int_eq(tess_alloc(ctx, 1, "two", &block[1]), TESS_E_MEMORY);
    OK(tess_alloc(ctx, 1, "three", &block[2]));
    tess_free(block[0]);
    tess_free(block[2]);
}
END_TEST

START_TEST(lists_grow)
{
    struct item {
        int64_t number;
        double more;
    } *list = NULL;
    int64_t capacity = 0, in_use = tessi_base_memory_in_use(), refused = 0;
    for (int64_t n = 0; n < 1000; n++) {
        int64_t before = capacity;
        if (n == capacity) { /* once refused: the list stays as it is */
            struct item *kept = list;
            tessi_base_memory_fail_at(1);
            ck_assert_int_eq(tess_reserve(ctx, &list, &capacity, n + 1, sizeof *list, "items"), TESS_E_MEMORY);
            ck_assert(list == kept && capacity == before);
            tess_forget(ctx);
            refused++;
        }
        OK(tess_reserve(ctx, &list, &capacity, n + 1, sizeof *list, "items"));
        ck_assert_int_gt(capacity, n);
        ck_assert(capacity == before || capacity >= 2 * before);
        ck_assert(list[n].number == 0 && list[n].more == 0.0);
        list[n] = (struct item){n, (double)n};
    }
    for (int64_t n = 0; n < 1000; n++)
        ck_assert(list[n].number == n && list[n].more == (double)n);
    ck_assert_int_gt(refused, 3);
    ck_assert_int_eq(tessi_base_memory_in_use() - in_use, capacity * (int64_t)sizeof *list);
    OK(tess_reserve(ctx, &list, &capacity, 5000, sizeof *list, "items")); /* at one go */
    ck_assert(capacity >= 5000 && list[999].number == 999 && list[4999].number == 0);
    int64_t before = capacity;
    ck_assert_int_eq(tess_reserve(ctx, &list, &capacity, INT64_MAX, sizeof *list, "the moon"), TESS_E_MEMORY);
    ck_assert_int_eq(capacity, before);
    tess_free(list);
    tess_forget(ctx);

    char *text;
    OK(tess_copy_text(ctx, "abc", &text));
    ck_assert_str_eq(text, "abc");
    tess_free(text);
    OK(tess_copy_bytes(ctx, "abcdef", 4, &text));
    ck_assert_str_eq(text, "abcd");
    tess_free(text);
    ck_assert_int_eq(tessi_base_memory_in_use(), in_use);
}
END_TEST

struct loop {
    _Atomic int count[1000];
    _Atomic int64_t last[8];
    _Atomic int out_of_order;
    int threads;
};

static void count_one(void *user, int worker, int64_t i)
{
    struct loop *l = user;
    atomic_fetch_add(&l->count[i], 1);
    if (worker < 0 || worker >= l->threads || atomic_exchange(&l->last[worker], i + 1) > i + 1)
        atomic_store(&l->out_of_order, 1);
}

START_TEST(workers_run_each_once)
{
    static const int threads[] = {1, 2, 4};
    for (int k = 0; k < 3; k++) {
        struct tessi_workers *w;
        OK(tessi_base_workers_new(ctx, threads[k], &w));
        ck_assert_int_eq(tessi_base_workers_count(w), threads[k]);
        for (int round = 0; round < 200; round++) {
            static struct loop l;
            int64_t n = round % 5 == 0 ? round / 5 % 4 : 5 * round;
            memset(&l, 0, sizeof l);
            l.threads = threads[k];
            tessi_base_workers_run(w, n, count_one, &l);
            int64_t wrong = 0;
            for (int64_t i = 0; i < 1000; i++)
                wrong += l.count[i] != (i < n);
            ck_assert_int_eq(wrong, 0);
            ck_assert_int_eq(l.out_of_order, 0);
        }
        tessi_base_workers_free(w);
    }
    struct tessi_workers *none;
    ck_assert_int_eq(tessi_base_workers_new(ctx, 0, &none), TESS_E_VALUE);
    ck_assert_ptr_null(none);
    tessi_base_workers_free(NULL);
    ck_assert_int_ge(tessi_base_processors(), 1);
}
END_TEST

START_TEST(tensors)
{
    char text[64];
    int64_t dim[] = {64, 7, 7, 32};
    struct tess_tensor t = tess_tensor_over(NULL, TESS_F32, 4, dim), u = t, scalar = tess_tensor_over(NULL, TESS_BF16, 0, NULL);
    ck_assert_int_eq(tess_tensor_count(&t), 64 * 7 * 7 * 32);
    ck_assert_uint_eq(tess_tensor_bytes(&t), 64 * 7 * 7 * 32 * 4);
    ck_assert_int_eq(t.dim[4], 1);
    ck_assert_str_eq(tess_tensor_text(&t, text, sizeof text), "f32 (64, 7, 7, 32)");
    ck_assert_str_eq(tess_tensor_text(&t, text, 9), "f32 (64,");
    ck_assert_str_eq(tess_tensor_text(&scalar, text, sizeof text), "bf16 ()");
    ck_assert_int_eq(tess_tensor_count(&scalar), 1);
    ck_assert(tess_tensor_same_shape(&t, &u));
    u.dim[3] = 31;
    ck_assert(!tess_tensor_same_shape(&t, &u));
    u = t;
    u.dtype = TESS_I32;
    ck_assert(!tess_tensor_same_shape(&t, &u));
    ck_assert_uint_eq(tess_dtype_size(TESS_U8) + tess_dtype_size(TESS_U16) + tess_dtype_size(TESS_I32), 7);
    ck_assert_uint_eq(tess_dtype_size(0) + tess_dtype_size(6), 0);
    ck_assert_str_eq(tess_dtype_name(-1), "?");
}
END_TEST

START_TEST(images)
{
    struct tess_image im = {.size = sizeof im};
    OK(tess_image_resize(ctx, &im, 28, 28, 1));
    uint8_t *first = im.pixels;
    OK(tess_image_resize(ctx, &im, 14, 14, 3));
    ck_assert_ptr_eq(im.pixels, first);
    OK(tess_image_resize(ctx, &im, 64, 64, 3));
    im.pixels[64 * 64 * 3 - 1] = 1;
    ck_assert_int_eq(tess_image_resize(ctx, &im, 0, 5, 1), TESS_E_DATA);
    ck_assert_int_eq(tess_image_resize(ctx, &im, INT64_MAX, INT64_MAX, 4), TESS_E_DATA);
    ck_assert_int_eq(im.height, 64);
    tess_image_free(&im);
    tess_image_free(&im);
    ck_assert_ptr_null(im.pixels);
}
END_TEST

static const char *json_of(const char *text, double value)
{
    static char out[256];
    FILE *to = fmemopen(out, sizeof out, "w");
    if (text)
        tessi_base_json_text(to, text);
    else
        tessi_base_json_f64(to, value);
    fclose(to);
    return out;
}

START_TEST(json_values)
{
    ck_assert_str_eq(json_of("plain", 0), "\"plain\"");
    ck_assert_str_eq(json_of("a\"b\\c\nd\te\x01", 0), "\"a\\\"b\\\\c\\nd\\te\\u0001\"");
    ck_assert_str_eq(json_of("\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x91\x97", 0), "\"\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x91\x97\"");
    ck_assert_str_eq(json_of("\xFF \xC0\xAF \xED\xA0\x80 \xC3", 0), "\"\\ufffd \\ufffd\\ufffd \\ufffd\\ufffd\\ufffd \\ufffd\"");
    ck_assert_str_eq(json_of(NULL, 0.1), "0.1");
    ck_assert_str_eq(json_of(NULL, 0.1 + 0.2), "0.30000000000000004");
    ck_assert_str_eq(json_of(NULL, (double)NAN), "null");
    ck_assert_str_eq(json_of(NULL, (double)-INFINITY), "null");
}
END_TEST

START_TEST(log_lines)
{
    char path[] = "/tmp/tessera-log-XXXXXX", line[1024], shown[1024] = "";
    close(mkstemp(path));
    FILE *terminal = tmpfile();
    struct tessi_log *l;
    OK(tessi_base_log_new(ctx, terminal, TESSI_NORMAL, 1, &l));
    tessi_base_log_event(l, "lost", "i:step", (int64_t)1, NULL); /* no file yet */
    OK(tessi_base_log_to(ctx, l, path));
    tessi_base_log_event(l, "step", "s:stage", "to\"k\n", "i:step", INT64_MIN, "f:loss", 0.25, "f:bad", (double)NAN,
                    "s:none", (char *)NULL, NULL);
    tessi_base_log_note(l, "hello %d", 1);
    tessi_base_progress_start(l, "tokenizer");
    tessi_base_progress(l, 3, 10, "step", "loss", 0.5);
    tessi_base_log_warn(l, "careful");
    tessi_base_progress_end(l);
    tessi_base_log_free(l);

    FILE *file = fopen(path, "r");
    static const char *const want[] = {
        "\"event\":\"step\",\"stage\":\"to\\\"k\\n\",\"step\":-9223372036854775808,\"loss\":0.25,\"bad\":null,\"none\":null}\n",
        "\"event\":\"note\",\"text\":\"hello 1\"}\n", "\"event\":\"warning\",\"text\":\"careful\",\"stage\":\"tokenizer\"}\n"};
    for (int i = 0; i < 3; i++) {
        int year, ms;
        char z, run[16];
        ck_assert_ptr_nonnull(fgets(line, sizeof line, file));
        ck_assert_int_eq(sscanf(line, "{\"time\":\"%4d-%*2d-%*2dT%*2d:%*2d:%*2d.%3d%c\",\"run\":\"%12[0-9a-f]", &year, &ms, &z, run), 4);
        ck_assert_uint_eq(strlen(run), 12);
        ck_assert_int_eq(z, 'Z');
        ck_assert_str_eq(strchr(strchr(line, ',') + 1, ',') + 1, want[i]);
    }
    ck_assert_ptr_null(fgets(line, sizeof line, file));
    fclose(file);
    unlink(path);

    rewind(terminal);
    size_t n = fread(shown, 1, sizeof shown - 1, terminal);
    shown[n] = '\0';
    fclose(terminal);
    ck_assert_msg(strncmp(shown, "hello 1\nwarning: careful\ntokenizer  3/10 step  in 0 s  loss 0.5\n", n) == 0, "%s", shown);

    OK(tessi_base_log_new(ctx, NULL, TESSI_QUIET, 0, &l));
    tessi_base_progress_start(l, "quiet");
    tessi_base_progress(l, 1, 2, "step", NULL, 0);
    ck_assert_int_eq(tessi_base_log_to(ctx, l, "/nowhere/at/all"), TESS_E_CREATE);
    tessi_base_log_free(l);
    tessi_base_log_free(NULL);
}
END_TEST

/* The numbers of `whole`, each between two characters that are no part of a number, must hold all numbers of `line`. */
static void expect_whole_numbers(const char *line, const char *whole)
{
    for (const char *at = line; *at;) {
        char number[64], around[72];
        size_t n = strspn(at, "0123456789.:/-e");
        if (*at < '0' || *at > '9' || n >= sizeof number) {
            at++;
            continue;
        }
        snprintf(number, sizeof number, "%.*s", (int)n, at);
        snprintf(around, sizeof around, " %s", number);
        const char *found = strstr(whole, around);
        ck_assert_msg(found && !strchr("0123456789.:", found[strlen(around)] ? found[strlen(around)] : ' '), "`%s` of `%s`", number, line);
        at += n;
    }
}

START_TEST(progress_lines)
{
    struct tessi_progress_line p = {.label = "tok\303\266nizer",
                                    .unit = "step",
                                    .metric = "loss",
                                    .done = 12345,
                                    .total = 300000,
                                    .value = 0.0625,
                                    .rate = 17.25,
                                    .took = -1};
    char text[256], whole[256];
    tessi_base_progress_text(&p, 255, whole, sizeof whole);
    ck_assert_str_eq(whole, "tok\303\266nizer  12345/300000 step  17.2/s  ETA 4:37:56 h  loss 0.0625");
    for (int64_t columns = 0; columns < 100; columns++) {
        tessi_base_progress_text(&p, columns, text, sizeof text);
        ck_assert_msg((int64_t)strlen(text) <= columns, "%d `%s`", (int)columns, text);
        snprintf(whole, sizeof whole, " 12345/300000 17.2/s 4:37:56 0.0625 ");
        expect_whole_numbers(text, whole);
        ck_assert(text[0] == '\0' || (text[strlen(text) - 1] & 0xc0) != 0xc0);
    }
    tessi_base_progress_text(&p, 40, text, sizeof text);
    ck_assert_str_eq(text, "tok\303\266nizer  12345/300000  ETA 4:37:56 h");
    tessi_base_progress_text(&p, 14, text, sizeof text);
    ck_assert_str_eq(text, "12345/300000");
    p.rate = 0;
    p.left = 75; /* predicted by the caller */
    tessi_base_progress_text(&p, 255, text, sizeof text);
    ck_assert_msg(strstr(text, "  ETA 1:15 min") && !strstr(text, "/s"), "%s", text);
    p = (struct tessi_progress_line){.label = "one", .unit = "image", .metric = "", .done = 1, .total = 1, .rate = 0.02, .took = 50};
    tessi_base_progress_text(&p, 80, text, sizeof text);
    ck_assert_str_eq(text, "one  1/1 image  50 s/image  in 50 s");
    p = (struct tessi_progress_line){.label = "x", .unit = "step", .metric = "", .done = 7, .took = -1};
    tessi_base_progress_text(&p, 80, text, sizeof text);
    ck_assert_str_eq(text, "x  7 step");
    p = (struct tessi_progress_line){
        .label = "sweep", .unit = "stage", .metric = "", .done = 2, .total = 41, .left = 75, .took = -1, .parts = "prior 45 s, codes 2 s"};
    tessi_base_progress_text(&p, 80, text, sizeof text);
    ck_assert_str_eq(text, "sweep  2/41 stage  ETA 1:15 min  prior 45 s, codes 2 s");
    tessi_base_progress_text(&p, 50, text, sizeof text);
    ck_assert_str_eq(text, "sweep  2/41 stage  ETA 1:15 min");
}
END_TEST

START_TEST(durations)
{
    static const struct {
        double seconds;
        const char *text;
    } all[] = {{0, "0 s"},        {-1, "0 s"},           {59.4, "59 s"},      {59.6, "1:00 min"},
               {125, "2:05 min"}, {3599.7, "1:00:00 h"}, {3723, "1:02:03 h"}, {1e300, "99:59:59 h"}};
    char text[40];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        tessi_base_duration_text(all[i].seconds, text, sizeof text);
        ck_assert_str_eq(text, all[i].text);
    }
}
END_TEST

START_TEST(signals)
{
    (void)signal(SIGHUP, SIG_IGN); /* SIGHUP ignored, as nohup does */
    tessi_base_signals_catch();
    raise(SIGHUP);
    ck_assert(!tessi_base_signals_stopping());
    ck_assert(!tessi_base_signals_checkpoint());
    raise(SIGUSR1);
    ck_assert_int_eq(tessi_base_signals_checkpoint(), 1);
    ck_assert_int_eq(tessi_base_signals_checkpoint(), 0);
    raise(SIGTERM);
    ck_assert(tessi_base_signals_stopping());
    raise(SIGTERM); /* asked again, politely */
    pid_t child = fork();
    if (child == 0) {
        raise(SIGINT);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
}
END_TEST

/* Starts a process that waits for ever and alone keeps `hold` open. */
static pid_t waiting_process(const int hold[2])
{
    pid_t pid = fork();
    if (pid == 0) {
        close(hold[0]);
        for (;;)
            (void)pause();
    }
    return pid;
}

/* Ctrl-C twice ends the children that were registered, and no process that was taken off the list. The end of a process closes its end of
 * a pipe, which the other end tells. */
START_TEST(a_second_interrupt_ends_children)
{
    int kept[2], gone[2], status;
    char byte;
    ck_assert(pipe(kept) == 0 && pipe(gone) == 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        pid_t left_alone = waiting_process(gone), registered = waiting_process(kept);
        tessi_base_signals_catch();
        tessi_base_signals_child(left_alone, 1);
        tessi_base_signals_child(registered, 1);
        tessi_base_signals_child(left_alone, 0);
        for (int i = 0; i < 100; i++)
            tessi_base_signals_child(registered, 1); /* more than there is room for */
        (void)!write(gone[1], &left_alone, sizeof left_alone);
        raise(SIGINT);
        raise(SIGINT);
        _exit(0);
    }
    close(kept[1]);
    close(gone[1]);
    waitpid(child, &status, 0);
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
    pid_t left_alone;
    ck_assert_int_eq(read(gone[0], &left_alone, sizeof left_alone), (ssize_t)sizeof left_alone);
    ck_assert_int_eq(fcntl(gone[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert(read(gone[0], &byte, 1) == -1 && errno == EAGAIN); /* still there */
    ck_assert_int_eq(kill(left_alone, SIGKILL), 0);
    ck_assert_int_eq(read(kept[0], &byte, 1), 0); /* the end: this one is gone */
    close(kept[0]);
    close(gone[0]);
}
END_TEST

enum { PASSED_LINE = __LINE__ + 3 };
static int passed_on(int status)
{
    TESS_TRY(status);
    return TESS_OK;
}

/* Status traces, by TESS_TRY in debug builds and by tess_passed in all: printed on request only, and errno is kept. */
START_TEST(traces)
{
    char *said = NULL;
    size_t length = 0;
    FILE *own = stderr, *f = open_memstream(&said, &length);
    ck_assert_ptr_nonnull(f);
    stderr = f;
    unsetenv("TESSERA_TRACE");
    tess_passed(TESS_E_IO, "a.c", 1);
    setenv("TESSERA_TRACE", "1", 1);
    errno = ENOSPC;
    tess_passed(TESS_E_IO, "b.c", 22);
    int kept = errno, status = passed_on(TESS_OK) | passed_on(TESS_E_DATA);
    fclose(f);
    stderr = own;
    ck_assert_int_eq(kept, ENOSPC);
    ck_assert_int_eq(status, TESS_E_DATA);
    char want[128] = "b.c:22: status -7\n";
#ifdef TESS_DEBUG
    snprintf(want + strlen(want), sizeof want - strlen(want), "%s:%d: status -4\n", __FILE__, PASSED_LINE);
#endif
    ck_assert_str_eq(said, want);
    free(said);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("base");
    TCase *t = tcase_create("base");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    const TTest *const tests[] = {philox_known_answers,
                                  purpose_is_fnv1a,
                                  random_in_pieces,
                                  random_moments,
                                  random_below_is_uniform,
                                  permute_is_a_bijection,
                                  permutations_are_uniform,
                                  digest_of_texts_and_files,
                                  paths_and_folders,
                                  messages,
                                  long_messages_are_cut,
                                  names_become_texts,
                                  exit_codes,
                                  nearest_names,
                                  attrs,
                                  attrs_without_memory,
                                  memory,
                                  lists_grow,
                                  workers_run_each_once,
                                  tensors,
                                  images,
                                  json_values,
                                  log_lines,
                                  progress_lines,
                                  durations,
                                  signals,
                                  a_second_interrupt_ends_children,
                                  traces};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(t, tests[i]);
    tcase_add_test(t, misuse_is_a_failure);
    tcase_add_test(t, xxh64_known_answers);
    tcase_add_test(t, sha256_of_any_length_and_place);
    tcase_add_test(t, digests_on_another_thread);
    tcase_add_loop_test(t, sha256_known_answers, 0, 2); /* in C, and by the processor's instructions */
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
