"""Group near-duplicate images by their perceptual hashes, and join groups."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

BLOCK = 32  # rows compared with all others at a time: 13 MB at 50,000 images, which fits the cache


def near_pairs(hashes: np.ndarray, max_distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices i < j of all pairs whose Hamming distance is at most `max_distance` bits.

    hashes: uint64 (N,). Returns two integer arrays (pairs,).
    """
    left, right = [], []
    for start in range(0, len(hashes), BLOCK):
        block = hashes[start : start + BLOCK]
        distance = np.bitwise_count(block[:, None] ^ hashes[None, start:])
        i, j = np.nonzero(distance <= max_distance)
        left.append(start + i[i < j])
        right.append(start + j[i < j])
    return np.concatenate(left), np.concatenate(right)


def group_names(names: Sequence[str], phashes: Sequence[str], max_distance: int) -> list[str]:
    """The group of each image, called after the group's alphabetically first image.

    Two images share a group if a chain of near-duplicate pairs connects them, so no such pair is
    ever separated by a split. phashes: 16 hexadecimal digits each. max_distance: see `near_pairs`.
    """
    hashes = np.array([int(phash, 16) for phash in phashes], dtype=np.uint64)
    # Each image is joined with the first of the same hash: the pairs of 20,000 blank images would
    # take 11 GB.
    distinct, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    left, right = (first[side] for side in near_pairs(distinct, max_distance))
    same_left, same_right = np.arange(len(names)), first[which]
    return join_pairs(names, np.append(same_left, left), np.append(same_right, right))


def join_pairs(
    names: Sequence[str], left: np.ndarray | Sequence[int], right: np.ndarray | Sequence[int]
) -> list[str]:
    """The group of each name if left[k] and right[k] belong together, called after its first name.

    left, right: indices into `names`.
    """
    adjacency = coo_matrix((np.ones(len(left), bool), (left, right)), (len(names), len(names)))
    _, components = connected_components(adjacency, directed=False)
    first_name: dict[int, str] = {}
    for name, component in sorted(zip(names, components.tolist(), strict=True)):
        first_name.setdefault(component, name)
    return [first_name[component] for component in components.tolist()]
