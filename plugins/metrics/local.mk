metricsdir = $(pluginsdir)/metrics
metrics_LTLIBRARIES = plugins/metrics/classifier.la plugins/metrics/frechet.la plugins/metrics/kernel.la plugins/metrics/lpips.la \
    plugins/metrics/manifold.la plugins/metrics/memorisation.la plugins/metrics/reconstruction.la plugins/metrics/uniformity.la
plugins_metrics_kernel_la_SOURCES = plugins/metrics/kernel/kernel.c plugins/metrics/kernel/kernel_table.h
plugins_metrics_kernel_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_metrics_kernel_la_LIBADD = $(PLUGIN_LIBS)

plugins_metrics_classifier_la_SOURCES = plugins/metrics/classifier.c
plugins_metrics_classifier_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_metrics_classifier_la_LIBADD = $(PLUGIN_LIBS)

plugins_metrics_lpips_la_SOURCES = plugins/metrics/lpips.c
plugins_metrics_lpips_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_metrics_lpips_la_LIBADD = $(PLUGIN_LIBS)

plugins_metrics_uniformity_la_SOURCES = plugins/metrics/uniformity.c
plugins_metrics_uniformity_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_metrics_uniformity_la_LIBADD = $(PLUGIN_LIBS)

plugins_metrics_manifold_la_SOURCES = plugins/metrics/manifold.c
plugins_metrics_manifold_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_metrics_manifold_la_LIBADD = $(PLUGIN_LIBS)

plugins_metrics_memorisation_la_SOURCES = plugins/metrics/memorisation.c
plugins_metrics_memorisation_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_metrics_memorisation_la_LIBADD = $(PLUGIN_LIBS)

plugins_metrics_reconstruction_la_SOURCES = plugins/metrics/reconstruction.c
plugins_metrics_reconstruction_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_metrics_reconstruction_la_LIBADD = $(PLUGIN_LIBS)

plugins_metrics_frechet_la_SOURCES = plugins/metrics/frechet/frechet.c plugins/metrics/frechet/frechet_table.h
plugins_metrics_frechet_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_metrics_frechet_la_LIBADD = $(PLUGIN_LIBS)

# LAPACK and BLAS are OpenBLAS's; loaded when such a distance is asked for (`module` in <tessera/plugin.h>).
metric_librariesdir = $(metricsdir)/libraries
metric_libraries_LTLIBRARIES = plugins/metrics/libraries/frechet.la plugins/metrics/libraries/kernel.la
plugins_metrics_libraries_kernel_la_SOURCES = plugins/metrics/kernel/kernel_blas.c plugins/metrics/kernel/kernel_table.h \
    plugins/metrics/kernel/kernel_tiles.c plugins/metrics/kernel/kernel_tiles.h
plugins_metrics_libraries_kernel_la_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
plugins_metrics_libraries_kernel_la_LDFLAGS = $(LIBRARY_LDFLAGS)
plugins_metrics_libraries_kernel_la_LIBADD = $(PLUGIN_LIBS) $(OPENBLAS_LIBS)

plugins_metrics_libraries_frechet_la_SOURCES = plugins/metrics/frechet/frechet_lapack.c plugins/metrics/frechet/frechet_table.h \
    plugins/metrics/frechet/moments.c plugins/metrics/frechet/moments.h plugins/metrics/frechet/scatter.c \
    plugins/metrics/frechet/scatter.h
plugins_metrics_libraries_frechet_la_CPPFLAGS = $(AM_CPPFLAGS) $(OPENBLAS_CFLAGS)
plugins_metrics_libraries_frechet_la_LDFLAGS = $(LIBRARY_LDFLAGS)
plugins_metrics_libraries_frechet_la_LIBADD = $(PLUGIN_LIBS) $(OPENBLAS_LIBS)
