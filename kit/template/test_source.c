/* The source on a test host: what it gives for a file that this test writes. SPDX-License-Identifier: MIT */
#include <tessera/kind/source.h>
#include <tessera/test.h>

#include <stdio.h>
#include <string.h>

static int check(struct tess_test_host *h, int status, const char *what)
{
    printf("%-40s %s\n", what, status == TESS_OK ? "ok" : tess_test_message(h));
    return status != TESS_OK;
}

/* Three images of 2 x 3 pixels: 0 .. 5, 6 .. 11, 12 .. 17. */
static void write_images(const char *path)
{
    FILE *f = fopen(path, "wb");
    for (int i = 0; f && i < 18; i++)
        fputc(i, f);
    if (f)
        (void)fclose(f);
}

static int second_image(struct tess_context *ctx, struct tess_instance *i)
{
    static const uint8_t wanted[6] = {6, 7, 8, 9, 10, 11};
    const struct tess_source_1 *source = (const struct tess_source_1 *)tess_instance_ops(i, "source/1");
    struct tess_image image;
    memset(&image, 0, sizeof image);
    image.size = sizeof image;
    int status = source->read(tess_instance_self(i), ctx, 1, &image);
    if (status == TESS_OK && (source->count(tess_instance_self(i)) != 3 || memcmp(image.pixels, wanted, 6) != 0))
        status = ctx->fail(ctx, TESS_E_FAILED, "wanted three images, the second 6 .. 11, found others");
    tess_image_free(&image);
    return status;
}

int main(int argc, char **argv)
{
    struct tess_test_host *h = NULL;
    struct tess_instance *i = NULL;
    int wrong = check(h, tess_test_host_open(NULL, &h), "a host");
    wrong = wrong || check(h, tess_test_add_file(h, argc > 1 ? argv[1] : "./template-name.so"), "the plugin is accepted");
    if (!wrong) {
        struct tess_context *ctx = tess_test_context(h);
        write_images("test.raw");
        wrong += check(h, tess_instance_open(ctx, "source/1", "{use: template-name, path: test.raw, height: 2, width: 3}", "test", &i),
                       "opened");
        wrong += i && check(h, second_image(ctx, i), "the second of three images");
        tess_instance_close(i);
        tess_forget(ctx);
        int refused = tess_instance_open(ctx, "source/1", "{use: template-name, path: test.raw, height: 5, width: 3}", "test", &i);
        printf("%-40s %s\n", "images of another size are refused", refused == TESS_E_DATA ? "ok" : "not");
        wrong += refused != TESS_E_DATA;
        (void)remove("test.raw");
    }
    int leaked = tess_test_host_close(h) != 0;
    printf("%-40s %s\n", "nothing is leaked", leaked ? "not" : "ok");
    return wrong + leaked > 0;
}
