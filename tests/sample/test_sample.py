"""The sample is drawn from its seed alone, damaged as it says, and its base is what it says."""

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from thaw.data.archive import open_members
from thaw.data.images import decode, read_rows
from thaw.data.ingest import collect, summary, write_images
from thaw.model.backbones import SAMPLE_WEIGHTS, build
from thaw.sample import generate
from thaw.sample.generate import KINDS, draw, write_sample
from thaw.sample.things import THINGS, thing

COUNT = 12


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A small sample."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "PICTURES", COUNT)
        path = tmp_path_factory.mktemp("sample") / "sample.zip"
        write_sample(path)
        write_sample(path.with_name("again.zip"))
        write_sample(path.with_name("other.zip"), seed=1)
    return path


@pytest.fixture(scope="module")
def ingested(archive):
    with open_members(archive) as members:
        collection = collect(members, [], None, 50.0, 4, workers=1)
        path = archive.with_name("images.parquet")
        write_images(path, members, collection)
    rows = {row["name"]: row for row in read_rows(path)}
    reasons = {remark.name: remark.reason for remark in collection.remarks}
    return rows, reasons, summary(collection)


def test_a_seed_gives_the_same_bytes_and_another_gives_others(archive):
    assert archive.read_bytes() == archive.with_name("again.zip").read_bytes()
    assert archive.read_bytes() != archive.with_name("other.zip").read_bytes()


def test_a_picture_depends_on_seed_class_and_number_alone():
    pictures = {key: draw(*key).tobytes() for key in [(0, "Cat", 3), (1, "Cat", 3), (0, "Dog", 3)]}
    assert len(set(pictures.values())) == 3
    draw(0, "Dog", 9)
    assert draw(0, "Cat", 3).tobytes() == pictures[0, "Cat", 3]


def test_each_planted_fault_comes_out_of_ingest_as_it_is_meant(ingested):
    rows, reasons, numbers = ingested
    cat, dog = (f"{label}/" for label in KINDS)
    assert numbers["classes"] == {"Cat": COUNT + 1, "Dog": COUNT + 2}
    for name, reason in {
        f"{cat}{COUNT}.jpg": "empty",
        f"{dog}{COUNT + 1}.jpg": "empty",
        f"{cat}{COUNT + 2}.jpg": "truncated",
        f"{dog}{COUNT + 3}.jpg": "truncated",
        f"{cat}{COUNT + 4}.jpg": "not an image",
    }.items():
        assert reasons[name] == reason and name not in rows
    assert f"{dog}{COUNT + 5}.jpg" in rows and f"{cat}{COUNT + 6}.jpg" in rows
    assert len({f"{cat}7.jpg", f"{cat}{COUNT + 7}.jpg"} & set(rows)) == 1
    assert not {f"{cat}8.jpg", f"{dog}{COUNT + 8}.jpg"} & set(rows)
    assert rows[f"{dog}{COUNT + 9}.jpg"]["group"] == rows[f"{dog}9.jpg"]["group"]


def test_the_turned_picture_is_seen_upright(ingested):
    seen = decode(ingested[0][f"Cat/{COUNT + 10}.jpg"]["bytes"], 64).astype(float)
    upright = np.asarray(draw(0, "Cat", COUNT + 10).resize((64, 64))).astype(float)
    assert np.abs(seen - upright).mean() < 12
    assert np.abs(np.rot90(seen) - upright).mean() > 20


def test_the_base_was_trained_on_other_things_and_is_small():
    assert SAMPLE_WEIGHTS.stat().st_size < 2_000_000
    assert not {"cat", "dog"} & {name.lower() for name in THINGS}
    base = build("MobileNetV2", "sample", 128, 0.25)
    kinds = list(THINGS)[:5]
    pictures, kind = [], np.tile(np.arange(5), 16)
    for number, index in enumerate(kind):
        pictures.append(thing(np.random.default_rng([1, number]), kinds[index], 128))
    inputs = np.stack(pictures).astype(np.float32) / 127.5 - 1

    def right(network):
        features = np.mean(network.predict(inputs, verbose=0), axis=(1, 2))
        classifier = make_pipeline(StandardScaler(), KNeighborsClassifier(3))
        return classifier.fit(features[:50], kind[:50]).score(features[50:], kind[50:])

    assert right(base) > right(build("MobileNetV2", "none", 128, 0.25)) + 0.2
