/* The `list` source: paths and labels from text, CSV and JSON lines; lists that are wrong, with the line; paths that lead out of the
 * folder.
 *
 * SPDX-License-Identifier: MIT */
#include "tests/support/source_fixture.h"
#include "tests/support/suite.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_list(const char *name, const char *more)
{
    char config_text[512];
    snprintf(config_text, sizeof config_text, "{use: list, path: %s/%s%s}", source.folder, name, more);
    return source_open(config_text);
}

static void put_images(void)
{
    source_put_image("colour.png", "a.png");
    source_put_image("grey.png", "in/b c.png");
    source_put_image("colour.jpg", "in/d,\"e\".jpg");
}

static const struct {
    const char *name, *text, *more, *listed;
} lists[] = {
    {"l.txt", "a.png\nin/b c.png\n", "", "a.png:-1 in/b c.png:-1 "},
    {"l.txt", "a.png\r\n\n./in/b c.png\t3\r\na.png\t1", "", "a.png:-1 in/b c.png:3 a.png:1 "},
    {"l.txt", "a.png\tcat\nin/b c.png\tape\n", "", "a.png:1 in/b c.png:0 "},
    {"l", "a.png", "", "a.png:-1 "},
    {"l.csv", "path,label\na.png,1\nin/b c.png,0\n", "", "a.png:1 in/b c.png:0 "},
    {"l.csv", "\xef\xbb\xbfnote,Class,File_Name\r\nx,1,a.png\r\n\r\n\"y\ny\",2,\"in/d,\"\"e\"\".jpg\"\r\n", "",
     "a.png:1 in/d,\"e\".jpg:2 "},
    {"l.csv", "p,q\na.png,zoo\nin/b c.png,\n", ", image: p, label: q", "a.png:0 in/b c.png:-1 "},
    {"l.tsv", "file\tx\na.png\t,\n", "", "a.png:-1 "},
    {"l.dat", "path\na.png\n", ", format: csv", "a.png:-1 "},
    {"l.jsonl", "{\"file_name\": \"in\\/b\\u0020c.png\", \"label\": 7}\n\n{\"label\":\"2\",\"x\":[{\"path\":1},[]],\"path\":\"a.png\"}", "",
     "in/b c.png:7 a.png:2 "},
    {"l.jsonl", "{\"label\": \"\\u00e9\", \"path\": \"a.png\"}\n{\"label\": \"e\", \"path\": \"a.png\"}\n{\"path\": \"a.png\"}\n", "",
     "a.png:1 a.png:0 a.png:-1 "},
};
enum { LISTS = sizeof lists / sizeof *lists };

START_TEST(lists_of_each_format)
{
    put_images();
    source_put_text(lists[_i].name, lists[_i].text);
    source_works(open_list(lists[_i].name, lists[_i].more));
    ck_assert_str_eq(source_listed(), lists[_i].listed);
}
END_TEST

static const struct {
    const char *name, *text, *more, *words;
} wrong[] = {
    {"l.txt", "", "", "lists no images"},
    {"l.txt", "a.png\n../b.png\n", "", "entry 2, `../b.png`, does not lie in"},
    {"l.txt", "in/../a.png\n", "", "entry 1, `in/../a.png`, does not lie in"},
    {"l.txt", "/etc/passwd\n", "", "entry 1, `/etc/passwd`, does not lie in"},
    {"l.txt", "\tcat\n", "", "line 1 has no path"},
    {"l.csv", "file,label\na.png,1,2\n", "", "line 2 has more fields than the first"},
    {"l.csv", "file,label\na.png\n", "", "line 2 has fewer fields than the first"},
    {"l.csv", "file,label\n\"a.png,1\n", "", "ends within quotes"},
    {"l.csv", "file\n\"a\".png\n", "", "line 2 goes on behind a quoted field"},
    {"l.csv", "name\na.png\n", "", "line 1 names no column of paths"},
    {"l.csv", "path\na.png\n", ", label: class", "line 1 does not name the column of `label`"},
    {"l.jsonl", "{\"path\": \"a.png\"}\n{\"path\": \"a\n", "", "line 2 is no JSON object"},
    {"l.jsonl", "{\"path\": 3}", "", "line 1 has no text with the path of an image"},
    {"l.jsonl", "{\"path\": \"\\ud800\"}", "", "line 1 is no JSON object"},
    {"l.jsonl", "{\"path\": \"a\", \"x\": [1,]}", "", "line 1 is no JSON object"},
    {"l.txt", "a.png\t70000\n", "", "has 70001 classes; 65536 are possible"},
};
enum { WRONG = sizeof wrong / sizeof *wrong };

START_TEST(wrong_lists_are_refused)
{
    source_put_text(wrong[_i].name, wrong[_i].text);
    source_refused(open_list(wrong[_i].name, wrong[_i].more), TESS_E_DATA, wrong[_i].words);
}
END_TEST

/* `find -print0`: names with a newline, of odd bytes and of 255; the list says where they are, or `root`. */
START_TEST(odd_names)
{
    char name[300] = "", list[700], more[100];
    memset(name, 'n', 251);
    strcat(name, ".png");
    size_t n = (size_t)snprintf(list, sizeof list, "new\nline.png%c\xff.png%c%s", 0, 0, name) + 1;
    source_put_image("colour.png", "new\nline.png");
    source_put_image("grey.png", "\xff.png");
    source_put_image("grey.png", name);
    source_put("l.txt", list, n);
    source_works(open_list("l.txt", ""));
    snprintf(list, sizeof list, "new\nline.png:-1 \\xff.png:-1 %s:-1 ", name);
    ck_assert_str_eq(source_listed(), list);
    source_put("sub/l.txt", "\xff.png", 5);
    snprintf(more, sizeof more, ", root: %s/", source.folder);
    source_works(open_list("sub/l.txt", more));
    ck_assert_str_eq(source_listed(), "\\xff.png:-1 ");
    snprintf(list, sizeof list, "%s/a.png\n", source.folder);
    source_put_image("colour.png", "a.png");
    source_put_text("sub/l.txt", list);
    source_works(open_list("sub/l.txt", more));
    ck_assert_str_eq(source_listed(), "a.png:-1 ");
}
END_TEST

/* Missing and broken images are bad items, images that stand twice are told; content is that of the bytes. */
START_TEST(bad_images_are_items)
{
    put_images();
    source_put_text("broken.png", "\x89PNG\r\n\x1a\nbroken");
    source_put_text("l.txt", "a.png\ngone.png\nbroken.png\na.png\nin\n");
    source_works(open_list("l.txt", ""));
    ck_assert_str_eq(source_listed(), "a.png:-1 gone.png! broken.png! a.png:-1 in! ");
    ck_assert_str_eq(source.ops->remark(source.self), "1 entries stand in the list before, and are read again (a.png)");
    ck_assert_str_eq(source_content(0), source_content(3));
    ck_assert_str_ne(source_content(0), source_content(2));
    source.ops->soon(source.self, 0, 5);
    struct tess_digest d;
    tess_digest_start(&d);
    source_refused(source.ops->content(source.self, source.ctx, 1, &d), TESS_E_ITEM, "gone.png: cannot be opened");
}
END_TEST

/* A pipe is read to its end; one that breaks within a line is refused. */
START_TEST(a_list_from_a_pipe)
{
    char path[200], command[400];
    put_images();
    snprintf(path, sizeof path, "%s/pipe", source.folder);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    snprintf(command, sizeof command, "(printf 'a.png\\n' > %s) &", path);
    ck_assert_int_eq(system(command), 0);
    source_works(open_list("pipe", ""));
    ck_assert_str_eq(source_listed(), "a.png:-1 ");
    snprintf(command, sizeof command, "(printf 'a.png\\nb' > %s) &", path);
    ck_assert_int_eq(system(command), 0);
    source_refused(open_list("pipe", ""), TESS_E_DATA, "breaks off within a line");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("list");
    Suite *s = suite_create("list");
    tcase_add_checked_fixture(t, source_setup, source_teardown);
    tcase_add_loop_test(t, lists_of_each_format, 0, LISTS);
    tcase_add_loop_test(t, wrong_lists_are_refused, 0, WRONG);
    tcase_add_test(t, odd_names);
    tcase_add_test(t, bad_images_are_items);
    tcase_add_test(t, a_list_from_a_pipe);
    suite_add_tcase(s, t);
    return suite_run(s);
}
