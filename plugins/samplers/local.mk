samplersdir = $(pluginsdir)/samplers
samplers_LTLIBRARIES = plugins/samplers/ancestral.la plugins/samplers/maskgit.la
plugins_samplers_ancestral_la_SOURCES = plugins/samplers/ancestral.c
plugins_samplers_ancestral_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_samplers_ancestral_la_LIBADD = $(PLUGIN_LIBS)
plugins_samplers_maskgit_la_SOURCES = plugins/samplers/maskgit.c
plugins_samplers_maskgit_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_samplers_maskgit_la_LIBADD = $(PLUGIN_LIBS)
