decodersdir = $(pluginsdir)/decoders
decoders_LTLIBRARIES = plugins/decoders/conv.la
plugins_decoders_conv_la_SOURCES = plugins/decoders/conv_decoder.c
plugins_decoders_conv_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_decoders_conv_la_LIBADD = $(PLUGIN_LIBS)
