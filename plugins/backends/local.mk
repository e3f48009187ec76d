backendsdir = $(pluginsdir)/backends
backends_LTLIBRARIES = plugins/backends/openblas.la
plugins_backends_openblas_la_SOURCES = plugins/backends/openblas.c
plugins_backends_openblas_la_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
plugins_backends_openblas_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_backends_openblas_la_LIBADD = $(PLUGIN_LIBS) $(OPENBLAS_LIBS)

if HAVE_ONEDNN
backends_LTLIBRARIES += plugins/backends/onednn.la
plugins_backends_onednn_la_SOURCES = plugins/backends/onednn.c plugins/backends/onednn_versions.h
plugins_backends_onednn_la_CPPFLAGS = $(AM_CPPFLAGS) $(ONEDNN_CPPFLAGS)
plugins_backends_onednn_la_CFLAGS = $(AM_CFLAGS) $(OPENMP_CFLAGS)
plugins_backends_onednn_la_LDFLAGS = $(PLUGIN_LDFLAGS) $(ONEDNN_LDFLAGS)
plugins_backends_onednn_la_LIBADD = $(PLUGIN_LIBS) -ldnnl
endif
