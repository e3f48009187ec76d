backendsdir = $(pluginsdir)/backends
backends_LTLIBRARIES = plugins/backends/openblas.la
plugins_backends_openblas_la_SOURCES = plugins/backends/openblas.c
plugins_backends_openblas_la_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
plugins_backends_openblas_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_backends_openblas_la_LIBADD = $(PLUGIN_LIBS) $(OPENBLAS_LIBS)
