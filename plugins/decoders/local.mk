decodersdir = $(pluginsdir)/decoders
decoders_LTLIBRARIES = plugins/decoders/conv.la plugins/decoders/magvit2.la
plugins_decoders_conv_la_SOURCES = plugins/decoders/conv_decoder.c
plugins_decoders_conv_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_decoders_conv_la_LIBADD = $(PLUGIN_LIBS)
plugins_decoders_magvit2_la_SOURCES = plugins/decoders/magvit2_decoder.c
plugins_decoders_magvit2_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_decoders_magvit2_la_LIBADD = $(PLUGIN_LIBS)
