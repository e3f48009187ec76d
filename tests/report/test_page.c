/* The page of a report: well-formed whatever the names are, the same bytes for the same results, nothing loaded, small for many variants.
 * tests/report/test_browser opens one in Chromium. SPDX-License-Identifier: MIT */
#include "core/report/page.h"
#include "tests/support/store_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <ctype.h>
#include <math.h>
#include <string.h>
#include <tessera/levels.h>

enum { RUNS = 100, STAGES = 3, TILES = 32, SIDE = 28, POINTS = 256 };

/* ---- made results ---- */

static struct {
    struct tessi_report_set set;
    struct tessi_report_sweep sweep;
    struct tessi_report_axis axis[2];
    int64_t baseline[2];
    const char *axis_value[2][RUNS];
    struct tessi_report_run run[RUNS];
    struct tessi_report_stage stage[RUNS][STAGES];
    struct tessi_report_input input[RUNS][STAGES];
    struct tessi_report_metric metric[RUNS][4];
    struct tessi_report_setting setting[RUNS][3];
    struct tessi_report_attempt attempt[RUNS][STAGES];
    const char *value[RUNS][2], *picture[1], *picture_path[1];
    char text[RUNS][2][40], name[RUNS][100], path[RUNS][STAGES][600], digest[RUNS][STAGES][TESS_DIGEST_TEXT];
} made;

static const char *const stage_names[STAGES] = {"tokenizer", "codes", "metrics"};
static const char *const kinds[STAGES] = {"autoencoder", "codes", "metrics"};

static void put_curve(struct tess_artefact *a, int i)
{
    static float point[POINTS][5];
    struct tess_tensor t = tess_tensor_over(point, TESS_F32, 2, (int64_t[]){POINTS, 5});
    for (int k = 0; k < POINTS; k++) {
        point[k][0] = (float)(4 * (k + 1));
        point[k][1] = (float)(0.02 + 1.0 / (k + 1 + i) + 0.002 * (store_number((uint64_t)(k + 1000 * i)) % 100) / 100.0);
        point[k][2] = (float)(200 - k / (i + 2));
        point[k][3] = (float)(150 - k / (i + 2));
        point[k][4] = (float)(4.0 - 1e-4 * i - 2e-3 * k + 0.01 * (store_number((uint64_t)k) % 100) / 100.0);
    }
    store_ok(tess_artefact_put(C, a, "curve", &t, NULL));
    store_ok(tess_artefact_put_strings(C, a, "curve_names", 5,
                                       (const char *const[]){"step", "loss", "codes used in a step", "perplexity in a step", "bound"}));
}

static void put_codes(struct tess_artefact *a, int i)
{
    static uint16_t code[500 * 49];
    struct tess_tensor t = tess_tensor_over(code, TESS_U16, 3, (int64_t[]){500, 7, 7});
    for (int k = 0; k < 500 * 49; k++)
        code[k] = (uint16_t)(store_number((uint64_t)k) % (uint32_t)(64 + 10 * (i % 10)));
    store_ok(tess_artefact_put(C, a, "codes", &t, NULL));
    store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), "codebook_size", 256));
}

/* The bound in ten parts of the times; the last has no error. */
static void put_bound(struct tess_artefact *a)
{
    int32_t first[10];
    float bits[10], error[10];
    for (int k = 0; k < 10; k++) {
        first[k] = 1 + 5 * k;
        bits[k] = 3.0F + 0.1F * (float)k;
        error[k] = k < 9 ? 0.05F : -1.0F;
    }
    struct tess_tensor t = tess_tensor_over(first, TESS_I32, 1, (int64_t[]){10});
    store_ok(tess_artefact_put(C, a, "bound/first_time", &t, NULL));
    t = tess_tensor_over(bits, TESS_F32, 1, (int64_t[]){10});
    store_ok(tess_artefact_put(C, a, "bound/bits", &t, NULL));
    t = tess_tensor_over(error, TESS_F32, 1, (int64_t[]){10});
    store_ok(tess_artefact_put(C, a, "bound/standard_error", &t, NULL));
    store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), "times", 49));
}

/* 256 codes decoded alone, 8 x 8 pixels each; the last 50 are never used. The first four runs share a tokenizer. */
static void put_atlas(struct tess_artefact *a, int i)
{
    enum { CODES = 256, TILE = 8 };
    static uint8_t pixel[CODES][TILE][TILE];
    int32_t code[CODES], uses[CODES];
    struct tess_tensor images = tess_tensor_over(pixel, TESS_U8, 4, (int64_t[]){CODES, TILE, TILE, 1}), sheet;
    for (int k = 0; k < CODES; k++) {
        code[k] = (k * 37 + i / 4) % CODES;
        uses[k] = k < CODES - 50 ? 1000 - 4 * k : 0;
        for (int at = 0; at < TILE * TILE; at++)
            pixel[k][at / TILE][at % TILE] = (uint8_t)(store_number((uint64_t)(k * 64 + at)) % 40 + (uint32_t)k % 200);
    }
    store_ok(tess_contact_sheet(C, &images, 16, 2, 2, &sheet));
    store_ok(tess_artefact_put_tiles(
        C, a, "codebook", &sheet,
        &(struct tess_tiles){
            .size = sizeof(struct tess_tiles), .zoom = 2, .gap = 2, .count = CODES, .across = 16, .height = TILE, .width = TILE}));
    tess_free(sheet.data);
    struct tess_tensor t = tess_tensor_over(code, TESS_I32, 1, (int64_t[]){CODES});
    store_ok(tess_artefact_put(C, a, "atlas/code", &t, NULL));
    t = tess_tensor_over(uses, TESS_I32, 1, (int64_t[]){CODES});
    store_ok(tess_artefact_put(C, a, "atlas/uses", &t, NULL));
}

/* Smooth images with noise, as reconstructions are: half are originals, the same in all. */
static void put_pictures(struct tess_artefact *a, int i)
{
    static uint8_t pixel[TILES][SIDE][SIDE];
    struct tess_tensor images = tess_tensor_over(pixel, TESS_U8, 4, (int64_t[]){TILES, SIDE, SIDE, 1}), sheet;
    for (int k = 0; k < TILES; k++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                int blob = 255 - (x - 14) * (x - 14) * (1 + k % 4) - (y - 14) * (y - 14) * 2;
                uint32_t noise = store_number((uint64_t)((k * SIDE + y) * SIDE + x + (k < 16 ? 0 : 7919 * i))) % 12;
                pixel[k][y][x] = (uint8_t)(blob > 0 ? (uint32_t)blob * 240 / 255 + noise : noise);
            }
    store_ok(tess_contact_sheet(C, &images, 16, 2, 2, &sheet));
    store_ok(tess_artefact_put_tiles(C, a, "reconstructions", &sheet,
                                     &(struct tess_tiles){.size = sizeof(struct tess_tiles),
                                                          .zoom = 2,
                                                          .gap = 2,
                                                          .count = TILES,
                                                          .across = 16,
                                                          .height = SIDE,
                                                          .width = SIDE,
                                                          .rows = "original|reconstruction"}));
    tess_free(sheet.data);
    put_bound(a);
    put_atlas(a, i);
}

/* A result of the run; many have codes in common, and the second seed has the pictures of the first. */
static void make_stage(int i, int k)
{
    static void (*const put[STAGES])(struct tess_artefact * a, int i) = {put_curve, put_codes, put_pictures};
    char file[32];
    (void)snprintf(file, sizeof file, "%d-%d.h5", i, k);
    int first = k == 0 ? i : k == 1 ? i % 8 : i - i % 2;
    if (first == i) {
        struct tess_artefact *a = store_create(file, kinds[k]);
        put[k](a, i);
        store_finish(a, made.digest[i][k]);
        (void)snprintf(made.path[i][k], sizeof made.path[i][k], "%s", store_path(file));
    } else {
        memcpy(made.digest[i][k], made.digest[first][k], TESS_DIGEST_TEXT);
        memcpy(made.path[i][k], made.path[first][k], sizeof made.path[i][k]);
    }
    made.input[i][k] = (struct tessi_report_input){"model", k ? stage_names[k - 1] : "file.h5", "0123456789abcdef"};
    made.stage[i][k] = (struct tessi_report_stage){.name = stage_names[k],
                                                   .use = "component",
                                                   .state = TESSI_REPORT_COMPUTED,
                                                   .path = made.path[i][k],
                                                   .kind = kinds[k],
                                                   .key = "00",
                                                   .digest = made.digest[i][k],
                                                   .parameters = "{use: component, steps: 1024}",
                                                   .plugin = "stage/1 component, tessera-component 0.1.0",
                                                   .numeric_mode = "f32",
                                                   .tool = "tessera 0.1.0",
                                                   .seed = "1",
                                                   .files = "",
                                                   .warning = "",
                                                   .seconds = 12.5 + i,
                                                   .flop = -1,
                                                   .planned_seconds = k ? 11.5 + i : -1,
                                                   .cached_seconds = -1,
                                                   .planned_bytes = 1e8,
                                                   .peak_bytes = 9e7,
                                                   .inputs = 1,
                                                   .input = &made.input[i][k],
                                                   .pictures = k == 2,
                                                   .picture = made.picture,
                                                   .picture_path = made.picture_path};
    made.attempt[i][k] = (struct tessi_report_attempt){stage_names[k], "0123", k + 1, 0, 1e9 + 10 * i + k, 1e9 + 10 * i + k + 1, ""};
}

/* n runs of a sweep over `axis` and seed; texts of strangers stand wherever one can. */
static void make_runs(int n, const char *axis, const char *value)
{
    memset(&made, 0, sizeof made);
    for (int i = 0; i < n; i++) {
        (void)snprintf(made.text[i][0], sizeof made.text[i][0], "%s%d", value, i / 2 + 1);
        (void)snprintf(made.text[i][1], sizeof made.text[i][1], "%d", i % 2 + 1);
        (void)snprintf(made.name[i], sizeof made.name[i], "%s=%s%d,seed=%d", axis, value, i / 2 + 1, i % 2 + 1);
        made.value[i][0] = made.axis_value[0][i / 2] = made.text[i][0];
        made.value[i][1] = made.axis_value[1][i % 2] = made.text[i][1];
        made.setting[i][0] = (struct tessi_report_setting){axis, made.text[i][0]};
        made.setting[i][1] = (struct tessi_report_setting){"seed", made.text[i][1]};
        for (int k = 0; k < 4; k++)
            made.metric[i][k] = (struct tessi_report_metric){"metrics",
                                                             (const char *[]){"PSNR", "SSIM", "FD", "bound"}[k],
                                                             k ? "" : "dB",
                                                             k < 2 ? TESS_METRIC_HIGHER : TESS_METRIC_LOWER,
                                                             20.0 + k + 0.1 * (i / 2) + 0.01 * (i % 2),
                                                             -1,
                                                             1,
                                                             0,
                                                             "component 0.1.0\n{limit: 0}",
                                                             "images 0123456789abcdef"};
        for (int k = 0; k < STAGES; k++)
            make_stage(i, k);
        made.run[i] = (struct tessi_report_run){.name = made.name[i],
                                                .folder = value,
                                                .variant = i,
                                                .seed = made.text[i][1],
                                                .values = 2,
                                                .value = made.value[i],
                                                .sets = 2,
                                                .set = made.value[i],
                                                .settings = 2,
                                                .setting = made.setting[i],
                                                .stages = STAGES,
                                                .stage = made.stage[i],
                                                .metrics = 4,
                                                .metric = made.metric[i],
                                                .outcome = TESSI_REPORT_FINISHED,
                                                .failed_stage = "",
                                                .reason = "",
                                                .seconds = 40,
                                                .pipeline = "p.yaml",
                                                .started = "2026-01-02T03:04:05.678Z",
                                                .threads = 2,
                                                .processor = "",
                                                .attempts = STAGES,
                                                .attempt = made.attempt[i]};
    }
    made.picture[0] = "reconstructions";
    made.picture_path[0] = "none/metrics.reconstructions.png";
    made.axis[0] = (struct tessi_report_axis){axis, (n + 1) / 2, made.axis_value[0]};
    made.axis[1] = (struct tessi_report_axis){"seed", 2, made.axis_value[1]};
    made.baseline[1] = -1;
    made.sweep = (struct tessi_report_sweep){
        .name = value, .folder = "runs/x", .pipeline = "p.yaml", .axes = 2, .axis = made.axis, .seed_axis = 1, .baseline = made.baseline};
    made.set = (struct tessi_report_set){.sweeps = 1, .sweep = &made.sweep, .runs = n, .run = made.run};
}

/* The page as text, freed by the caller. */
static char *page_of(const struct tessi_report_page_options *o)
{
    char *text = NULL;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    ck_assert_ptr_nonnull(to);
    store_ok(tessi_report_page(C, &made.set, o, to));
    ck_assert_int_eq(fclose(to), 0);
    tessi_report_free(&(struct tessi_report_set){.memory = made.set.memory});
    made.set.memory = NULL;
    return text;
}

/* Keeps the page for tests/report/test_browser, where it asks for that. */
static void keep(const char *name, const char *text)
{
    const char *folder = getenv("TESSERA_PAGES");
    char path[600];
    if (!folder)
        return;
    (void)snprintf(path, sizeof path, "%s/%s.html", folder, name);
    FILE *to = fopen(path, "we");
    ck_assert_msg(to && fputs(text, to) >= 0 && fclose(to) == 0, "%s", path);
}

/* ---- well-formed ---- */

/* Length of an entity at `text`, "&lt;"; fails the test for any other &. */
static void check_entity(const char *text)
{
    static const char *const known[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    int ok = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        ok |= strncmp(text, known[i], strlen(known[i])) == 0;
    ck_assert_msg(ok, "an & that is no entity: %.60s", text);
}

/* Checks the attributes of a tag, each quoted, none twice and none that runs a script; gives the text behind the tag. */
static const char *check_attributes(const char *at, int *closed)
{
    char seen[16][40];
    int n = 0;
    *closed = 0;
    for (;;) {
        at += strspn(at, " \n");
        if (*at == '>' || strncmp(at, "/>", 2) == 0) {
            *closed = *at == '/';
            return at + 1 + *closed;
        }
        size_t length = strcspn(at, "= >/\n");
        ck_assert_msg(length > 0 && length < 40 && n < 16, "no attribute: %.60s", at);
        (void)snprintf(seen[n], sizeof seen[n], "%.*s", (int)length, at);
        for (int i = 0; i < n; i++)
            ck_assert_str_ne(seen[i], seen[n]);
        ck_assert_msg(strncmp(seen[n], "on", 2) != 0, "a script in an attribute: %.60s", at);
        n++;
        at += length;
        if (*at != '=')
            continue;
        ck_assert_msg(at[1] == '"', "an attribute without quotes: %.60s", at);
        for (at += 2; *at != '"'; at++) {
            ck_assert_msg(*at && *at != '<', "a value that does not end: %.60s", at);
            if (*at == '&')
                check_entity(at);
        }
        at++;
    }
}

/* Every tag is closed by its own, in order; text has no < or & of its own. */
static void check_markup(const char *text)
{
    static const char *const empty[] = {"meta", "link", "img", "br"};
    static char stack[64][24];
    int depth = 0, closed;
    ck_assert_int_eq(strncmp(text, "<!DOCTYPE html>", 15), 0);
    for (const char *at = text + 15; *at;) {
        if (*at == '&')
            check_entity(at);
        if (*at != '<') {
            ck_assert_msg(*at != '>', "a > of its own: %.60s", at);
            at++;
            continue;
        }
        char name[24];
        int ends = at[1] == '/';
        size_t length = strcspn(at + 1 + ends, " >/\n");
        ck_assert_msg(length > 0 && length < sizeof name && isalpha((unsigned char)at[1 + ends]), "no tag: %.60s", at);
        (void)snprintf(name, sizeof name, "%.*s", (int)length, at + 1 + ends);
        at += 1 + (size_t)ends + length;
        if (ends) {
            ck_assert_msg(depth > 0 && strcmp(stack[depth - 1], name) == 0, "</%s> ends <%s>: %.60s", name, depth ? stack[depth - 1] : "",
                          at);
            depth--;
            at = strchr(at, '>') + 1;
            continue;
        }
        at = check_attributes(at, &closed);
        for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
            closed |= strcmp(name, empty[i]) == 0;
        if (strcmp(name, "script") == 0 || strcmp(name, "style") == 0) {
            char end[32];
            (void)snprintf(end, sizeof end, "</%s>", name);
            at = strstr(at, end);
            ck_assert_ptr_nonnull(at);
            at += strlen(end);
        } else if (!closed) {
            ck_assert_int_lt(depth, 64);
            (void)snprintf(stack[depth++], sizeof stack[0], "%s", name);
        }
    }
    ck_assert_int_eq(depth, 0);
}

static int count_of(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        n++;
    return n;
}

/* Times that a word stands before `end`. */
static int count_until(const char *text, const char *word, const char *end)
{
    const char *stop = strstr(text, end);
    int n = 0;
    ck_assert_msg(stop != NULL, "%s is missing", end);
    for (const char *at = strstr(text, word); at && at < stop; at = strstr(at + 1, word))
        n++;
    return n;
}

/* Ids are there once; each link within the page goes to one. */
static void check_links(const char *text)
{
    for (const char *at = text; (at = strstr(at, " id=\"")); at++) {
        char id[400];
        (void)snprintf(id, sizeof id, "%.*s", (int)strcspn(at + 5, "\"") + 6, at);
        ck_assert_msg(count_of(text, id) == 1, "%s is there %d times", id, count_of(text, id));
    }
    for (const char *at = text; (at = strstr(at, " href=\"#")); at++) {
        char id[400];
        (void)snprintf(id, sizeof id, " id=\"%.*s\"", (int)strcspn(at + 8, "\""), at + 8);
        ck_assert_msg(count_of(text, id) == 1, "a link to%s, which is there %d times", id, count_of(text, id));
    }
}

/* Nothing is loaded: pictures are in the page, links lead into it or to files beside it. */
static void check_self_contained(const char *text)
{
    for (const char *at = text; (at = strstr(at, " src=\"")); at++)
        ck_assert_msg(strncmp(at + 6, "data:image/png;base64,", 22) == 0, "%.80s", at);
    for (const char *at = text; (at = strstr(at, " href=\"")); at++)
        ck_assert_msg(at[7] == '#' || strncmp(at + 7, "./", 2) == 0 || strncmp(at + 7, "../", 3) == 0 || strncmp(at + 7, "data:,", 6) == 0,
                      "%.80s", at);
    ck_assert(!strstr(text, "url(") && !strstr(text, "@import") && !strstr(text, "http:") && !strstr(text, "https:"));
    ck_assert_ptr_nonnull(strstr(text, "default-src 'none'"));
}

static void check_page(const char *text)
{
    check_markup(text);
    check_links(text);
    check_self_contained(text);
    for (const char *at = text; (at = strstr(at, "<img")); at++)
        ck_assert(strstr(at, " alt=\"") && strstr(at, " alt=\"") < strchr(at, '>') && strncmp(strstr(at, " alt=\""), " alt=\"\"", 7) != 0);
}

/* ---- tests ---- */

START_TEST(whole)
{
    make_runs(6, "K", "");
    char *text = page_of(&(struct tessi_report_page_options){.made = "Made now"});
    check_page(text);
    keep("whole", text);
    static const char *const wanted[] = {"id=\"table\"",  "id=\"pictures\"",  "id=\"codes\"",  "id=\"curves\"",   "id=\"against\"",
                                         "id=\"bounds\"", "id=\"protocols\"", "id=\"stages\"", "id=\"times\"",    "id=\"again\"",
                                         "Made now",      "id=\"as-json\"",   "id=\"as-csv\"", "id=\"as-latex\"", "6 of 6 runs finished",
                                         "2 seeds a row"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        ck_assert_msg(strstr(text, wanted[i]) != NULL, "%s is missing", wanted[i]);
    ck_assert_int_eq(count_of(text, "<img"), 1 + 3 + 2); /* the originals once, a strip a row, an atlas a tokenizer */
    ck_assert_ptr_nonnull(strstr(text, "most used: code 0 (1000 times), 37 (996 times)"));
    ck_assert_ptr_nonnull(strstr(text, "; the last 50 are never used"));
    ck_assert_int_eq(count_of(text, "Use over training</h3>"), 1);
    const char *codes = strstr(text, "id=\"codes\""), *curves = strstr(text, "id=\"curves\"");
    ck_assert_int_eq(count_of(curves, "codes used in a step of"), 0); /* with the codebooks, not with the losses */
    ck_assert_int_eq(count_of(codes, "codes used in a step of tokenizer over the steps of training"), 1);
    ck_assert_int_eq(count_of(codes, "perplexity in a step of tokenizer over the steps of training"), 1);
    ck_assert_ptr_nonnull(strstr(text, "<td class=\"n\">1 min 30 s</td><td class=\"n\">1 min 24 s</td>")); /* in, and planned: of codes */
    ck_assert(!strstr(text, "id=\"references\"") && !strstr(text, "calls of the denoiser"));
    const char *bounds = strstr(text, "Bound over the steps of training</title>");
    ck_assert_ptr_nonnull(bounds);
    ck_assert_int_eq(count_of(bounds, "Bound by time of the noise</title>"), 1); /* after it, in the same section */
    ck_assert_int_eq(count_until(bounds, "class=\"error\"", "</svg>"), 3 * 12);  /* three rows of two seeds, in a dozen parts each */
    free(text);
}
END_TEST

START_TEST(one_run)
{
    make_runs(1, "K", "");
    made.set.sweeps = 0;
    made.run[0].sweep = -1;
    made.run[0].values = made.run[0].sets = 0;
    char *text = page_of(&(struct tessi_report_page_options){.made = NULL});
    check_page(text);
    keep("one", text);
    ck_assert(strstr(text, "tessera run p.yaml") && !strstr(text, "baseline</span>"));
    free(text);
}
END_TEST

/* Pictures that are no images side by side are shown whole, shrunk, until they are too many; the others are told. */
START_TEST(pictures_shown_whole)
{
    enum { WHOLE = 512 };
    static uint8_t pixel[2 * WHOLE * 2 * WHOLE];
    static const char *name[] = {"chart"}, *path[] = {"none/tokenizer.chart.png"};
    make_runs(6, "K", "");
    for (int i = 0; i < 6; i++) {
        char file[32];
        for (size_t k = 0; k < sizeof pixel; k++)
            pixel[k] = (uint8_t)store_number(k / 2 % WHOLE + k / (4 * WHOLE) * WHOLE + (size_t)i); /* squares of 2 x 2 */
        struct tess_tensor t = tess_tensor_over(pixel, TESS_U8, 3, (int64_t[]){2 * WHOLE, 2 * WHOLE, 1});
        (void)snprintf(file, sizeof file, "whole-%d.h5", i);
        struct tess_artefact *a = store_create(file, kinds[0]);
        put_curve(a, i);
        store_ok(tess_artefact_put_picture(C, a, "chart", &t));
        store_finish(a, made.digest[i][0]);
        (void)snprintf(made.path[i][0], sizeof made.path[i][0], "%s", store_path(file));
        made.stage[i][0].pictures = 1;
        made.stage[i][0].picture = name;
        made.stage[i][0].picture_path = path;
    }
    char *text = page_of(&(struct tessi_report_page_options){.made = NULL});
    check_page(text);
    const char *sheets = strstr(text, "<h3>Other pictures</h3><div class=\"sheets\">");
    ck_assert_ptr_nonnull(sheets);
    int shown = count_of(sheets, "<figcaption><b>tokenizer</b>: chart, K=");
    ck_assert(shown >= 1 && shown < 6);
    char told[100];
    (void)snprintf(told, sizeof told, "Showing %d of 6 such pictures; the others are linked below.", shown);
    ck_assert_msg(strstr(sheets, told) != NULL, "%s is missing", told);
    free(text);
}
END_TEST

/* Settings beside the axis have columns of their own; what a row has not is a dash, and so is a metric that it was not measured by. */
START_TEST(columns_of_settings)
{
    static const char *const rate[] = {"0.1", "0.25", NULL};
    make_runs(6, "K", "");
    for (int i = 0; i < 6; i++) {
        made.setting[i][2] = (struct tessi_report_setting){"tokenizer.lr", rate[i / 2]};
        made.run[i].settings = rate[i / 2] ? 3 : 2;
        made.run[i].metrics = rate[i / 2] ? 4 : 3;
        made.run[i].sweep = -1;
        made.run[i].values = made.run[i].sets = 0;
    }
    made.set.sweeps = 0;
    char *text = page_of(&(struct tessi_report_page_options){.made = NULL});
    check_page(text);
    ck_assert_int_eq(count_of(text, "<td data-none>\xE2\x80\x93</td>") + count_of(text, "<td class=\"n\" data-none>\xE2\x80\x93</td>"), 1);
    ck_assert_ptr_nonnull(strstr(text, " data-v=\"0.25\">0.25</td>"));
    ck_assert_int_eq(count_of(text, "<td class=\"n\" data-v=\"\"><span class=\"note\">\xE2\x80\x93</span></td>"), 1);
    free(text);
}
END_TEST

/* Codes of two levels, of 16 and of 8 codes: those of the second are never above 3. */
static void put_levels(struct tess_artefact *a)
{
    static uint16_t code[20 * 2 * 2 * 2];
    struct tess_tensor t = tess_tensor_over(code, TESS_U16, 4, (int64_t[]){20, 2, 2, 2});
    for (int k = 0; k < 20 * 2 * 2 * 2; k++)
        code[k] = (uint16_t)(k % 2 ? k / 2 % 4 : k / 2 % 16);
    store_ok(tess_artefact_put(C, a, "codes", &t, NULL));
    store_ok(tess_attrs_set_i64(C, tess_artefact_describe(a), "codebook_size", 16));
    store_ok(tess_levels_set(C, tess_artefact_describe(a), 16, 2, (int64_t[]){16, 8}));
}

/* Each level of codes is a line of the chart and a row of the table, counted by itself. */
START_TEST(codes_of_several_levels)
{
    make_runs(1, "K", "");
    struct tess_artefact *a = store_create("levels.h5", "codes");
    put_levels(a);
    store_finish(a, made.digest[0][1]);
    (void)snprintf(made.path[0][1], sizeof made.path[0][1], "%s", store_path("levels.h5"));
    char *text = page_of(&(struct tessi_report_page_options){.made = NULL});
    check_page(text);
    const char *codes = strstr(text, "id=\"codes\"");
    ck_assert_ptr_nonnull(codes);
    ck_assert_int_eq(count_of(codes, "<span class=\"note\">codes, level "), 2);
    ck_assert_ptr_nonnull(strstr(codes, "codes, level 1 of 2</span></th><td class=\"n\" data-v=\"1\">16 of 16 (100.0 %)</td>"));
    ck_assert_ptr_nonnull(strstr(codes, "codes, level 2 of 2</span></th><td class=\"n\" data-v=\"0.5\">4 of 8 (50.0 %)</td>"));
    ck_assert_int_eq(count_of(codes, ">2.000 of 3.000</td>"), 1); /* four codes equally often */
    free(text);
}
END_TEST

/* A stage that measures before and after it has its two values in one line. */
START_TEST(before_and_after)
{
    make_runs(1, "K", "");
    made.metric[0][0].name = "codes used";
    made.metric[0][1].name = "codes used before";
    made.metric[0][2].name = "bound before"; /* a metric of another stage than its `after` */
    made.metric[0][3].stage = "tokenizer";
    char *text = page_of(&(struct tessi_report_page_options){.made = NULL});
    check_page(text);
    ck_assert_int_eq(count_of(text, "<h3>Before and after</h3>"), 1);
    ck_assert_ptr_nonnull(strstr(text, "</th><td>metrics</td><td>codes used</td><td class=\"n\">21</td><td class=\"n\">20</td></tr>"));
    ck_assert_ptr_null(strstr(text, "<td>metrics</td><td>bound</td>"));
    free(text);
}
END_TEST

/* Values that the pipeline names are listed beside the best, and drawn in grey: at their setting, or over all of an axis. */
START_TEST(references)
{
    struct tessi_report_setting metric[2] = {{"FD", "6.1"}, {"lpips", "0.3"}}, setting = {"K", "2"};
    struct tessi_report_reference reference[2] = {{"A paper", 2, metric, 1, &setting}, {"Another", 1, metric, 0, NULL}};
    make_runs(6, "K", "");
    for (int i = 0; i < 6; i++) {
        made.run[i].references = 2;
        made.run[i].reference = reference;
    }
    char *text = page_of(&(struct tessi_report_page_options){.made = NULL});
    check_page(text);
    keep("references", text);
    const char *list = strstr(text, "id=\"references\""), *charts = strstr(text, "id=\"against\"");
    ck_assert(list && charts);
    ck_assert_int_eq(count_of(list, "A paper <span class=\"note\">K 2</span>"), 2);
    ck_assert_ptr_nonnull(strstr(list, "<td>FD</td><td class=\"n\">6.1</td><td class=\"n\">22.0"));
    ck_assert_ptr_nonnull(strstr(list, "<td>lpips</td><td class=\"n\">0.3</td><td class=\"n note\">not measured"));
    ck_assert_int_eq(count_of(charts, "<g class=\"reference\"><title>A paper</title>"), 1); /* on the chart of FD alone */
    ck_assert_int_eq(count_of(charts, "<g class=\"reference\"><title>Another</title>"), 1);
    free(text);
}
END_TEST

/* Gives each row samples of `steps[row]` at `temperature[row]`, in the place of the codes. */
static void make_samples(const char *const *steps, const char *const *temperature)
{
    static struct tessi_report_setting attribute[3][2];
    for (int i = 0; i < 6; i++) {
        attribute[i / 2][0] = (struct tessi_report_setting){"steps", steps[i / 2]};
        attribute[i / 2][1] = (struct tessi_report_setting){"temperature", temperature[i / 2]};
        made.stage[i][1].kind = "samples";
        made.stage[i][1].attributes = 2;
        made.stage[i][1].attribute = attribute[i / 2];
        made.input[i][2].from = "codes";
    }
}

/* Metrics of samples are lines over the steps and the temperature that they were drawn with, if rows differ in these. */
START_TEST(ways_of_sampling)
{
    struct tessi_report_setting metric[2] = {{"precision", "0.7"}, {"recall", "0.4"}};
    struct tessi_report_reference reference[2] = {{"A paper", 2, metric, 0, NULL}, {"Half a paper", 1, metric, 0, NULL}};
    make_runs(6, "way", "w");
    for (int i = 0; i < 6; i++) {
        made.metric[i][0].name = "precision";
        made.metric[i][1].name = "recall";
        made.run[i].references = 2;
        made.run[i].reference = reference;
    }
    make_samples((const char *[]){"49", "25", "49"}, (const char *[]){"1", "1", "0.9"});
    char *text = page_of(&(struct tessi_report_page_options){.made = NULL});
    check_page(text);
    keep("sampling", text);
    const char *steps = strstr(text, "Samples against the steps of sampling</h3>");
    const char *temperature = strstr(text, "Samples against the temperature of sampling</h3>");
    ck_assert(steps && temperature && steps < temperature);
    ck_assert_ptr_nonnull(strstr(steps, "precision</b> against steps of sampling; higher is better"));
    ck_assert_ptr_nonnull(strstr(steps, "steps of sampling, calls of the denoiser at most</text>"));
    ck_assert_ptr_nonnull(strstr(temperature, "recall</b> against temperature of sampling; higher is better"));
    /* 49 and 25 steps at temperature 1 are a line of two points, each with its interval; 49 at 0.9 is a point of its own. */
    const char *chart = strstr(steps, "<title>temperature=1</title>");
    ck_assert(chart && chart < temperature);
    ck_assert_int_eq(count_until(chart, "class=\"error\"", "</g>"), 2);
    ck_assert_ptr_nonnull(strstr(steps, "<title>way=w3, temperature=0.9</title>"));
    /* Precision over recall: a grey line for each way of sampling. */
    const char *pairs = strstr(temperature, "Pairs of metrics</h3>");
    ck_assert_ptr_nonnull(pairs);
    ck_assert_int_eq(count_until(pairs, "<g class=\"crowd\"><title>", "</svg>"), 2);
    /* A reference is a marker where it has both values. */
    ck_assert_int_eq(count_until(pairs, "<title>A paper</title>", "</svg>"), 1);
    ck_assert_int_eq(count_until(pairs, "<title>Half a paper</title>", "</svg>"), 0);
    free(text);
}
END_TEST

/* A metric that is not of the samples has no charts over their steps; steps that are a setting are drawn once. */
START_TEST(ways_of_sampling_that_say_nothing)
{
    make_runs(6, "way", "w");
    for (int i = 0; i < 6; i++)
        made.metric[i][3].value = 20.0 + 0.01 * (i % 2);
    make_samples((const char *[]){"49", "25", "10"}, (const char *[]){"1", "1", "1"});
    char *text = page_of(&(struct tessi_report_page_options){.made = NULL});
    ck_assert(strstr(text, "FD</b> against steps of sampling") && !strstr(text, "bound</b> against steps of sampling"));
    ck_assert_ptr_null(strstr(text, "temperature of sampling"));
    free(text);
    make_runs(6, "samples.steps", "");
    make_samples((const char *[]){"1", "2", "3"}, (const char *[]){"1", "1", "1"});
    text = page_of(&(struct tessi_report_page_options){.made = NULL});
    ck_assert(strstr(text, "FD</b> against samples.steps") && !strstr(text, "Samples against the steps of sampling"));
    free(text);
}
END_TEST

static double tenth_of_a_teraflop(int64_t threads, int bf16)
{
    return bf16 ? 0 : 5e10 * (double)threads;
}

/* The share of the peak is work over time without waits; runs on another processor have none. A wait is a line on the timeline. */
START_TEST(shares_and_waits)
{
    make_runs(1, "K", "");
    made.set.sweeps = 0;
    made.run[0].sweep = -1;
    made.run[0].processor = "a processor";
    made.stage[0][0].flop = 2.5e11; /* 12.5 s at 10^11 a second could have been 1.25e12 */
    made.stage[0][1].flop = 2.5e11;
    made.stage[0][1].waited_seconds = 10;
    made.attempt[0][2].how = TESSI_REPORT_WAITED;
    made.attempt[0][2].stage = "codes";
    made.attempt[0][2].text = "another run";
    struct tessi_report_page_options o = {.peak = tenth_of_a_teraflop, .processor = "a processor"};
    char *text = page_of(&o);
    check_page(text);
    const char *times = strstr(text, "id=\"times\"");
    ck_assert_ptr_nonnull(times);
    ck_assert_int_eq(count_of(times, ", 20 % of peak</text>"), 1);
    ck_assert_int_eq(count_of(times, "<td class=\"n\">20 %</td>"), 1);
    ck_assert_int_eq(count_of(times, "<td class=\"n\">100 %</td>"), 1);
    ck_assert_ptr_nonnull(strstr(times, "a processor, 2 threads) was measured to do when the page was made: 100 GFLOP/s"));
    ck_assert_ptr_nonnull(strstr(times, "<g class=\"bar waited\"><title>codes: waited for another run, 1.0 s</title>"));
    free(text);
    o.processor = "another";
    text = page_of(&o);
    ck_assert_ptr_null(strstr(text, "of peak"));
    free(text);
}
END_TEST

START_TEST(nothing)
{
    char *text = NULL;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    memset(&made, 0, sizeof made);
    store_fails(tessi_report_page(C, &made.set, &(struct tessi_report_page_options){.made = NULL}, to), TESS_E_USAGE, "no run", NULL);
    ck_assert_int_eq(fclose(to), 0);
    tessi_report_free(&made.set);
    free(text);
}
END_TEST

/* A script, quotes, the end of an element, a line's end, a mark that turns text around, bytes that are no UTF-8. */
#define HOSTILE "</script><script>alert('1')</script>\"\n\xE2\x80\xAE&\xff"

START_TEST(hostile)
{
    struct tessi_report_setting strange = {HOSTILE, HOSTILE}, setting = {"x" HOSTILE, HOSTILE};
    struct tessi_report_reference reference = {HOSTILE, 1, &strange, 1, &setting};
    make_runs(4, "x" HOSTILE, HOSTILE);
    made.run[0].references = 1;
    made.run[0].reference = &reference;
    made.sweep.pipeline = made.sweep.folder = HOSTILE;
    for (int i = 0; i < 4; i++) {
        made.metric[i][0].name = made.metric[i][1].unit = made.metric[i][2].protocol = made.metric[i][2].against = HOSTILE;
        made.metric[i][3].stage = HOSTILE;
        made.run[i].reason = made.run[i].failed_stage = made.run[i].folder = made.run[i].pipeline = made.run[i].seed = HOSTILE;
        made.stage[i][0].name = made.input[i][1].from = HOSTILE;
        for (int k = 0; k < STAGES; k++) {
            struct tessi_report_stage *s = &made.stage[i][k];
            s->use = s->key = s->parameters = s->plugin = s->numeric_mode = s->tool = s->seed = s->files = s->warning = HOSTILE;
            made.input[i][k].port = made.input[i][k].digest = made.attempt[i][k].stage = made.attempt[i][k].text = HOSTILE;
        }
    }
    made.run[3].outcome = TESSI_REPORT_BROKEN;
    made.picture_path[0] = HOSTILE;
    made.set.note = (const char *[]){HOSTILE};
    made.set.notes = 1;
    char *text = page_of(&(struct tessi_report_page_options){.made = HOSTILE});
    check_page(text);
    keep("hostile", text);
    ck_assert_int_eq(count_of(text, "<script"), 2); /* the table's JSON and the page's own */
    ck_assert_int_eq(count_of(text, "alert('1')"), 0 + count_of(text, "\\u003c/script\\u003e\\u003cscript\\u003ealert('1')"));
    ck_assert(!strstr(text, "\xE2\x80\xAE") || strstr(text, "\xE2\x80\xAE") > strstr(text, "as-json"));
    free(text);
}
END_TEST

START_TEST(same_results_same_bytes)
{
    make_runs(4, "K", "");
    const struct tessi_report_page_options plain = {.made = "Made now"}, later = {.made = "Made later, elsewhere"},
                                           without = {.made = "Made now", .reproducible = 1};
    char *a = page_of(&plain), *b = page_of(&plain), *c = page_of(&later), *d = page_of(&without);
    ck_assert_str_eq(a, b);
    ck_assert_str_ne(a, c);
    ck_assert(!strstr(d, "Made now") && !strstr(d, "id=\"times\""));
    for (int i = 0; i < 4; i++) {
        made.run[i].seconds = made.stage[i][0].seconds = 1234;
        made.run[i].started = "2027-01-02T03:04:05.678Z";
        made.stage[i][1].state = TESSI_REPORT_CACHED;
        made.stage[i][1].peak_bytes = 5;
        made.attempt[i][0].end += 100;
    }
    char *e = page_of(&(struct tessi_report_page_options){.made = "Made later", .reproducible = 1});
    ck_assert_str_eq(d, e);
    free(a);
    free(b);
    free(c);
    free(d);
    free(e);
}
END_TEST

START_TEST(failures_are_rows)
{
    make_runs(4, "K", "");
    made.run[3].outcome = TESSI_REPORT_BROKEN;
    made.run[3].failed_stage = "metrics";
    made.run[3].reason = "the disk is full";
    made.run[3].metrics = 0;
    made.stage[3][2].path = NULL;
    made.run[2].outcome = TESSI_REPORT_NOT_RUN;
    char *text = page_of(&(struct tessi_report_page_options){.refresh = 7});
    check_page(text);
    keep("failures", text);
    ck_assert(strstr(text, "the disk is full") && strstr(text, "1 failed") && strstr(text, "2 of 4 runs finished"));
    ck_assert(strstr(text, "http-equiv=\"refresh\" content=\"7\""));
    free(text);
}
END_TEST

/* A hundred variants: below 3 MB, with their pictures, curves and codebooks. */
START_TEST(a_hundred_variants)
{
    make_runs(RUNS, "K", "");
    char *text = page_of(&(struct tessi_report_page_options){.made = NULL});
    ck_assert_msg(strlen(text) < 3000000, "%zu bytes", strlen(text));
    ck_assert_int_eq(count_of(text, "<img"), 1 + RUNS / 2 + RUNS / 4);
    ck_assert_ptr_nonnull(strstr(text, "of 256, the last"));
    check_markup(text);
    check_self_contained(text);
    keep("hundred", text);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page");
    TCase *t = tcase_create("page");
    tcase_add_checked_fixture(t, store_setup, store_teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, whole);
    tcase_add_test(t, one_run);
    tcase_add_test(t, pictures_shown_whole);
    tcase_add_test(t, columns_of_settings);
    tcase_add_test(t, before_and_after);
    tcase_add_test(t, codes_of_several_levels);
    tcase_add_test(t, references);
    tcase_add_test(t, ways_of_sampling);
    tcase_add_test(t, ways_of_sampling_that_say_nothing);
    tcase_add_test(t, shares_and_waits);
    tcase_add_test(t, nothing);
    tcase_add_test(t, hostile);
    tcase_add_test(t, same_results_same_bytes);
    tcase_add_test(t, failures_are_rows);
    tcase_add_test(t, a_hundred_variants);
    suite_add_tcase(suite, t);
    return suite_run(suite);
}
