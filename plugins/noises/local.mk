noisesdir = $(pluginsdir)/noises
noises_LTLIBRARIES = plugins/noises/absorbing.la plugins/noises/uniform.la plugins/noises/autoregressive.la
plugins_noises_absorbing_la_SOURCES = plugins/noises/absorbing.c
plugins_noises_absorbing_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_noises_absorbing_la_LIBADD = $(PLUGIN_LIBS)
plugins_noises_uniform_la_SOURCES = plugins/noises/uniform/uniform.c plugins/noises/uniform/uniform_steps.c \
    plugins/noises/uniform/uniform_steps.h plugins/noises/uniform/uniform_times.c plugins/noises/uniform/uniform_times.h
plugins_noises_uniform_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_noises_uniform_la_LIBADD = $(PLUGIN_LIBS)
plugins_noises_autoregressive_la_SOURCES = plugins/noises/autoregressive.c
plugins_noises_autoregressive_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_noises_autoregressive_la_LIBADD = $(PLUGIN_LIBS)
