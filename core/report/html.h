/* Text in a page: the one place that escapes. Names of runs, parameters, datasets and YAML come from strangers, so nothing of theirs gets
 * into a page but through these functions. [any thread] SPDX-License-Identifier: MIT */
#ifndef TESSI_REPORT_HTML_H
#define TESSI_REPORT_HTML_H

#include <tessera/base.h>

#include <stdio.h>

/* Text between tags or within a quoted attribute value, of HTML and of SVG: & < > " ' as entities; controls, newlines, marks of direction
 * and bytes that are no UTF-8 as tess_shown_text writes them. NULL is nothing. */
void tessi_report_html_text(FILE *to, const char *text);
/* Escapes text of several lines: newlines stay newlines. */
void tessi_report_html_lines(FILE *to, const char *text);
/* Value of the attribute `href`: a relative path percent-encoded, "./" in front, so that none is a URL with a scheme or a host. */
void tessi_report_html_path(FILE *to, const char *path);
/* Value of an attribute `id`, or what follows # in a link to it: letters and digits stay, any other byte is -HH in hexadecimal, so that
 * different names have different ids. */
void tessi_report_html_id(FILE *to, const char *name);
/* JSON text within an element `script`: < > & are \u00XX, which only strings hold, so the element ends where it is meant to. */
void tessi_report_html_json(FILE *to, const char *json);
/* Bytes in base64 (RFC 4648). */
void tessi_report_html_base64(FILE *to, const void *bytes, size_t count);

#endif
