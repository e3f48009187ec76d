featuresdir = $(pluginsdir)/features
features_LTLIBRARIES = plugins/features/vgg16.la
plugins_features_vgg16_la_SOURCES = plugins/features/vgg16.c
plugins_features_vgg16_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_features_vgg16_la_LIBADD = $(PLUGIN_LIBS)
