
quantizersdir = $(pluginsdir)/quantizers
quantizers_LTLIBRARIES = plugins/quantizers/nearest.la plugins/quantizers/ema.la plugins/quantizers/refit.la plugins/quantizers/fsq.la \
    plugins/quantizers/lfq.la plugins/quantizers/gumbel.la plugins/quantizers/residual.la plugins/quantizers/rotation.la \
    plugins/quantizers/multi_scale.la plugins/quantizers/product.la
plugins_quantizers_nearest_la_SOURCES = plugins/quantizers/nearest.c
plugins_quantizers_nearest_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_nearest_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_ema_la_SOURCES = plugins/quantizers/ema.c
plugins_quantizers_ema_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_ema_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_refit_la_SOURCES = plugins/quantizers/refit.c
plugins_quantizers_refit_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_refit_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_fsq_la_SOURCES = plugins/quantizers/fsq.c
plugins_quantizers_fsq_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_fsq_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_gumbel_la_SOURCES = plugins/quantizers/gumbel.c
plugins_quantizers_gumbel_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_gumbel_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_residual_la_SOURCES = plugins/quantizers/residual.c
plugins_quantizers_residual_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_residual_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_rotation_la_SOURCES = plugins/quantizers/rotation.c
plugins_quantizers_rotation_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_rotation_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_multi_scale_la_SOURCES = plugins/quantizers/multi_scale/multi_scale.c \
    plugins/quantizers/multi_scale/multi_scale_grid.c plugins/quantizers/multi_scale/multi_scale_grid.h
plugins_quantizers_multi_scale_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_multi_scale_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_product_la_SOURCES = plugins/quantizers/product.c
plugins_quantizers_product_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_product_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_lfq_la_SOURCES = plugins/quantizers/lfq.c
plugins_quantizers_lfq_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_lfq_la_LIBADD = $(PLUGIN_LIBS)
