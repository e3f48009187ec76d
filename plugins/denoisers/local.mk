denoisersdir = $(pluginsdir)/denoisers
denoisers_LTLIBRARIES = plugins/denoisers/transformer.la plugins/denoisers/unet.la
plugins_denoisers_transformer_la_SOURCES = plugins/denoisers/transformer.c
plugins_denoisers_transformer_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_denoisers_transformer_la_LIBADD = $(PLUGIN_LIBS)
plugins_denoisers_unet_la_SOURCES = plugins/denoisers/unet.c
plugins_denoisers_unet_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_denoisers_unet_la_LIBADD = $(PLUGIN_LIBS)
