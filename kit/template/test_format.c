/* The format on a test host: what is written is read back, and a damaged file is refused. SPDX-License-Identifier: MIT */
#include <tessera/exchange.h>
#include <tessera/plugin.h>
#include <tessera/test.h>

#include <stdio.h>
#include <string.h>

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

static int holds(int condition, const char *what)
{
    printf("%-40s %s\n", what, condition ? "ok" : "not");
    return !condition;
}

static const float all[5] = {1, 2, 3, 4, 0.5f};

static int values(void *user, struct tess_context *ctx, int64_t i, const float **out)
{
    (void)user;
    (void)ctx;
    *out = i ? all + 4 : all;
    return TESS_OK;
}

static int put(void *user, struct tess_context *ctx, const void *bytes, size_t count)
{
    return fwrite(bytes, 1, count, (FILE *)user) == count ? TESS_OK : ctx->fail(ctx, TESS_E_IO, "the test's file cannot be written");
}

/* A matrix of 2 x 2 and one number. */
static int write_file(struct tess_context *ctx, struct tess_instance *i)
{
    const struct tess_format_1 *format = (const struct tess_format_1 *)tess_instance_ops(i, "format/1");
    struct tess_entry entry[2];
    struct tess_format_file file;
    memset(entry, 0, sizeof entry);
    memset(&file, 0, sizeof file);
    entry[0].name = "a.weight";
    entry[1].name = "b";
    entry[0].dtype = entry[1].dtype = "f32";
    entry[0].is_real = entry[1].is_real = 1;
    entry[0].rank = 2;
    entry[0].dim[0] = entry[0].dim[1] = 2;
    file.size = sizeof file;
    file.entries = 2;
    file.entry = entry;
    file.values = values;
    file.put = put;
    file.user = fopen("test.template-name", "wb");
    if (!file.user)
        return ctx->fail(ctx, TESS_E_IO, "the test's file cannot be written");
    int status = format->write(tess_instance_self(i), ctx, &file);
    (void)fclose((FILE *)file.user);
    return status;
}

static int read_file(struct tess_context *ctx, struct tess_instance *i)
{
    const struct tess_format_1 *format = (const struct tess_format_1 *)tess_instance_ops(i, "format/1");
    float found[4];
    TESS_TRY(format->open_file(tess_instance_self(i), ctx, "test.template-name"));
    if (format->count(tess_instance_self(i)) != 2 || strcmp(format->entry(tess_instance_self(i), 0)->name, "a.weight") != 0)
        return ctx->fail(ctx, TESS_E_FAILED, "wanted two tensors, the first `a.weight`, found others");
    TESS_TRY(format->read(tess_instance_self(i), ctx, 0, found));
    return memcmp(found, all, sizeof found) == 0 ? TESS_OK : ctx->fail(ctx, TESS_E_FAILED, "wanted 1, 2, 3, 4, found other values");
}

static int damage_file(void)
{
    FILE *f = fopen("test.template-name", "ab");
    return f && fputc(0, f) == 0 && fclose(f) == 0;
}

static int test_with_new(struct tess_test_host *h, int (*step)(struct tess_context *ctx, struct tess_instance *i), int *status)
{
    struct tess_instance *i = NULL;
    tess_forget(tess_test_context(h));
    *status = tess_instance_open(tess_test_context(h), "format/1", "{use: template-name}", "test", &i);
    if (*status == TESS_OK)
        *status = step(tess_test_context(h), i);
    tess_instance_close(i);
    return *status;
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    int status = 0;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    wrong = wrong || check(h, test_with_new(h, write_file, &status), "written");
    wrong = wrong || check(h, test_with_new(h, read_file, &status), "and read back");
    wrong = wrong || holds(damage_file() && test_with_new(h, read_file, &status) == TESS_E_DATA, "a byte too many is refused");
    (void)remove("test.template-name");
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
