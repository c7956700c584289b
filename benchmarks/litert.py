"""Compare the LiteRT file with the bundle: answers, size, and time of an image.

    python benchmarks/litert.py ARCHIVE WEIGHTS [key=value ...]

ARCHIVE: a zip of photographs of cats and dogs; WEIGHTS: an ImageNet file of MobileNetV2 1.0 with
no top. Runs the pipeline with the setup `photographs` at 224 pixels, without test-time flip, in a
clone; further settings go on top. Then both answer every test image, one thread each, in turn.
Prints a Markdown table: images with equal labels, and with equal refusals as unknown, the largest
difference of a probability, size, and the median of the time that the network takes, with p99.
"""

import json
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from clone import clone, timed

from thaw.data.tables import read_rows, read_split
from thaw.litert import MANIFEST, open_litert
from thaw.serving.predictor import Predictor

SETTINGS = "base.image_size=224 export.tta_flip=false export.formats=[litert]"


def shown(seconds: list[float]) -> str:
    """Median and p99, in milliseconds."""
    median, most = 1e3 * np.percentile(seconds[1:], [50, 99])
    return f"{median:.2f} ({most:.2f})"


def main() -> None:
    """Run the pipeline, answer with both, and print the table."""
    archive, weights, *more = sys.argv[1:]
    folder = clone()
    files = f"data.source={Path(archive).resolve()} base.weights={Path(weights).resolve()}"
    timed(f"thaw use photographs {files} {SETTINGS} {' '.join(more)}", folder)
    timed("dvc repro evaluate", folder)
    images, bundle = folder / "data/images.parquet", folder / "models/bundle"
    predictor, device = Predictor(bundle), open_litert(folder / "models/litert")
    assert device is not None
    about = json.loads((folder / "models/litert" / MANIFEST).read_text())
    split = read_split(folder / "data/split.csv", images)
    test = set(split.loc[split["split"] == "test", "name"])
    seconds: tuple[list[float], list[float]] = ([], [])
    labels = refusals = 0
    largest = 0.0
    for row in read_rows(images, ["name", "bytes"], test):
        image = predictor.decode(row["bytes"])
        start = perf_counter()
        expected = predictor.predict(image[None])
        between = perf_counter()
        found = device.predict(image)
        for times, taken in zip(seconds, (between - start, perf_counter() - between), strict=True):
            times.append(taken)
        probabilities = np.stack([expected.probabilities[0], found["probabilities"]])
        answers = predictor.rule.decide(probabilities)[0]
        labels += int(answers[0] == answers[1])
        is_unknown = expected.unknown_score[0] > predictor.unknown_limit
        refusals += int(is_unknown == (found["unknown_score"] > about["unknown_limit"]))
        largest = max(largest, float(np.abs(probabilities[0] - probabilities[1]).max()))
    megabytes = (bundle / "model.onnx").stat().st_size / 1e6
    print("| | n | equal labels | equal refusals | largest difference | MB | ms an image (p99) |")
    print("|---|---|---|---|---|---|---|")
    print(f"| bundle, OpenVINO | {len(test)} | | | | {megabytes:.1f} | {shown(seconds[0])} |")
    print(
        f"| LiteRT | {len(test)} | {labels} | {refusals} | {largest:.1e} | "
        f"{device.megabytes:.1f} | {shown(seconds[1])} |"
    )


if __name__ == "__main__":
    main()
