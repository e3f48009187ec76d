/* See texts.h. SPDX-License-Identifier: MIT */
#define H5_USE_18_API 1
#include "tests/support/texts.h"
#include "tests/support/suite.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *texts_read(const char *path, const char *dataset)
{
    static char all[1 << 16];
    hid_t file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), from = H5Dopen2(file, dataset, H5P_DEFAULT);
    ck_assert_msg(file >= 0 && from >= 0, "%s: no %s", path, dataset);
    hid_t type = H5Dget_type(from), space = H5Dget_space(from);
    size_t width = H5Tget_size(type), n = (size_t)H5Sget_simple_extent_npoints(space), used = 0;
    char *text = malloc(width * n);
    ck_assert_int_ge(H5Dread(from, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text), 0);
    all[0] = '\0';
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%.*s ", (int)width, text + i * width);
    ck_assert_uint_lt(used, sizeof all);
    free(text);
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(from);
    H5Fclose(file);
    return all;
}
