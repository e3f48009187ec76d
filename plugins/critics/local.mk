criticsdir = $(pluginsdir)/critics
critics_LTLIBRARIES = plugins/critics/patchgan.la
plugins_critics_patchgan_la_SOURCES = plugins/critics/patchgan.c
plugins_critics_patchgan_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_critics_patchgan_la_LIBADD = $(PLUGIN_LIBS)
