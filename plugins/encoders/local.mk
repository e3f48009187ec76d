encodersdir = $(pluginsdir)/encoders
encoders_LTLIBRARIES = plugins/encoders/conv.la plugins/encoders/magvit2.la
plugins_encoders_conv_la_SOURCES = plugins/encoders/conv_encoder.c
plugins_encoders_conv_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_encoders_conv_la_LIBADD = $(PLUGIN_LIBS)
plugins_encoders_magvit2_la_SOURCES = plugins/encoders/magvit2_encoder.c
plugins_encoders_magvit2_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_encoders_magvit2_la_LIBADD = $(PLUGIN_LIBS)
