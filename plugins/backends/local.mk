# What is listed, and what is loaded when a backend is opened (`module` in <tessera/plugin.h>).
backendsdir = $(pluginsdir)/backends
backends_LTLIBRARIES = plugins/backends/openblas.la
plugins_backends_openblas_la_SOURCES = plugins/backends/openblas/openblas.c
plugins_backends_openblas_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_backends_openblas_la_LIBADD = $(PLUGIN_LIBS)

backend_librariesdir = $(backendsdir)/libraries
backend_libraries_LTLIBRARIES = plugins/backends/libraries/openblas.la
plugins_backends_libraries_openblas_la_SOURCES = plugins/backends/openblas/openblas_kernels.c
plugins_backends_libraries_openblas_la_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
plugins_backends_libraries_openblas_la_LDFLAGS = $(LIBRARY_LDFLAGS)
plugins_backends_libraries_openblas_la_LIBADD = $(PLUGIN_LIBS) $(OPENBLAS_LIBS)

WEIGHT_GRADIENT = plugins/backends/onednn/weight_gradient.c plugins/backends/onednn/weight_gradient.h \
	plugins/backends/onednn/weight_gradient_loops.h
if X86_64
noinst_LTLIBRARIES += libtessera_weight_gradient.la
libtessera_weight_gradient_la_SOURCES = plugins/backends/onednn/weight_gradient_tiles.c
libtessera_weight_gradient_la_CFLAGS = $(AM_CFLAGS) -mavx512f -mavx512bw -mavx512vl -mavx512vbmi2 -mamx-tile -mamx-bf16
WEIGHT_GRADIENT_LIBS = libtessera_weight_gradient.la
endif

if HAVE_ONEDNN
backends_LTLIBRARIES += plugins/backends/onednn.la
plugins_backends_onednn_la_SOURCES = plugins/backends/onednn/onednn.c
plugins_backends_onednn_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_backends_onednn_la_LIBADD = $(PLUGIN_LIBS)

backend_libraries_LTLIBRARIES += plugins/backends/libraries/onednn.la
plugins_backends_libraries_onednn_la_SOURCES = plugins/backends/onednn/onednn_kernels.c plugins/backends/onednn/onednn_versions.h \
	$(WEIGHT_GRADIENT)
plugins_backends_libraries_onednn_la_CPPFLAGS = $(AM_CPPFLAGS) $(ONEDNN_CPPFLAGS)
plugins_backends_libraries_onednn_la_CFLAGS = $(AM_CFLAGS) $(OPENMP_CFLAGS)
plugins_backends_libraries_onednn_la_LDFLAGS = $(LIBRARY_LDFLAGS) $(ONEDNN_LDFLAGS)
plugins_backends_libraries_onednn_la_LIBADD = $(PLUGIN_LIBS) -ldnnl $(WEIGHT_GRADIENT_LIBS)
endif
