# Architectures whose published weights are read and written: lists of names, and which model they make.
checkpointsdir = $(pluginsdir)/checkpoints
checkpoints_LTLIBRARIES = plugins/checkpoints/unleashing_transformers.la plugins/checkpoints/taming.la plugins/checkpoints/vq_ddm.la

plugins_checkpoints_unleashing_transformers_la_SOURCES = plugins/checkpoints/unleashing_transformers/unleashing_transformers.c \
    plugins/checkpoints/unleashing_transformers/unleashing_autoencoder.c plugins/checkpoints/unleashing_transformers/unleashing_prior.c \
    plugins/checkpoints/unleashing_transformers/unleashing.h
plugins_checkpoints_unleashing_transformers_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_unleashing_transformers_la_LIBADD = $(PLUGIN_LIBS)

plugins_checkpoints_taming_la_SOURCES = plugins/checkpoints/taming.c
plugins_checkpoints_taming_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_taming_la_LIBADD = $(PLUGIN_LIBS)

plugins_checkpoints_vq_ddm_la_SOURCES = plugins/checkpoints/vq_ddm.c
plugins_checkpoints_vq_ddm_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_vq_ddm_la_LIBADD = $(PLUGIN_LIBS)
