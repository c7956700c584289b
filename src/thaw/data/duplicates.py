"""Images that show the same thing, by their perceptual hashes."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

BLOCK = 512  # rows compared with all others at a time: at 50,000 images 200 MB


def near_pairs(hashes: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions i < j of all pairs of uint64 `hashes` (N,) that differ in at most `bits` bits."""
    left, right = [], []
    for start in range(0, len(hashes), BLOCK):
        block = hashes[start : start + BLOCK]
        distance = np.bitwise_count(block[:, None] ^ hashes[None, start:])
        i, j = np.nonzero(distance <= bits)
        left.append(start + i[i < j])
        right.append(start + j[i < j])
    return np.concatenate(left), np.concatenate(right)


def group_names(names: Sequence[str], phashes: Sequence[str], bits: int) -> list[str]:
    """For each image the name of the first member, by name, of its group.

    Images whose 64-bit hashes differ in at most `bits` bits share a group, and so do those
    that a chain of such pairs joins: no near pair may stand on both sides of a split.
    """
    hashes = np.array([int(phash, 16) for phash in phashes], dtype=np.uint64)
    left, right = near_pairs(hashes, bits)
    joined = coo_matrix((np.ones(len(left), bool), (left, right)), (len(names), len(names)))
    _, members_of = connected_components(joined, directed=False)
    first: dict[int, str] = {}
    for name, group in sorted(zip(names, members_of.tolist(), strict=True)):
        first.setdefault(group, name)
    return [first[group] for group in members_of.tolist()]
