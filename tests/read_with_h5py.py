# SPDX-License-Identifier: MIT
"""Reads artefacts the way any Python user would: every dataset whole, every attribute. Prints a line for each file; fails on anything odd.

    python3 read_with_h5py.py FILE.h5 ...
"""
import sys

import h5py
import numpy


def check_attributes(item, where):
    for name, value in item.attrs.items():
        if isinstance(value, bytes):
            value.decode("utf-8")
        else:
            assert isinstance(value, (str, numpy.integer, numpy.floating, numpy.ndarray)), (where, name, type(value))


def check_dataset(name, data):
    values = data[()]
    assert values.shape == data.shape, name
    kind = data.dtype.kind
    assert kind in "uifS", (name, data.dtype)
    if kind == "u":
        precision = data.id.get_type().get_precision()
        assert 1 <= precision <= 8 * data.dtype.itemsize, (name, precision)
        assert values.size == 0 or int(values.max()) < 2 ** precision, (name, precision)
    if kind == "S":
        for text in values.ravel():
            text.decode("utf-8")
    if "labels" in data.attrs:
        assert len(data.attrs["labels"].decode().split()) == data.ndim, name
    assert "DIMENSION_LABELS" not in data.attrs, name
    if data.nbytes >= 65536:
        assert data.chunks and data.fletcher32, name
        assert data.chunks[1:] == data.shape[1:], (name, data.chunks)
    check_attributes(data, name)


def check(path):
    with h5py.File(path, "r") as file:
        assert file.attrs["format"] == 1
        check_attributes(file, "/")
        check_attributes(file["provenance"], "/provenance")
        assert len(file["provenance"].attrs["digest"]) == 64
        count = 0

        def visit(name, item):
            nonlocal count
            if isinstance(item, h5py.Dataset):
                check_dataset(name, item)
                count += 1

        file.visititems(visit)
        for metric in file.get("metrics", {}).values():
            assert metric.shape == () and "unit" in metric.attrs
            assert metric.attrs.get("better", b"lower") in (b"lower", b"higher")
            assert isinstance(metric.attrs.get("standard_error", numpy.float64(0)), numpy.float64)
            low, high = metric.attrs.get("interval", numpy.zeros(2))
            assert low <= high
        for picture in file.get("pictures", {}).values():
            assert picture.dtype == numpy.uint8 and picture.ndim == 3
        print(f"{path}: kind {file.attrs['kind'].decode()}, {count} datasets")


for argument in sys.argv[1:]:
    check(argument)
