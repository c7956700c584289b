"""Score how far an image is from all known ones, by its embedding; the farther, the higher.

The score is a distance times the square root of a length. The distance is to the nearest known
images, of embeddings scaled to length 1 (Sun et al. 2022), in their principal subspace. The length
is what lies outside that subspace (Wang et al. 2022, ViM), of the embedding as it is. The first
alone refuses too many known animals of another source, the second alone too few other things;
benchmarks/unknown_scores.py compares them with other scores. Labels are not used.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from threadpoolctl import threadpool_limits

from thaw.errors import ThawError

DIRECTIONS = 256  # principal ones, at most
REFERENCES = 4096  # known images that are kept, at most
NEAREST = 3  # known images, whose distances are averaged
TINY = np.float32(1e-12)  # in place of a length of 0
LEAST_SQUARE = 1e-4  # of the greatest; below it, float32 directions are no longer orthonormal
SLACK = 1e-4  # of the limit; the graph and NumPy agree to 7e-5
BLOCK = 1024  # rows whose distances are computed at once


@dataclass(frozen=True)
class Reference:
    """What known embeddings look like: K channels, D directions, R images.

    For K of 2,048 and R of 4,096 or more the arrays take 3.2 MB.
    """

    centre: np.ndarray  # float32 (K,), mean of the scaled embeddings
    directions: np.ndarray  # float16 (K, D), orthonormal columns
    references: np.ndarray  # float16 (R, D), scaled embeddings less the centre, in the directions
    nearest: int  # number of references whose distances are averaged

    @property
    def megabytes(self) -> float:
        """Size of the arrays, 10^6 bytes."""
        return sum(np.asarray(array).nbytes for array in vars(self).values()) / 1e6


def over_positions(embeddings: np.ndarray, positions: int) -> np.ndarray:
    """Flattened feature maps (N, positions · K) → their means over the positions, float32 (N, K).

    With pooling `average` there is one position, and nothing to do.
    """
    by_position = embeddings.reshape(len(embeddings), positions, -1)
    return by_position.mean(axis=1, dtype=np.float32)


@threadpool_limits.wrap(limits=1, user_api="blas")
def fit(embeddings: np.ndarray) -> Reference:
    """Fit the reference to the embeddings of known images without their views, float (N, K).

    At most half of the images and of the channels give directions, so that something lies outside.
    Of more than REFERENCES images, rows at equal steps are kept. The digits do not depend on the
    number of cores. Raises ThawError if there is no image or a value is not finite.
    """
    finite = np.isfinite(embeddings).all(axis=1)
    if not len(finite) or not finite.all():
        raise ThawError(
            "the unknown score needs finite embeddings of one known image or more, but got "
            f"{len(finite)}, {(~finite).sum()} of which are not finite: delete data/embeddings and "
            "run `dvc repro`"
        )
    known = _scaled(embeddings)[0]
    centre = known.mean(axis=0, dtype=np.float64).astype(np.float32)
    known -= centre
    count = max(1, min(DIRECTIONS, known.shape[0] // 2, known.shape[1] // 2))
    directions = _principal(known, count)
    kept = np.linspace(0, len(known) - 1, min(len(known), REFERENCES)).astype(np.int64)
    references = known[kept] @ directions
    return Reference(
        centre,
        directions.astype(np.float16),
        references.astype(np.float16),
        min(NEAREST, len(references)),
    )


def _principal(centred: np.ndarray, count: int) -> np.ndarray:
    """The first principal directions of centred rows, float32 (K, count)."""
    images, channels = centred.shape
    chosen = [min(images, channels) - count, min(images, channels) - 1]
    if images >= channels:
        return eigh(centred.T @ centred, subset_by_index=chosen)[1][:, ::-1]
    squares, vectors = eigh(centred @ centred.T, subset_by_index=chosen)  # the smaller matrix
    if squares[0] > LEAST_SQUARE * squares[-1]:
        return (centred.T @ vectors / np.sqrt(squares))[:, ::-1]
    # So many images are alike that other directions have to complete these.
    return np.linalg.svd(centred, full_matrices=False)[2][:count].T


@threadpool_limits.wrap(limits=1, user_api="blas")
def score(reference: Reference, embeddings: np.ndarray) -> np.ndarray:
    """The score of each embedding, float (N, K) → float32 (N,), 0 or more; larger is stranger."""
    starts = range(0, len(embeddings), BLOCK)
    blocks = [_score(reference, embeddings[start : start + BLOCK]) for start in starts]
    return np.concatenate([np.empty(0, np.float32), *blocks])


def _score(reference: Reference, embeddings: np.ndarray) -> np.ndarray:
    """As thaw.model.unknown_onnx computes it."""
    directions, references = (
        array.astype(np.float32) for array in (reference.directions, reference.references)
    )
    scaled, length = _scaled(embeddings)
    centred = scaled - reference.centre
    inside = centred @ directions
    outside = np.linalg.norm(centred - inside @ directions.T, axis=1) * length
    squares = (references**2).sum(axis=1) - 2 * inside @ references.T
    nearest = np.sort(squares, axis=1)[:, : reference.nearest] + (inside**2).sum(
        axis=1, keepdims=True
    )
    distance = np.sqrt(np.maximum(nearest, 0)).mean(axis=1)
    return distance * np.sqrt(outside)


def _scaled(embeddings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings scaled to length 1, float32 (N, K), and their lengths (N,)."""
    embeddings = embeddings.astype(np.float32)
    length = np.maximum(np.linalg.norm(embeddings, axis=1), TINY)
    return embeddings / length[:, None], length


def out_of_fold(embeddings: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The score of each embedding by the reference of the other folds, float32 (N,).

    embeddings: of known images without their views, float (N, K); fold: int (N,), two or more.
    """
    found = np.empty(len(embeddings), np.float32)
    for number in np.unique(fold):
        is_in = fold == number
        found[is_in] = score(fit(embeddings[~is_in]), embeddings[is_in])
    return found


def limit(scores: np.ndarray, refuse: float) -> float:
    """The limit above which at most the share `refuse` of these scores of known images lies.

    A little above that score, so that rounding elsewhere does not refuse its image.
    """
    return float(np.quantile(scores, 1 - refuse, method="higher")) * (1 + SLACK)
