/* Writing of files as torch.save writes them. Compiled into format/1 `torch`. SPDX-License-Identifier: MIT */
#ifndef PLUGINS_FORMATS_TORCH_TORCH_WRITE_H
#define PLUGINS_FORMATS_TORCH_TORCH_WRITE_H

#include <tessera/exchange.h>

/* The function `write` of struct tess_format_1: an OrderedDict of tensors by name, inside a dictionary under f->within where that is not
 * NULL; entries with `same` share their storage, as they do in PyTorch. Notes are left out: whoever loads the dictionary takes every key
 * for a tensor. */
int torch_write_file(void *self, struct tess_context *ctx, const struct tess_format_file *f) TESS_CHECKED;

#endif
