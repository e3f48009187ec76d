# Architectures whose published weights are read and written: lists of names, and which model they make.
checkpointsdir = $(pluginsdir)/checkpoints
checkpoints_LTLIBRARIES = plugins/checkpoints/unleashing_transformers.la plugins/checkpoints/taming.la plugins/checkpoints/vq_ddm.la

plugins_checkpoints_unleashing_transformers_la_SOURCES = plugins/checkpoints/unleashing_transformers/unleashing_transformers.c \
    plugins/checkpoints/unleashing_transformers/unleashing_autoencoder.c plugins/checkpoints/unleashing_transformers/unleashing_prior.c \
    plugins/checkpoints/unleashing_transformers/unleashing.h
plugins_checkpoints_unleashing_transformers_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_unleashing_transformers_la_LIBADD = $(PLUGIN_LIBS)

plugins_checkpoints_taming_la_SOURCES = plugins/checkpoints/taming/taming.c plugins/checkpoints/taming/taming_prior.c \
    plugins/checkpoints/taming/taming_prior.h
plugins_checkpoints_taming_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_taming_la_LIBADD = $(PLUGIN_LIBS)

plugins_checkpoints_vq_ddm_la_SOURCES = plugins/checkpoints/vq_ddm/vq_ddm.c plugins/checkpoints/vq_ddm/vq_ddm_export.c \
    plugins/checkpoints/vq_ddm/vq_ddm.h
plugins_checkpoints_vq_ddm_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_vq_ddm_la_LIBADD = $(PLUGIN_LIBS)

checkpoints_LTLIBRARIES += plugins/checkpoints/diffusers.la
plugins_checkpoints_diffusers_la_SOURCES = plugins/checkpoints/diffusers.c
plugins_checkpoints_diffusers_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_diffusers_la_LIBADD = $(PLUGIN_LIBS)

checkpoints_LTLIBRARIES += plugins/checkpoints/llamagen.la
plugins_checkpoints_llamagen_la_SOURCES = plugins/checkpoints/llamagen.c
plugins_checkpoints_llamagen_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_llamagen_la_LIBADD = $(PLUGIN_LIBS)

checkpoints_LTLIBRARIES += plugins/checkpoints/ibq.la
plugins_checkpoints_ibq_la_SOURCES = plugins/checkpoints/ibq.c
plugins_checkpoints_ibq_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_ibq_la_LIBADD = $(PLUGIN_LIBS)

checkpoints_LTLIBRARIES += plugins/checkpoints/open_magvit2.la
plugins_checkpoints_open_magvit2_la_SOURCES = plugins/checkpoints/open_magvit2.c
plugins_checkpoints_open_magvit2_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_open_magvit2_la_LIBADD = $(PLUGIN_LIBS)
