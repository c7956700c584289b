"""ingest and split, run as stages on sources of each layout."""

import json
import logging
import runpy
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from PIL import Image
from project import ROOT

from thaw.data.tables import LEAK, read_classes, read_rows, read_split
from thaw.features.rows import Rows
from thaw.paths import IMAGES, SPLIT, VIEWS

COUNT = 12  # images of each class


@pytest.fixture
def stages(tmp_path, monkeypatch, caplog):
    """A function that runs ingest and split with some params changed; their log."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("thaw.parallel.cores", lambda: 1)
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    caplog.set_level(logging.INFO, "thaw")

    def run(source, *names, expect=0, **changes):
        caplog.clear()
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        params["split"]["folds"], params["crossval"]["enabled"] = 2, False
        for key, value in {
            "data__source": str(source),
            "data__watch": str(source),
            **changes,
        }.items():
            section, _, name = key.partition("__")
            params[section][name] = value
        Path("params.yaml").write_text(yaml.safe_dump(params))
        for name in names or ("ingest", "split"):
            script = str(ROOT / "stages" / f"{name}.py")
            if expect:
                with pytest.raises(SystemExit):
                    runpy.run_path(script, run_name="__main__")
            else:
                runpy.run_path(script, run_name="__main__")
        return caplog.messages

    return run


@pytest.fixture
def jpeg(draw, encode):
    """A function that encodes the image of a seed."""
    return lambda seed: encode(draw(seed), quality=95)


def zipped(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def images():
    return {row["name"]: row for row in read_rows("data/images.parquet")}


def splits():
    table = read_split(Path("data/split.csv"), Path("data/images.parquet"))
    return table.set_index("name")["split"]


def left_out():
    return json.loads(Path("data/ingest.json").read_text())["left_out"]


def test_kaggles_layout(stages, jpeg, tmp_path):
    members = {f"train/cat.{n}.jpg": jpeg(n) for n in range(COUNT)}
    members |= {f"train/dog.{n}.jpg": jpeg(100 + n) for n in range(COUNT)}
    members |= {f"test1/{n}.jpg": jpeg(200 + n) for n in range(1, 4)}
    source = zipped(tmp_path / "dogs-vs-cats.zip", members)
    log = stages(source)
    assert log[0].startswith("data.layout is prefix: 24 of 27 names such as cat.0.jpg, of cat, dog")
    assert "24 images of 2 classes kept, 3 files left out: 3 no label" in log
    assert read_classes("data/images.parquet") == ["cat", "dog"] and left_out() == {"no label": 3}
    row = images()["train/dog.3.jpg"]
    assert row["label"] == "dog" and "attributes" not in row
    log = stages(source, "ingest", data__layout="folders", data__min_per_class=3)
    assert "classes are called like splits: test1, train; is data.layout right?" in log


def breeds(jpeg):
    """Flat images and their table: six breeds of 12 images and three of two or three."""
    sizes = {f"breed {n}": COUNT for n in range(6)} | {"rare 1": 2, "rare 2": 3, "rare 3": 2}
    names = [breed for breed, size in sizes.items() for _ in range(size)]
    rows = [
        {"file": f"images/{n:03}.jpg", "label": "Cat" if n % 2 else "Dog", "breed": breed}
        for n, breed in enumerate(names)
    ]
    return {row["file"]: jpeg(n) for n, row in enumerate(rows)}, pd.DataFrame(rows)


def test_a_table_inside_the_archive_with_few_and_with_many_classes(stages, jpeg, tmp_path):
    members, table = breeds(jpeg)
    members["labels.csv"] = table.to_csv(index=False)
    source = zipped(tmp_path / "breeds.zip", members)
    log = stages(source)
    assert "data.layout is csv: label and file in labels.csv label 79 of 79 images" in log
    assert "79 images of 2 classes kept, 0 files left out" in log
    row = images()["images/000.jpg"]
    assert row["label"] == "Dog" and json.loads(row["attributes"]) == {"breed": "breed 0"}
    first = Path("data/images.parquet").read_bytes()
    stages(source, data__layout="csv", data__table="labels.csv")
    assert Path("data/images.parquet").read_bytes() == first
    [_, error] = stages(source, "ingest", expect=1, data__label_column="breed")
    assert "a class needs at least 10 usable images, but rare 1 has 2" in error
    assert "set data.min_per_class" in error
    log = stages(source, data__label_column="breed", data__min_per_class=5)
    assert (
        "data.min_per_class = 5 drops 3 classes with 7 images: rare 1 has 2, rare 2 has 3, "
        "rare 3 has 2"
    ) in log
    assert log[-1] == "72 images of 6 classes kept, 7 files left out: 7 small class"
    assert len(read_classes("data/images.parquet")) == 6 and len(splits()) == 72


def test_a_table_beside_the_source_is_read_and_checked(stages, jpeg, tmp_path):
    members, table = breeds(jpeg)
    source = zipped(tmp_path / "breeds.zip", members)
    table["file"] = table["file"].str.extract(r"(\d+)\.")
    table.to_csv(tmp_path / "labels.csv", index=False)
    settings = {"data__table": "labels.csv", "data__watch_table": "labels.csv"}
    assert stages(source, **settings, data__file_column="file")[-1].startswith("79 images of 2")
    [message] = stages(source, "ingest", expect=1, data__table="other.csv")
    assert "other.csv is neither" in message


def test_given_splits_in_folders_and_their_leaks(stages, jpeg, draw, encode, tmp_path):
    counts = {"train": 8, "valid": 4, "test": 4}
    members = {
        f"pets/{part}/{label}/{n}.jpg": jpeg(1000 * index + n + 100 * list(counts).index(part))
        for part, count in counts.items()
        for index, label in enumerate(("Cat", "Dog"))
        for n in range(count)
    }
    near = draw(1201).resize((44, 36), Image.Resampling.BICUBIC)
    members |= {
        "pets/train/Cat/exact.jpg": members["pets/test/Cat/1.jpg"],
        "pets/train/Dog/copy.jpg": members["pets/valid/Dog/2.jpg"],
        "pets/valid/Cat/late.jpg": members["pets/test/Cat/3.jpg"],
        "pets/train/Dog/near.jpg": encode(near, quality=90),
        "pets/test/unlabelled.jpg": jpeg(7),
    }
    source = zipped(tmp_path / "pets.zip", members)
    log = stages(source, data__min_per_class=3)
    assert log[0].startswith("data.layout is splits: class folders in folders of train, val, test")
    assert log[-2] == "33 images of 2 classes kept, 4 files left out: 3 duplicate, 1 no label"
    assert log[-1].startswith("4 images are also in another given split (3 of train, 1 of val), f")
    found = splits()
    assert list(found.index[found == LEAK]) == ["pets/train/Dog/near.jpg"]
    assert found["pets/test/Cat/1.jpg"] == "test" and found["pets/valid/Dog/2.jpg"] == "val"
    assert found.groupby(found).size().to_dict() == {"leak": 1, "test": 8, "train": 16, "val": 8}
    stages(source, "augment", data__min_per_class=3)
    rows = Rows(IMAGES, SPLIT, VIEWS)
    assert len(rows) == len(list(rows)) > (found != LEAK).sum()
    assert {(row.name, row.split) for row in rows} == {
        (name, part) for name, part in found.items() if part in ("train", "val")
    }
    log = stages(source, "split", expect=1, data__min_per_class=3, split__on_leak="error")
    assert "must not share images or groups, but 4 images" in log[-1]


def test_given_splits_and_groups_in_a_table(stages, jpeg, tmp_path):
    rows = [
        {"file": f"{n}.jpg", "label": "Cat" if n < 16 else "Dog", "person": n // 2}
        | {"part": ("train", "train", "val", "test")[n // 2 % 4]}
        for n in range(32)
    ]
    table = pd.DataFrame(rows)
    table.loc[6, "person"] = 0  # in test; the others of person 0 are in train
    members = {row["file"]: jpeg(n) for n, row in enumerate(rows)}
    source = zipped(tmp_path / "people.zip", members | {"t.csv": table.to_csv(index=False)})
    log = stages(source, split__column="part", split__group_column="person")
    assert log[-1].startswith("2 images are also in another given split (2 of train), first 0.jpg")
    found = splits()
    assert sorted(found.index[found == LEAK]) == ["0.jpg", "1.jpg"]
    part = table.set_index("file")["part"].drop(["0.jpg", "1.jpg"])
    assert (found.loc[part.index] == part).all()
    stages(source, "split", split__group_column="person")
    table = table.assign(split=splits().reindex(table["file"]).to_numpy())
    assert (table.groupby("person")["split"].nunique() == 1).all()
    log = stages(tmp_path / "people.zip", "split", expect=1, split__column="nothing")
    assert "there are part, person" in log[-1]


def test_class_names_of_any_kind(stages, jpeg, tmp_path):
    names = ["a, b", "c/d", 'say "e"', "..f", "犬", "\U0001f9ed", "NA", "$g$"]
    rows = [{"file": f"{n}.jpg", "label": names[n % len(names)]} for n in range(8 * COUNT)]
    members = {row["file"]: jpeg(n) for n, row in enumerate(rows)}
    table = pd.DataFrame(rows).to_csv(index=False)
    stages(zipped(tmp_path / "names.zip", members | {"t.csv": table}))
    assert read_classes("data/images.parquet") == sorted(names)
    found = read_split(Path("data/split.csv"), Path("data/images.parquet"))
    assert dict(zip(found["name"], found["label"])) == {row["file"]: row["label"] for row in rows}


@pytest.mark.parametrize("setup", sorted((ROOT / "setups").glob("*.yaml")), ids=lambda p: p.stem)
def test_a_setup_makes_views_of_classes_of_any_name(setup, stages, jpeg, tmp_path):
    members = {
        f"{label}/{n}.jpg": jpeg(100 * index + n)
        for index, label in enumerate(("Äpfel", "梨"))
        for n in range(COUNT)
    }
    source = zipped(tmp_path / "fruit.zip", members)
    settings = {
        f"{section}__{key}": value
        for section, values in yaml.safe_load(setup.read_text()).items()
        if section != "seed"
        for key, value in values.items()
        if key not in ("source", "watch")
    } | {"augment__views": 1}
    stages(source, "ingest", "split", "augment", **settings)
    assert {row["label"] for row in read_rows("data/views.parquet")} == {"Äpfel", "梨"}


def test_one_class_and_hidden_classes_are_one_line(stages, jpeg, tmp_path):
    for number in range(COUNT):
        (tmp_path / "pets/Cat").mkdir(parents=True, exist_ok=True)
        (tmp_path / "pets/.NET").mkdir(exist_ok=True)
        (tmp_path / f"pets/Cat/{number}.jpg").write_bytes(jpeg(number))
        (tmp_path / f"pets/.NET/{number}.jpg").write_bytes(jpeg(100 + number))
    [message] = stages(tmp_path / "pets", "ingest", expect=1)
    assert "with two classes or more" in message and "class folders Cat;" in message
    [_, message] = stages(tmp_path / "pets", "ingest", expect=1, data__layout="folders")
    assert message.startswith("error in ingest: at least two different classes are needed")


def test_a_seed_of_the_split_keeps_it_while_the_seed_varies(stages, jpeg, tmp_path):
    for number in range(2 * COUNT):
        folder = tmp_path / "images" / ("Cat" if number % 2 else "Dog")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.jpg").write_bytes(jpeg(number))

    def split_by(seed, split_seed):
        params = yaml.safe_load(Path("params.yaml").read_text()) | {"seed": seed}
        params["split"]["seed"] = split_seed
        Path("params.yaml").write_text(yaml.safe_dump(params))
        runpy.run_path(str(ROOT / "stages/split.py"), run_name="__main__")
        return Path("data/split.csv").read_text()

    stages(tmp_path / "images", "ingest")
    assert split_by(1, 7) == split_by(2, 7) == split_by(7, None)
    assert split_by(1, None) != split_by(2, None) == split_by(3, 2)
