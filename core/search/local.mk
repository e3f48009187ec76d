# Nearest codebook rows, nearest neighbours, k-means.
libtessera_la_SOURCES += core/search/kmeans.c core/search/kmeans_private.h core/search/kmeans_seed.c core/search/nearest.c \
    core/search/nearest.h core/search/neighbours.c
