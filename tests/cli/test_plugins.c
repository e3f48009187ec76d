/* Descriptions of plugins: their examples can be read, and the pages of docs/plugins/ are what the program writes.
 * SPDX-License-Identifier: MIT */
#include "core/config/yaml.h"
#include "tests/support/paths.h"
#include "tests/support/plug_fixture.h"
#include "tests/support/suite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static struct plug_fixture fixture;

static void setup(void)
{
    plug_start(&fixture);
    plug_scan(&fixture);
}

static void teardown(void)
{
    plug_end(&fixture);
}

/* "noise: {use: absorbing}" is opened as a pipeline would: every key, every value; files are not looked for. */
static void check_example(const struct tess_component *k, const char *example)
{
    static const char *const skip[] = {"in", NULL};
    struct tessi_config *root = NULL;
    struct tess_instance *i = NULL;
    int status = tessi_config_yaml_parse(fixture.ctx, example, strlen(example), k->name, &root);
    ck_assert_msg(status == TESS_OK, "%s %s: %s", k->kind, k->name, tessi_base_context_message(fixture.ctx));
    ck_assert_msg(root->kind == TESSI_MAP && tessi_config_count(root) == 1, "%s %s: an example is one key", k->kind, k->name);
    struct tessi_config *one = root->child; /* the component itself, or a list of one */
    if (one->kind == TESSI_SEQUENCE && tessi_config_count(one) == 1)
        one = one->child;
    status = tessi_plug_instance_new(fixture.ctx, fixture.runtime->registry, k->kind, one, NULL, skip, 0, &i);
    ck_assert_msg(status == TESS_OK, "%s %s: %s", k->kind, k->name, tessi_base_context_message(fixture.ctx));
    ck_assert_str_eq(tess_instance_name(i), k->name);
    tess_instance_close(i);
    tessi_config_free(root);
}

START_TEST(examples_can_be_read)
{
    const struct tess_component *k;
    const struct tess_plugin *plugin;
    int examples = 0;
    for (int64_t i = 0; (k = tessi_plug_registry_component(fixture.runtime->registry, i, &plugin)); i++) {
        const char *example = TESSI_COMPONENT_HAS(plugin, k, example);
        ck_assert_msg(example && *example, "%s %s has no example: TESS_COMPONENT_DOCUMENTED", k->kind, k->name);
        if (strcmp(k->kind, "format/1") == 0 || strcmp(k->kind, "checkpoint/1") == 0)
            ck_assert_msg(strncmp(example, "tessera ", strlen("tessera ")) == 0, "%s", example);
        else
            check_example(k, example);
        examples++;
    }
    ck_assert_int_ge(examples, 30);
}
END_TEST

static char written[1 << 20], kept[1 << 20];

static void read_all(FILE *f, char *text, size_t capacity)
{
    text[f ? fread(text, 1, capacity - 1, f) : 0] = '\0';
}

/* Checks that docs/plugins has each section that `plugins --markdown` writes; without an optional library fewer are written. */
static void check_page(const char *word)
{
    char command[256], path[256];
    snprintf(command, sizeof command, "'%s' plugins %s --markdown", TEST_PROGRAM, word);
    FILE *f = popen(command, "r");
    read_all(f, written, sizeof written);
    ck_assert_int_eq(pclose(f), 0);
    snprintf(path, sizeof path, "%s/docs/plugins/%s.md", TEST_SOURCE, word);
    f = fopen(path, "r");
    ck_assert_msg(f != NULL, "%s is missing: `make plugin-docs` writes it", path);
    read_all(f, kept, sizeof kept);
    fclose(f);
    for (char *section = strstr(written, "\n## "), *next; section; section = next) {
        next = strstr(section + 1, "\n## ");
        if (next)
            *next = '\0';
        ck_assert_msg(strstr(kept, section) != NULL, "%s has not what the plugins say now: `make plugin-docs` writes it anew; wanted%s",
                      path, section);
        if (next)
            *next = '\n';
    }
}

START_TEST(pages_are_up_to_date)
{
    const struct tess_component *k;
    const char *kind = "";
    int pages = 0;
    for (int64_t i = 0; (k = tessi_plug_registry_component(fixture.runtime->registry, i, NULL)); i++) {
        char word[64];
        if (strcmp(kind, k->kind) == 0)
            continue;
        kind = k->kind;
        snprintf(word, sizeof word, "%.*s", tessi_plug_kind_length(kind), kind);
        check_page(word);
        pages++;
    }
    ck_assert_int_ge(pages, 10);
}
END_TEST

START_TEST(one_plugin_in_full)
{
    static const char *const wanted[] = {"stage/encode: images to an archive of codes\n",
                                         "\nreads\n  images  ",
                                         "\nwrites an artefact of kind codes\n",
                                         "\n  batch             integer",
                                         "(does not change results)\n",
                                         "\nexample\n  codes:\n    use: encode\n    in: {model: tokenizer.h5}\n"};
    FILE *f = popen("'" TEST_PROGRAM "' plugins stage/encode", "r");
    read_all(f, written, sizeof written);
    ck_assert_int_eq(pclose(f), 0);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        ck_assert_msg(strstr(written, wanted[i]) != NULL, "wanted \"%s\" in\n%s", wanted[i], written);
    f = popen("'" TEST_PROGRAM "' plugins quantizer/ema --json", "r");
    read_all(f, written, sizeof written);
    ck_assert_int_eq(pclose(f), 0);
    ck_assert_ptr_nonnull(strstr(written, "\"source\":\"van den Oord"));
    ck_assert_ptr_nonnull(strstr(written, "\"example\":\"quantizer: {use: ema"));
    ck_assert_ptr_nonnull(strstr(written, "\"capabilities\":[\"react\",\"rebuild\"]"));
}
END_TEST

/* Messages of `plan` and `run` about refused plugin files of the user, which otherwise only `plugins --why` reports. */
START_TEST(plan_and_run_tell_of_the_users_files)
{
    static const char *const verbs[] = {"plan", "run"};
    char command[600], wanted[600];
    plug_add(&fixture, "", "shadow");
    plug_write(&fixture, "text.so", "not a shared object\n");
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        snprintf(command, sizeof command, "'%s' %s none.yaml --plugin-path '%s' 2>&1", TEST_PROGRAM, verbs[i], fixture.folder);
        FILE *f = popen(command, "r");
        read_all(f, written, sizeof written);
        ck_assert_int_ne(pclose(f), 0); /* there is no such pipeline */
        snprintf(wanted, sizeof wanted, "warning: %s/shadow.so is used in the place of tessera's own: it has encoder/conv, as ",
                 fixture.folder);
        ck_assert_msg(strstr(written, wanted) != NULL, "wanted \"%s\" in\n%s", wanted, written);
        snprintf(wanted, sizeof wanted, "warning: a plugin is not used: %s/text.so: wanted a shared object (ELF), found a text",
                 fixture.folder);
        ck_assert_msg(strstr(written, wanted) != NULL, "wanted \"%s\" in\n%s", wanted, written);
    }
}
END_TEST

/* Lists plugins as JSON, which is YAML too, and returns it as a tree. */
static struct tessi_config *listed(const char *words)
{
    struct tessi_config *root = NULL;
    char command[600];
    snprintf(command, sizeof command, "'%s' plugins %s --json --plugin-path '%s'", TEST_PROGRAM, words, fixture.folder);
    FILE *f = popen(command, "r");
    read_all(f, written, sizeof written);
    ck_assert_int_eq(pclose(f), 0);
    int status = tessi_config_yaml_parse(fixture.ctx, written, strlen(written), words, &root);
    ck_assert_msg(status == TESS_OK, "%s", tessi_base_context_message(fixture.ctx));
    return root;
}

/* Finds the item of a list whose `key` is `text`. */
static struct tessi_config *item_of(struct tessi_config *list, const char *key, const char *text)
{
    ck_assert_ptr_nonnull(list);
    for (struct tessi_config *i = list->child; i; i = i->next) {
        const struct tessi_config *value = tessi_config_get(i, key);
        if (value && value->text && strcmp(value->text, text) == 0)
            return i;
    }
    ck_abort_msg("nothing with %s %s is listed", key, text);
    return NULL;
}

static void check_text(struct tessi_config *map, const char *key, const char *wanted)
{
    const struct tessi_config *value = tessi_config_get(map, key);
    ck_assert_msg(value && value->text && strcmp(value->text, wanted) == 0, "%s: wanted %s, found %s", key, wanted,
                  value && value->text ? value->text : "nothing");
}

START_TEST(a_stage_as_json)
{
    struct tessi_config *root = listed("stage/train-prior"), *k = item_of(tessi_config_get(root, "components"), "name", "train-prior");
    check_text(k, "kind", "stage/1");
    check_text(k, "output", "prior");
    struct tessi_config *codes = item_of(tessi_config_get(k, "ports"), "name", "codes"), *p = tessi_config_get(k, "parameters");
    check_text(codes, "kind", "codes");
    check_text(codes, "optional", "false");
    check_text(item_of(p, "name", "noise"), "default", "null");
    check_text(item_of(p, "name", "steps"), "lo", "0");
    tessi_config_free(root);
    root = listed("noise");
    ck_assert_int_gt(tessi_config_count(tessi_config_get(root, "components")), 1);
    tessi_config_free(root);
}
END_TEST

START_TEST(lists_and_former_names_as_json)
{
    plug_add(&fixture, "", "good");
    struct tessi_config *root = listed("pair/listed"), *k = tessi_config_get(root, "components")->child,
                        *p = item_of(tessi_config_get(k, "parameters"), "name", "words"), *value = tessi_config_get(p, "default");
    ck_assert_int_eq(tessi_config_count(value), 2);
    ck_assert_str_eq(value->child->text, "red");
    ck_assert_str_eq(value->child->next->text, "\"dark\" green");
    p = item_of(tessi_config_get(k, "parameters"), "name", "width");
    check_text(p, "former", "size|extent");
    check_text(p, "default", "4");
    check_text(p, "hi", "64");
    tessi_config_free(root);
    root = listed("encoder/all");
    p = tessi_config_get(tessi_config_get(root, "components")->child, "parameters");
    check_text(item_of(p, "name", "mode"), "default", "exact");
    check_text(item_of(p, "name", "note"), "default", "null");
    check_text(item_of(p, "name", "talk"), "neutral", "true");
    ck_assert_int_eq(tessi_config_count(tessi_config_get(item_of(p, "name", "mult"), "default")), 3);
    tessi_config_free(root);
}
END_TEST

/* Every folder and file with what became of it, as text and as JSON. */
START_TEST(reasons_as_json)
{
    char path[600], command[600];
    plug_add(&fixture, "", "good");
    plug_write(&fixture, "text.so", "not a shared object\n");
    struct tessi_config *root = listed("encoder/all --why"), *files = tessi_config_get(root, "files");
    check_text(item_of(tessi_config_get(root, "folders"), "path", fixture.folder), "note", "");
    snprintf(path, sizeof path, "%s/text.so", fixture.folder);
    struct tessi_config *text = item_of(files, "path", path);
    check_text(text, "plugin", "null");
    ck_assert_ptr_nonnull(strstr(tessi_config_get(text, "refusal")->text, "wanted a shared object (ELF), found a text"));
    snprintf(path, sizeof path, "%s/good.so", fixture.folder);
    text = item_of(files, "path", path);
    check_text(text, "plugin", "fixture-good");
    check_text(text, "version", "1.2.3");
    check_text(text, "refusal", "null");
    tessi_config_free(root);
    snprintf(command, sizeof command, "'%s' plugins encoder/all --why --plugin-path '%s'", TEST_PROGRAM, fixture.folder);
    FILE *f = popen(command, "r");
    read_all(f, written, sizeof written);
    ck_assert_int_eq(pclose(f), 0);
    ck_assert(strstr(written, "  accepted  ") && strstr(written, "good.so: fixture-good 1.2.3, ABI 1.0, not of this release\n"));
    ck_assert(strstr(written, "  refused   ") && strstr(written, " 1 refused; TESSERA_PLUGIN_PATH and --plugin-path add folders\n"));
}
END_TEST

/* Command lines that name nothing, or more than one. */
START_TEST(names_that_are_wrong)
{
    static const struct {
        const char *words, *wanted;
        int code;
    } slip[] = {{"encoder/con", "no plugin or kind is called `encoder/con`; did you mean `encoder/conv`?", 69},
                {"conv", "`conv` is the name of several; say `decoder/conv` or `encoder/conv`", 2},
                {"encoder decoder", "wanted one kind or plugin, found `encoder` and `decoder`", 2}};
    char command[600];
    for (size_t i = 0; i < sizeof slip / sizeof *slip; i++) {
        snprintf(command, sizeof command, "'%s' plugins %s 2>&1", TEST_PROGRAM, slip[i].words);
        FILE *f = popen(command, "r");
        read_all(f, written, sizeof written);
        ck_assert_int_eq(WEXITSTATUS(pclose(f)), slip[i].code);
        ck_assert_msg(strstr(written, slip[i].wanted) != NULL, "wanted \"%s\" in\n%s", slip[i].wanted, written);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plugins");
    TCase *tests = tcase_create("plugins");
    suite_add_tcase(suite, tests);
    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, examples_can_be_read);
    tcase_add_test(tests, pages_are_up_to_date);
    tcase_add_test(tests, one_plugin_in_full);
    tcase_add_test(tests, a_stage_as_json);
    tcase_add_test(tests, lists_and_former_names_as_json);
    tcase_add_test(tests, reasons_as_json);
    tcase_add_test(tests, names_that_are_wrong);
    tcase_add_test(tests, plan_and_run_tell_of_the_users_files);
    return suite_run(suite);
}
