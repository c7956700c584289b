"""The sample is drawn from its seed alone, damaged as it says, and its base is what it says."""

import io
import json
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image, ImageDraw
from project import ROOT, run
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from thaw.data.archive import open_members
from thaw.data.dataset import summary, write_images
from thaw.data.ingest import collect
from thaw.data.tables import read_rows
from thaw.images import decode
from thaw.model.base import SAMPLE_WEIGHTS, load_base
from thaw.params import load
from thaw.sample import generate
from thaw.sample.drawing import compose
from thaw.sample.generate import KINDS, draw, write_sample
from thaw.sample.things import THINGS, thing

COUNT = 12


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """A small sample."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generate, "PER_CLASS", COUNT)
        path = tmp_path_factory.mktemp("sample") / "sample.zip"
        write_sample(path)
        write_sample(path.with_name("again.zip"))
        write_sample(path.with_name("other.zip"), seed=1)
    return path


@pytest.fixture(scope="module")
def ingested(archive):
    with open_members(archive) as members:
        dataset = collect(members, load(ROOT / "params.yaml").data, workers=1)
        path = archive.with_name("images.parquet")
        write_images(path, members, dataset)
    rows = {row["name"]: row for row in read_rows(path)}
    reasons = {row.name: row.reason for row in dataset.inventory}
    return rows, reasons, summary(dataset)


def test_a_seed_gives_the_same_bytes_and_another_gives_others(archive):
    assert archive.read_bytes() == archive.with_name("again.zip").read_bytes()
    assert archive.read_bytes() != archive.with_name("other.zip").read_bytes()


def test_an_image_depends_on_seed_class_and_number_alone():
    images = {key: draw(*key).tobytes() for key in [(0, "Cat", 3), (1, "Cat", 3), (0, "Dog", 3)]}
    assert len(set(images.values())) == 3
    draw(0, "Dog", 9)
    assert draw(0, "Cat", 3).tobytes() == images[0, "Cat", 3]


def test_the_outline_is_where_another_animal_changes_the_image():
    """Of two coats in one scene, the pixels that differ are those of the animal."""
    animals = [Image.new("RGBA", (256, 256)) for _ in range(2)]
    for layer, fill in zip(animals, ("black", "white"), strict=True):
        ImageDraw.Draw(layer).ellipse((60, 40, 200, 230), fill=fill)
    for seed in range(20):  # some have something in front
        drawn = [compose(np.random.default_rng(seed), layer, (150, 170)) for layer in animals]
        (first, seen), (second, same) = ((np.asarray(i, float), np.asarray(m)) for i, m in drawn)
        assert (seen == same).all() and seen.shape == (170, 150)
        difference = np.abs(first - second).mean(axis=2)
        assert difference[seen == 255].mean() > 20 * difference[seen == 0].mean()


def test_the_layout_is_that_of_the_public_archive(archive):
    with zipfile.ZipFile(archive) as members:
        names = members.namelist()
    for label in KINDS:
        assert {f"PetImages/{label}/{number}.jpg" for number in range(COUNT)} < set(names)
    folders = {name.rpartition("/")[0] for name in names}
    assert folders == {"", "PetImages/Cat", "PetImages/Dog"}


def test_each_planted_fault_comes_out_of_ingest_as_it_is_meant(ingested):
    rows, reasons, numbers = ingested
    assert reasons == {
        "readme[1].txt": "not an image file",
        "Cat/Thumbs.db": "not an image file",
        "Dog/Thumbs.db": "not an image file",
        f"Cat/{COUNT}.jpg": "empty",
        f"Dog/{COUNT + 1}.jpg": "empty",
        f"Cat/{COUNT + 2}.jpg": "truncated",
        f"Dog/{COUNT + 3}.jpg": "truncated",
        f"Cat/{COUNT + 4}.jpg": "not an image",
        "Cat/7.jpg": "duplicate",  # of Cat/19.jpg, the first by name
        "Cat/8.jpg": "two labels",
        f"Dog/{COUNT + 8}.jpg": "two labels",
        "Dog/9.jpg": "near duplicate",
        f"Dog/{COUNT + 9}.jpg": "near duplicate",
    }
    assert numbers["classes"] == {"Cat": COUNT + 1, "Dog": COUNT + 2}
    assert f"Cat/{COUNT + 7}.jpg" in rows
    assert rows[f"Dog/{COUNT + 9}.jpg"]["group"] == rows["Dog/9.jpg"]["group"]
    assert numbers["groups"] == len(rows) - 1


def test_a_png_named_jpg_and_a_cmyk_image_are_kept_and_look_as_drawn(ingested):
    for label, number, kind, mode in (("Dog", 5, "PNG", "RGB"), ("Cat", 6, "JPEG", "CMYK")):
        kept = ingested[0][f"{label}/{COUNT + number}.jpg"]["bytes"]
        image = Image.open(io.BytesIO(kept))
        assert (image.format, image.mode) == (kind, mode)
        drawn = np.asarray(draw(0, label, COUNT + number).resize((64, 64))).astype(float)
        assert np.abs(decode(kept, 64) - drawn).mean() < 12


def test_the_turned_image_is_seen_upright(ingested):
    seen = decode(ingested[0][f"Cat/{COUNT + 10}.jpg"]["bytes"], 64).astype(float)
    upright = np.asarray(draw(0, "Cat", COUNT + 10).resize((64, 64))).astype(float)
    assert np.abs(seen - upright).mean() < 12
    assert np.abs(np.rot90(seen) - upright).mean() > 20


def test_the_base_is_small_and_tells_other_things_apart_which_a_random_one_does_not():
    assert SAMPLE_WEIGHTS.stat().st_size < 2_000_000
    assert not {"cat", "dog"} & {name.lower() for name in THINGS}
    base = load(ROOT / "params.yaml").base
    size = base.image_size
    kinds, kind = ("house", "car", "tree", "flower", "cup"), np.tile(np.arange(5), 12)
    images = [
        thing(np.random.default_rng([1, number]), kinds[index], size)[0]
        for number, index in enumerate(kind)
    ]
    inputs = np.stack(images).astype(np.float32) / 127.5 - 1

    def right(weights):
        keras.utils.set_random_seed(0)
        network = load_base(base.model_copy(update={"weights": weights}))
        features = np.mean(network(inputs, training=False), axis=(1, 2))
        classifier = make_pipeline(StandardScaler(), KNeighborsClassifier(3))
        return classifier.fit(features[:30], kind[:30]).score(features[30:], kind[30:])

    assert right("sample") > right("none") + 0.3  # chance is 0.2


def test_pretraining_checks_itself_on_images_it_was_not_trained_on():
    """In a process of its own: it forks, which TensorFlow's threads do not survive."""
    code = (
        "import json, hashlib; from thaw.sample.pretrain import draw_all;"
        "draw = lambda *which: [(int(label), hashlib.md5(image).hexdigest())"
        " for image, label in zip(*draw_all(*which))];"
        "print(json.dumps([draw(0, 2), draw(1, 1)]))"
    )
    train, later = json.loads(run(f'python -c "{code}" 2>/dev/null', ROOT))
    assert later == train[len(THINGS) :]
    assert [label for label, _ in later] == list(range(len(THINGS)))
    assert len({digest for _, digest in train}) == 2 * len(THINGS)
