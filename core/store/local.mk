# HDF5 and PNG: artefacts, checkpoints and pictures. Nothing else includes <hdf5.h> or <png.h>.
libtessera_la_SOURCES += core/store/array.c core/store/artefact.c core/store/artefact_check.c core/store/artefact_copy.c \
    core/store/artefact_digest.c core/store/artefact_metrics.c core/store/artefact_finish.c core/store/artefact_head.c \
    core/store/artefact_open.c core/store/artefact_parts.c core/store/artefact_parts_read.c core/store/artefact_parts_table.c \
    core/store/artefact_parts_index.c core/store/artefact_parts_index.h core/store/artefact_parts_write.c \
    core/store/artefact_pictures.c core/store/artefact_read.c core/store/artefact_strings.c core/store/artefact_write.c \
    core/store/chunk_codec.c core/store/chunk_write.c core/store/chunks.c core/store/contact_sheet.c core/store/disk.c \
    core/store/file_sum.c core/store/hdf5.c core/store/layout.c core/store/palette.c core/store/palette.h core/store/png.c \
    core/store/png_indexed.c core/store/store.h core/store/store_private.h

# Damaged files read past their damage; properties for copies.
libtessera_la_SOURCES += core/store/artefact_examine.c core/store/artefact_how.c
