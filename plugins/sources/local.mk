sourcesdir = $(pluginsdir)/sources
sources_LTLIBRARIES = plugins/sources/idx.la plugins/sources/cifar.la plugins/sources/npy.la plugins/sources/hdf5.la
plugins_sources_hdf5_la_SOURCES = plugins/sources/hdf5.c
plugins_sources_hdf5_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_hdf5_la_LIBADD = $(PLUGIN_LIBS)

plugins_sources_npy_la_SOURCES = plugins/sources/npy/npy.c plugins/sources/npy/npy_files.c plugins/sources/npy/npy_files.h
plugins_sources_npy_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_npy_la_LIBADD = $(PLUGIN_LIBS)

plugins_sources_cifar_la_SOURCES = plugins/sources/cifar.c
plugins_sources_cifar_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_cifar_la_LIBADD = $(PLUGIN_LIBS)

plugins_sources_idx_la_SOURCES = plugins/sources/idx.c
plugins_sources_idx_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CFLAGS)
plugins_sources_idx_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_idx_la_LIBADD = $(PLUGIN_LIBS) $(ZLIB_LIBS)

# Sources of image files: a small file with the table of each, and a library with its functions, which is loaded when such a source is
# opened (`module` in <tessera/plugin.h>). The decoders are linked into each.
if HAVE_VIPS
sources_LTLIBRARIES += plugins/sources/folder.la plugins/sources/list.la
dist_sources_DATA = plugins/sources/folder.expect plugins/sources/list.expect
source_librariesdir = $(sourcesdir)/libraries
source_libraries_LTLIBRARIES = plugins/sources/libraries/folder.la plugins/sources/libraries/list.la

noinst_LTLIBRARIES += plugins/sources/libpictures.la
plugins_sources_libpictures_la_SOURCES = plugins/sources/pictures/picture.c plugins/sources/pictures/picture.h \
    plugins/sources/pictures/picture_file.c plugins/sources/pictures/picture_file.h plugins/sources/pictures/labels.c \
    plugins/sources/pictures/labels.h plugins/sources/pictures/name_table.c plugins/sources/pictures/name_table.h \
    plugins/sources/pictures/png_whole.c plugins/sources/pictures/png_whole.h \
    plugins/sources/pictures/upright.c plugins/sources/pictures/upright.h plugins/sources/pictures/vips_decode.c \
    plugins/sources/pictures/vips_decode.h plugins/sources/pictures/vips_reason.c plugins/sources/pictures/vips_reason.h
plugins_sources_libpictures_la_CPPFLAGS = $(AM_CPPFLAGS) $(VIPS_CFLAGS) $(ZLIB_CFLAGS) $(JPEG_CFLAGS) $(WEBP_CFLAGS)
PICTURE_LIBS = plugins/sources/libpictures.la $(PLUGIN_LIBS) $(VIPS_LIBS) $(ZLIB_LIBS) $(JPEG_LIBS) $(WEBP_LIBS)
if HAVE_JPEG
plugins_sources_libpictures_la_SOURCES += plugins/sources/pictures/jpeg_decode.c plugins/sources/pictures/jpeg_decode.h
plugins_sources_libpictures_la_CPPFLAGS += -DTESS_JPEG
endif
if HAVE_WEBP
plugins_sources_libpictures_la_SOURCES += plugins/sources/pictures/webp_decode.c plugins/sources/pictures/webp_decode.h
plugins_sources_libpictures_la_CPPFLAGS += -DTESS_WEBP
endif

plugins_sources_folder_la_SOURCES = plugins/sources/folder/folder_table.c plugins/sources/folder/folder_table.h \
    plugins/sources/folder/folder_list.h
plugins_sources_folder_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_folder_la_LIBADD = $(PLUGIN_LIBS)
plugins_sources_libraries_folder_la_SOURCES = plugins/sources/folder/folder.c plugins/sources/folder/folder_list.c
plugins_sources_libraries_folder_la_LDFLAGS = $(LIBRARY_LDFLAGS)
plugins_sources_libraries_folder_la_LIBADD = $(PICTURE_LIBS)

plugins_sources_list_la_SOURCES = plugins/sources/list/list_table.c plugins/sources/list/list_table.h
plugins_sources_list_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_list_la_LIBADD = $(PLUGIN_LIBS)
plugins_sources_libraries_list_la_SOURCES = plugins/sources/list/list.c plugins/sources/list/list_lines.c plugins/sources/list/list_lines.h
plugins_sources_libraries_list_la_LDFLAGS = $(LIBRARY_LDFLAGS)
plugins_sources_libraries_list_la_LIBADD = $(PICTURE_LIBS)

if HAVE_LIBARCHIVE
sources_LTLIBRARIES += plugins/sources/tar.la
dist_sources_DATA += plugins/sources/tar.expect
source_libraries_LTLIBRARIES += plugins/sources/libraries/tar.la
plugins_sources_tar_la_SOURCES = plugins/sources/tar/tar_table.c plugins/sources/tar/tar_table.h plugins/sources/tar/tar_index.h \
    plugins/sources/tar/tar_shards.h plugins/sources/tar/tar_stream.h plugins/sources/tar/tar_unpack.h
plugins_sources_tar_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_tar_la_LIBADD = $(PLUGIN_LIBS)
plugins_sources_libraries_tar_la_SOURCES = plugins/sources/tar/tar.c plugins/sources/tar/tar_index.c plugins/sources/tar/tar_members.c \
    plugins/sources/tar/tar_members.h plugins/sources/tar/tar_shards.c plugins/sources/tar/tar_stream.c plugins/sources/tar/tar_unpack.c
plugins_sources_libraries_tar_la_CPPFLAGS = $(AM_CPPFLAGS) $(LIBARCHIVE_CFLAGS) $(ZLIB_CFLAGS)
plugins_sources_libraries_tar_la_LDFLAGS = $(LIBRARY_LDFLAGS)
plugins_sources_libraries_tar_la_LIBADD = $(PICTURE_LIBS) $(LIBARCHIVE_LIBS)
endif
endif
