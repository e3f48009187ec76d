# Nearest rows, nearest neighbours and k-means against brute force.
check_PROGRAMS += tests/search/test_kmeans tests/search/test_nearest tests/search/test_neighbours
