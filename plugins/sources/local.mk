sourcesdir = $(pluginsdir)/sources
sources_LTLIBRARIES = plugins/sources/idx.la plugins/sources/cifar.la
plugins_sources_cifar_la_SOURCES = plugins/sources/cifar.c
plugins_sources_cifar_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_cifar_la_LIBADD = $(PLUGIN_LIBS)

plugins_sources_idx_la_SOURCES = plugins/sources/idx.c
plugins_sources_idx_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CFLAGS)
plugins_sources_idx_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_idx_la_LIBADD = $(PLUGIN_LIBS) $(ZLIB_LIBS)

if HAVE_VIPS
sources_LTLIBRARIES += plugins/sources/folder.la
dist_sources_DATA = plugins/sources/folder.expect
plugins_sources_folder_la_SOURCES = plugins/sources/folder/folder_table.c plugins/sources/folder/folder_table.h \
    plugins/sources/folder/folder_list.h plugins/sources/folder/vips_decode.h
plugins_sources_folder_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_folder_la_LIBADD = $(PLUGIN_LIBS)

# Loaded when such a source is opened (`module` in <tessera/plugin.h>).
source_librariesdir = $(sourcesdir)/libraries
source_libraries_LTLIBRARIES = plugins/sources/libraries/folder.la
plugins_sources_libraries_folder_la_SOURCES = plugins/sources/folder/folder.c plugins/sources/folder/folder_table.h \
    plugins/sources/folder/folder_list.h plugins/sources/folder/vips_decode.h plugins/sources/folder/folder_list.c \
    plugins/sources/folder/vips_decode.c plugins/sources/folder/vips_reason.c plugins/sources/folder/vips_reason.h \
    plugins/sources/folder/png_whole.c plugins/sources/folder/png_whole.h
plugins_sources_libraries_folder_la_CPPFLAGS = $(AM_CPPFLAGS) $(VIPS_CFLAGS) $(ZLIB_CFLAGS)
plugins_sources_libraries_folder_la_LDFLAGS = $(LIBRARY_LDFLAGS)
plugins_sources_libraries_folder_la_LIBADD = $(PLUGIN_LIBS) $(VIPS_LIBS) $(ZLIB_LIBS)
endif
