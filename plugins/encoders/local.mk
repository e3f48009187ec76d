encodersdir = $(pluginsdir)/encoders
encoders_LTLIBRARIES = plugins/encoders/conv.la
plugins_encoders_conv_la_SOURCES = plugins/encoders/conv_encoder.c
plugins_encoders_conv_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_encoders_conv_la_LIBADD = $(PLUGIN_LIBS)
