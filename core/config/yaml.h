/* Parser from YAML text to a configuration tree; the only user of libyaml. Strict: duplicate keys, tabs, anchors' abuse (depth, aliases,
 * size) refused, each with file:line:column. Interpolation is the pipeline's affair. SPDX-License-Identifier: MIT */
#ifndef TESSI_YAML_H
#define TESSI_YAML_H

#include "core/config/config.h"

int tessi_config_yaml_parse(struct tess_context *ctx, const char *text, size_t bytes, const char *name,
                            struct tessi_config **out) TESS_CHECKED;
/* Parses a text that is part of a longer line, at `column` of `line`: places are given there, whatever lines it has itself. */
int tessi_config_yaml_parse_at(struct tess_context *ctx, const char *text, const char *name, int32_t line, int32_t column,
                               struct tessi_config **out) TESS_CHECKED;
int tessi_config_yaml_load(struct tess_context *ctx, const char *path,
                           struct tessi_config **out) TESS_CHECKED; /* TESS_E_IO when it cannot be read */

#endif
