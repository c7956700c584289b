"""Feedback: whole rows that data.relabel understands, and images only if they are wanted."""

import base64
import csv
import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image
from small_bundle import write_colours

from thaw.data.relabel import read_labels
from thaw.serving.app import create_app
from thaw.serving.feedback import append, feedback_blueprint
from thaw.serving.published import LiveBundle
from thaw.serving.settings import ServeSettings

TOKEN = {"Authorization": "Bearer secret"}
stream = io.BytesIO()
Image.new("RGB", (8, 8), (200, 10, 10)).save(stream, "png")
PNG = stream.getvalue()
SHA256 = hashlib.sha256(PNG).hexdigest()
ROW = {"sha256": SHA256, "label": "red"}


@pytest.fixture
def client_of(tmp_path):
    live = LiveBundle(write_colours(tmp_path / "bundle"))

    def make(images=None):
        table = tmp_path / "feedback/relabel.csv"
        routes = feedback_blueprint(live, "secret", table, images)
        return create_app(live, ServeSettings(), [routes]).test_client(), table

    return make


def encoded(data):
    return base64.b64encode(data).decode()


def test_a_row_is_one_that_relabel_understands(client_of, tmp_path):
    client, table = client_of()
    assert client.post("/feedback", json=ROW).status_code == 401 and not table.exists()
    for label in ("red", "blue"):
        answer = client.post("/feedback", json=ROW | {"label": label}, headers=TOKEN)
        assert answer.status_code == 201 and not answer.json["image_kept"]
    assert table.read_text() == f"name,label\nsha256:{SHA256},red\nsha256:{SHA256},blue\n"
    assert read_labels(table, [], ["red", "blue"]) == {f"sha256:{SHA256}": "blue"}
    sent = ROW | {"image": encoded(PNG)}
    assert not client.post("/feedback", json=sent, headers=TOKEN).json["image_kept"]
    assert sorted(path.name for path in table.parent.iterdir()) == ["relabel.csv"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"sha256": SHA256.upper()}, "wrong_fields"),
        ({"sha256": "../../etc/passwd"}, "wrong_fields"),
        ({"sha256": 5}, "wrong_fields"),
        ({"label": "pink"}, "wrong_fields"),
        ({"label": "../red"}, "wrong_fields"),
        ({"name": "x"}, "wrong_fields"),
        ({"image": "%%%"}, "bad_base64"),
        ({"image": "é"}, "bad_base64"),
        ({"image": encoded(PNG + b"1")}, "wrong_hash"),
        (
            {"image": encoded(b"no image"), "sha256": hashlib.sha256(b"no image").hexdigest()},
            "not_an_image",
        ),
    ],
)
def test_what_is_no_feedback_is_refused_and_leaves_nothing(client_of, tmp_path, change, code):
    client, table = client_of(tmp_path / "images")
    answer = client.post("/feedback", json=ROW | change, headers=TOKEN)
    assert answer.json["error"]["code"] == code and 400 <= answer.status_code < 500
    assert not table.exists() and not (tmp_path / "images").exists()


def test_images_are_kept_in_folders_of_classes_if_they_are_wanted(client_of, tmp_path):
    client, _ = client_of(tmp_path / "images")
    for label in ("red", "red", "blue"):
        sent = {"sha256": SHA256, "label": label, "image": encoded(PNG)}
        assert client.post("/feedback", json=sent, headers=TOKEN).json["image_kept"]
        [path] = (tmp_path / "images").rglob("*.*")
        assert path == tmp_path / "images" / label / f"{SHA256}.png"
        assert path.read_bytes() == PNG


def test_rows_of_many_writers_are_whole_and_what_a_crash_left_is_removed(tmp_path):
    table = tmp_path / "relabel.csv"
    append(table, SHA256, 'a "quoted", label')
    with table.open("a") as torn:
        torn.write("sha256:12")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: append(table, f"{n:064x}", "red"), range(100)))
    with table.open(newline="") as rows:
        found = list(csv.reader(rows))
    assert found[:2] == [["name", "label"], [f"sha256:{SHA256}", 'a "quoted", label']]
    assert sorted(found[2:]) == [[f"sha256:{n:064x}", "red"] for n in range(100)]
    table.write_text("name,la")
    append(table, SHA256, "red")
    assert table.read_text() == f"name,label\nsha256:{SHA256},red\n"
