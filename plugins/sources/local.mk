sourcesdir = $(pluginsdir)/sources
sources_LTLIBRARIES = plugins/sources/idx.la
plugins_sources_idx_la_SOURCES = plugins/sources/idx.c
plugins_sources_idx_la_CPPFLAGS = $(AM_CPPFLAGS) $(ZLIB_CFLAGS)
plugins_sources_idx_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_sources_idx_la_LIBADD = $(PLUGIN_LIBS) $(ZLIB_LIBS)
