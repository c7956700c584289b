"""`thaw predict`: what it reads, what it writes, and how it ends."""

import csv
import errno
import io
import json
import os
import signal
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image
from project import ROOT, run
from small_bundle import LABELS, save_colours, write_colours
from typer.testing import CliRunner

import thaw
from thaw.cli.main import app
from thaw.evaluate.predictions import predict as evaluated
from thaw.serving import batch
from thaw.serving.predictor import Predictor

HEADER = ["path", "label", *(f"p_{label}" for label in LABELS), "unknown_score", "abstain", "error"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a bundle, twelve images in class folders and a file that is none."""
    write_colours(tmp_path / "models/bundle")
    save_colours(tmp_path / "photos")
    (tmp_path / "text.jpg").write_bytes(b"text")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*words, expect=0, stdin=None):
    """Run the command: standard output, and standard error."""
    done = CliRunner().invoke(app, ["predict", *map(str, words)], input=stdin)
    assert done.exit_code == expect, (done.output, done.exception)
    assert "Traceback" not in done.stderr
    return done.stdout, done.stderr


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_folders_archives_globs_and_a_list_give_rows_in_their_order(folder):
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.write(folder / "photos/blue/0.png", "in/0.png")
        archive.writestr("notes.txt", "no image")
    stdout, stderr = call("photos/red", "more.zip", "photos/gr*/[12].png", "photos/red/0.png")
    rows = table(stdout)
    names = [f"photos/red/{k}.png" for k in range(4)]
    names += ["more.zip/in/0.png", "photos/green/1.png", "photos/green/2.png"]
    assert list(rows[0]) == HEADER and [row["path"] for row in rows] == names
    assert [row["label"] for row in rows] == 4 * ["red"] + ["blue"] + 2 * ["green"]
    assert stderr == ""
    listed, _ = call("-", stdin="photos/green/1.png\n\nmore.zip\n")
    assert [row["path"] for row in table(listed)] == ["photos/green/1.png", "more.zip/in/0.png"]


def test_python_evaluation_and_the_command_give_the_same_bits(folder):
    paths = sorted(folder.glob("photos/*/*.png"))
    rows = table(call(*paths)[0])
    classify = thaw.load("models/bundle")
    known = [
        {"name": str(path), "label": path.parent.name, "bytes": path.read_bytes()} for path in paths
    ]
    found = evaluated(Predictor("models/bundle", 2), known, {row["name"]: "test" for row in known})
    for k, (path, row, one) in enumerate(zip(paths, rows, classify(list(paths)), strict=True)):
        p = np.array([row[f"p_{label}"] for label in LABELS], np.float32)
        np.testing.assert_array_equal(p, np.float32(list(one.probabilities.values())))
        np.testing.assert_array_equal(p, found.probabilities[k])
        assert np.float32(row["unknown_score"]) == one.unknown_score == found.unknown_scores[k]
        assert one.probabilities == classify(path).probabilities


def test_an_image_that_cannot_be_used_is_a_row(folder):
    (folder / "bad.zip").write_bytes(b"PK\x03\x04 no archive")
    stdout, stderr = call("text.jpg", "bad.zip", "photos/red", expect=1)
    first, second, *others = table(stdout)
    assert first["path"] == "text.jpg" and "not an image" in first["error"] and first["label"] == ""
    assert second["path"] == "bad.zip" and second["error"]
    assert [row["error"] for row in others] == 4 * [""]
    assert stderr == "2 of 6 images failed: see `error`\n"
    listed, _ = call("-", stdin="none.jpg\nphotos/red/0.png\n", expect=1)
    assert "neither a file nor a folder" in table(listed)[0]["error"]


def test_damaged_images_are_rows_each(folder):
    rng, count = np.random.default_rng(0), 150
    (folder / "damaged").mkdir()
    image = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
    for number in range(count):
        stream = io.BytesIO()
        image.save(stream, ("jpeg", "png", "webp")[number % 3])
        data = bytearray(stream.getvalue())
        for at in rng.integers(len(data), size=rng.integers(1, 9)):
            data[at] ^= 1 << int(rng.integers(8))
        kept = rng.integers(len(data)) if number % 2 else len(data)
        (folder / f"damaged/{number:03d}.jpg").write_bytes(data[:kept])
    rows = table(call("damaged", expect=1)[0])
    assert [row["path"] for row in rows] == [f"damaged/{number:03d}.jpg" for number in range(count)]
    assert all((row["label"] == "") == (row["error"] != "") for row in rows)
    assert {bool(row["error"]) for row in rows} == {True, False}
    assert all(row["error"].startswith("an image must be ") for row in rows if row["error"])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_an_output_holds_what_is_printed_and_is_not_overwritten(folder, suffix):
    pandas = pytest.importorskip("pandas")
    output = folder / f"found/out{suffix}"
    stdout, stderr = call("photos", "-o", output)
    assert (stdout, stderr) == ("", f"{output} is written\n")
    read = {".csv": pandas.read_csv, ".parquet": pandas.read_parquet}
    read[".jsonl"] = lambda path: pandas.read_json(path, lines=True)
    found, expected = read[suffix](output), pandas.read_csv(io.StringIO(call("photos")[0]))
    assert list(found) == HEADER and list(found["path"]) == list(expected["path"])
    for name in HEADER[2:-2]:
        np.testing.assert_array_equal(found[name].astype("f4"), expected[name].astype("f4"))
    before = output.read_bytes()
    assert "--force" in call("photos/red", "-o", output, expect=2)[1]
    assert output.read_bytes() == before
    call("photos/red", "-o", output, "--force")
    assert len(read[suffix](output)) == 4
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_json_is_all_of_standard_output(folder):
    stdout, _ = call("photos/red", "text.jpg", "--json", expect=1)
    rows = [json.loads(line) for line in stdout.splitlines()]
    assert [list(row) for row in rows] == [HEADER] * 5
    assert rows[0]["label"] == "red" and rows[0]["abstain"] is None and rows[4]["label"] is None


def test_a_low_confidence_abstains_and_only_the_most_probable_are_named(folder):
    rows = table(call("photos/red", "--min-confidence", "0.7", "--top", "2")[0])
    assert [row["abstain"] == "unsure" for row in rows] == [float(r["p_1"]) < 0.7 for r in rows]
    assert {row["abstain"] for row in rows} == {"", "unsure"}
    assert all(row["label_1"] == "red" and "p_red" not in row for row in rows)


def test_true_labels_measure_the_answers(folder):
    (folder / "photos/red/9.png").write_bytes((folder / "photos/blue/3.png").read_bytes())
    stdout, _ = call("photos", "text.jpg", "--labels", "folders", "-o", "a.csv", "--json", expect=1)
    report = json.loads(stdout)
    assert report["accuracy"]["value"] == 12 / 13 and report["n"] == 13
    assert report["confused"] == [{"truth": "red", "answer": "blue", "images": 1}]
    assert report["without_label"] == 1
    assert table((folder / "a.csv").read_text())[0]["truth"] == "blue"
    (folder / "labels.csv").write_text("path,label\nphotos/red/9.png,blue\n")
    stdout, stderr = call("photos/red", "--labels", "labels.csv")
    assert len(table(stdout)) == 5 and "accuracy 1.0000" in stderr and "without label: 4" in stderr
    stdout, _ = call("photos/red", "--labels", "labels.csv", "-o", "b.csv")
    assert stdout.startswith("accuracy 1.0000")


def test_overlays_are_written(folder):
    call("photos/red", "text.jpg", "photos/blue", "--explain", "seen", expect=1)
    names = [
        *(f"{n:06d} {n - 1}.png" for n in range(1, 5)),
        *(f"{n:06d} {n - 6}.png" for n in range(6, 10)),
    ]
    assert sorted(path.name for path in (folder / "seen").iterdir()) == names


def test_the_overlay_of_an_image_with_the_longest_name_is_written(folder):
    name = 83 * "犬"  # of three bytes each
    (folder / "photos/red/0.png").rename(folder / f"{name}.png")
    call(f"{name}.png", "--explain", "seen")
    assert [path.name for path in (folder / "seen").iterdir()] == [f"000001 {name[:66]}.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.jpg"], "none.jpg does not exist; paths start from"),
        (["empty"], "PATH must hold images, but empty holds none"),
        (["-"], "PATH must hold images, but - holds none"),
        (["photos", "--bundle", "none"], "dvc repro"),
        (["photos", "-o", "out.xlsx"], "must be called .csv, .jsonl, .parquet"),
        (["photos", "-o", "empty/file/out.csv"], "empty/file"),
        (["photos", "--resume"], "need an output"),
        (["photos", "--labels", "none.csv"], "none.csv"),
        (["photos", "--top", "0"], "--top"),
        (["photos", "--min-confidence", "2"], "--min-confidence"),
        ([], "PATH"),
    ],
)
def test_wrong_use_is_a_line_and_exit_code_2(folder, words, said):
    (folder / "empty").mkdir()
    (folder / "empty/file").write_text("no folder")
    stdout, stderr = call(*words, expect=2)
    assert stdout == "" and said in " ".join(stderr.replace("│", " ").split())


def test_a_full_disk_is_a_line_and_leaves_nothing(folder, monkeypatch):
    def full(self, rows):
        next(iter(rows))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(batch.Journal, "add", full)
    (folder / "new").mkdir()
    _, stderr = call("photos", "-o", "new/out.csv", expect=2)
    assert stderr.startswith("error: the disk must have space") and stderr.count("\n") == 1
    assert not list((folder / "new").iterdir())


def test_what_a_kill_left_is_gone_on_with(folder):
    """The process is killed when some rows are in the journal."""
    call("photos", "text.jpg", "-o", "whole.csv", expect=1)
    (folder / "src").symlink_to(ROOT / "src")
    words = ["photos", "text.jpg", "-o", "out.csv", "--resume"]
    code = (
        "import os, signal\nfrom thaw.serving import batch\nfrom thaw.cli.main import main\n"
        "rows = batch.Batch.rows\n"
        "def killed(self, images, done=0):\n"
        "    for number, row in enumerate(rows(self, images, done)):\n"
        "        if number == 5:\n            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        yield row\n"
        "batch.Batch.rows = killed\nmain()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-c", code, "predict", *words]
    lengths = []
    for _ in range(2):
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
        lengths.append(len((folder / "out.csv.partial").read_bytes().splitlines()))
    assert lengths == [6, 11]
    assert "another bundle or other options" in call(*words, "--min-confidence", "0.5", expect=2)[1]
    assert "other images" in call("photos/red", *words[2:], expect=2)[1]
    _, stderr = call(*words, expect=1)
    assert (folder / "out.csv").read_bytes() == (folder / "whole.csv").read_bytes()
    assert "1 of 13 images failed" in stderr
    assert not (folder / "out.csv.partial").exists()
    assert "out.csv is complete" in call(*words)[1]


def test_ctrl_c_is_a_line_and_what_is_done_stays(folder, monkeypatch):
    add = batch.Journal.add

    def interrupted(self, rows):
        add(self, [next(iter(rows))])
        raise KeyboardInterrupt

    monkeypatch.setattr(batch.Journal, "add", interrupted)
    _, stderr = call("photos", "-o", "out.csv", expect=130)
    assert stderr == "stopped\n"
    monkeypatch.undo()
    os.chdir(folder)
    call("photos", "-o", "out.csv", "--resume")
    assert len(table((folder / "out.csv").read_text())) == 12


def test_on_a_terminal_there_are_bars(folder):
    (folder / "src").symlink_to(ROOT / "src")
    shown = run("script -qec 'thaw predict photos/red/3.png text.jpg --top 2' /dev/null", folder, 1)
    lines = shown.replace("\r", "").splitlines()
    assert lines[0].startswith("photos/red/3.png") and "█" in lines[0]
    assert lines[1].startswith(" ") and "not an image" in lines[2]


def test_paths_start_from_where_one_is_and_the_bundle_is_the_project_s(folder):
    (folder / "dvc.yaml").write_text("stages: {}\n")
    (folder / "src").symlink_to(ROOT / "src")
    shown = run("cd photos/red && thaw predict 3.png && thaw bundle verify", folder)
    assert "\n3.png,red,0.9" in shown and "undamaged" in shown


def test_help_teaches(folder):
    (folder / "src").symlink_to(ROOT / "src")
    output = " ".join(run("thaw predict --help", folder).replace("│", " ").split())
    assert "1 if some images failed, 2 for wrong use" in output and "--labels folders" in output
