# Archives of codes as a whole: verified, merged, split, exported, repaired.
libtessera_la_SOURCES += core/archive/archive.h core/archive/export.c core/archive/export_npy.c core/archive/export_png.c \
    core/archive/export_private.h core/archive/export_safetensors.c core/archive/export_tar.c core/archive/folder.c core/archive/index.c \
    core/archive/merge.c core/archive/pieces.c core/archive/pieces.h core/archive/split.c core/archive/verify.c \
    core/archive/verify_board.h core/archive/verify_process.c core/archive/verify_private.h core/archive/verify_values.c core/archive/write.c
