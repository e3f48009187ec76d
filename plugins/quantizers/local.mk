
quantizersdir = $(pluginsdir)/quantizers
quantizers_LTLIBRARIES = plugins/quantizers/nearest.la plugins/quantizers/ema.la plugins/quantizers/refit.la
plugins_quantizers_nearest_la_SOURCES = plugins/quantizers/nearest.c
plugins_quantizers_nearest_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_nearest_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_ema_la_SOURCES = plugins/quantizers/ema.c
plugins_quantizers_ema_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_ema_la_LIBADD = $(PLUGIN_LIBS)
plugins_quantizers_refit_la_SOURCES = plugins/quantizers/refit.c
plugins_quantizers_refit_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_quantizers_refit_la_LIBADD = $(PLUGIN_LIBS)
