# Architectures whose published weights are read and written: lists of names, and which model they make.
checkpointsdir = $(pluginsdir)/checkpoints
checkpoints_LTLIBRARIES = plugins/checkpoints/unleashing_transformers.la plugins/checkpoints/taming.la plugins/checkpoints/vq_ddm.la
NAME_TABLE = plugins/checkpoints/name_table.c plugins/checkpoints/name_table.h
AUTOENCODER_NAMES = $(NAME_TABLE) plugins/checkpoints/conv_layout.c plugins/checkpoints/conv_layout.h \
    plugins/checkpoints/critic_names.c plugins/checkpoints/critic_names.h
TAMING_NAMES = $(AUTOENCODER_NAMES) plugins/checkpoints/taming_autoencoder.c plugins/checkpoints/taming_autoencoder.h

plugins_checkpoints_unleashing_transformers_la_SOURCES = plugins/checkpoints/unleashing_transformers.c \
    plugins/checkpoints/unleashing_autoencoder.c plugins/checkpoints/unleashing_prior.c plugins/checkpoints/unleashing.h $(AUTOENCODER_NAMES)
plugins_checkpoints_unleashing_transformers_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_unleashing_transformers_la_LIBADD = $(PLUGIN_LIBS)

plugins_checkpoints_taming_la_SOURCES = plugins/checkpoints/taming.c $(TAMING_NAMES)
plugins_checkpoints_taming_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_taming_la_LIBADD = $(PLUGIN_LIBS)

plugins_checkpoints_vq_ddm_la_SOURCES = plugins/checkpoints/vq_ddm.c $(TAMING_NAMES)
plugins_checkpoints_vq_ddm_la_LDFLAGS = $(PLUGIN_LDFLAGS)
plugins_checkpoints_vq_ddm_la_LIBADD = $(PLUGIN_LIBS)
