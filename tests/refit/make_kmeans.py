#!/usr/bin/env python3
"""Write kmeans.h5: two pools of vectors, seeds, and what scikit-learn's KMeans makes of them.

usage: make_kmeans.py [FILE]

The settings are those of the published ReFiT code: given seeds, Lloyd's iterations, at most 300, a tolerance of 1e-4. Per pool (a group):
`vectors` (P, D), `seeds` (K, D), both float32, and `objective`, the mean squared distance of a vector to the nearest of the centres.
Needs scikit-learn, numpy and h5py; the tests need none of them.
"""
import sys

import h5py
import numpy as np
import sklearn
from sklearn.cluster import KMeans


def clusters(random, p, d):
    """Clusters of unequal size and width, as latents have them."""
    places = random.normal(size=(20, d)) * 3
    spread = random.uniform(0.2, 1.5, size=(20, 1))
    which = random.choice(20, size=p, p=random.dirichlet(np.ones(20)))
    return places[which] + random.normal(size=(p, d)) * spread[which]


def cloud(random, p, d):
    """No clusters at all: many optima, none much better than another."""
    return random.normal(size=(p, d)) @ random.normal(size=(d, d))


def main():
    random = np.random.default_rng(7)
    with h5py.File(sys.argv[1] if len(sys.argv) > 1 else "kmeans.h5", "w") as h5:
        h5.attrs["scikit_learn"] = sklearn.__version__
        for name, make, p, d, k in (("clusters", clusters, 1500, 8, 32), ("cloud", cloud, 1200, 6, 24)):
            vectors = make(random, p, d).astype(np.float32)
            seeds = vectors[random.choice(p, size=k, replace=False)]
            fitted = KMeans(k, init=seeds, n_init=1, max_iter=300, tol=1e-4, algorithm="lloyd").fit(vectors)
            square = ((vectors[:, None].astype(np.float64) - fitted.cluster_centers_[None]) ** 2).sum(2).min(1)
            group = h5.create_group(name)
            group.create_dataset("vectors", data=vectors)
            group.create_dataset("seeds", data=seeds)
            group.create_dataset("objective", data=square.mean())
            print(f"{name}: {fitted.n_iter_} iterations, {square.mean():.6g}")


main()
