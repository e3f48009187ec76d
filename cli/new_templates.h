/* The files of kit/template/, compiled into the program by kit/template/embed. SPDX-License-Identifier: MIT */
#ifndef TESSI_NEW_TEMPLATES_H
#define TESSI_NEW_TEMPLATES_H

struct cli_template {
    const char *file; /* "quantizer.c", "project/Makefile"; NULL ends the list */
    const char *text;
};

extern const struct cli_template cli_templates[];

#endif
