# Architectures whose published weights are read and written: lists of names, and which model they make.
checkpointsdir = $(pluginsdir)/checkpoints
checkpoints_LTLIBRARIES = plugins/checkpoints/unleashing_transformers.la
plugins_checkpoints_unleashing_transformers_la_SOURCES = plugins/checkpoints/unleashing_transformers.c \
    plugins/checkpoints/name_table.c plugins/checkpoints/name_table.h
plugins_checkpoints_unleashing_transformers_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_unleashing_transformers_la_LIBADD = $(PLUGIN_LIBS)
