"""`thaw.load`: an image in any form gives the same prediction, which explains itself."""

import base64
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_bundle import LABELS, SIDE, write_colours

import thaw
from thaw.image_limits import UnusableImage
from thaw.images import resized
from thaw.overlay import overlay
from thaw.serving.predictor import Predictor
from thaw.serving.thumbnail import thumbnail_url


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_colours(tmp_path_factory.mktemp("loaded") / "bundle")


@pytest.fixture(scope="module")
def classify(bundle):
    return thaw.load(str(bundle))


@pytest.fixture(scope="module")
def picture():
    """Mostly red, turned by its EXIF data, so that only what is upright is tall."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 80, (40, 64, 3), dtype=np.uint8) + np.uint8([90, 0, 0])
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "jpeg", exif=exif)
    return stream.getvalue()


def test_an_image_in_any_form_gives_the_same_bits(classify, picture, tmp_path):
    path = tmp_path / "cat.jpg"
    path.write_bytes(picture)
    with Image.open(path) as image:
        upright = np.asarray(image.transpose(Image.Transpose.ROTATE_270))
        forms = [picture, path, str(path), image, upright, upright[:, ::-1][:, ::-1]]
        found = [classify(form) for form in forms] + classify(forms)
    assert found[0].label == "red" and found[0].confidence == max(found[0].probabilities.values())
    assert list(found[0].probabilities) == LABELS
    for other in found[1:]:
        assert other.probabilities == found[0].probabilities
        assert other.unknown_score == found[0].unknown_score
        np.testing.assert_array_equal(other.heatmap(), found[0].heatmap())


def test_grey_and_transparent_pixels_are_images(classify):
    grey, clear = np.full((9, 7), 250, np.uint8), np.zeros((9, 7, 4), np.uint8)
    assert classify(grey).abstain == classify(clear).abstain == "unknown"


def test_why_it_abstains(tmp_path):
    decision = {"threshold": None, "costs": None, "most_risk": 0.5}
    classify = thaw.load(str(write_colours(tmp_path / "bundle", decision=decision)))
    red, dark, white = (np.full((8, 8, 3), colour, np.uint8) for colour in ([200, 0, 0], 30, 255))
    assert [found.abstain for found in classify([red, dark, white])] == [None, "unsure", "unknown"]


def test_a_bundle_without_the_score_never_says_unknown(tmp_path):
    classify = thaw.load(str(write_colours(tmp_path / "bundle", unknown={})))
    assert classify(np.full((8, 8), 255, np.uint8)).abstain is None


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("none.jpg", r"none\.jpg is not \(No such file or directory\)"),
        (b"text", "not an image"),
        (b"", "is empty"),
        (7, "is of type int"),
        (np.zeros((4, 4, 3)), r"uint8 .*, but is float64 \(4, 4, 3\)"),
        (np.zeros((4, 4, 2), np.uint8), r"but is uint8 \(4, 4, 2\)"),
        (np.zeros((0, 4), np.uint8), r"but is uint8 \(0, 4\)"),
    ],
)
def test_what_is_no_image_is_one_line(classify, image, said):
    with pytest.raises(thaw.ThawError, match=said) as error:
        classify(image)
    assert "\n" not in str(error.value)
    with pytest.raises(thaw.ThawError, match=rf"^image 2 of 2: .*{said}"):
        classify([np.zeros((4, 4), np.uint8), image])


def test_a_truncated_image_of_pillow_has_its_reason(classify, picture):
    image = Image.open(io.BytesIO(picture[:-200]))
    with pytest.raises(UnusableImage, match="truncated"):
        classify(image)


def test_the_others_go_on(classify):
    black = np.zeros((4, 4), np.uint8)
    first, second, third = classify.each([black, b"text", black])
    assert isinstance(second, thaw.ThawError)
    assert first.probabilities == third.probabilities


def test_a_heatmap_for_each_class(classify, picture):
    found = classify(picture)
    assert found.heatmap().shape == found.heatmap("blue").shape == (SIDE, SIDE)
    np.testing.assert_array_equal(found.heatmap(), found.heatmap("red"))
    assert found.heatmap("red").mean() > found.heatmap("blue").mean()
    with pytest.raises(thaw.ThawError, match="one of red, green, blue, not 'Cat'"):
        found.heatmap("Cat")


@pytest.mark.parametrize(
    ("resize", "size"), [("squash", (30, 60)), ("crop", (30, 30)), ("pad", (60, 60))]
)
def test_the_overlay_shows_what_the_network_sees_undistorted(tmp_path, resize, size):
    classify = thaw.load(str(write_colours(tmp_path / "bundle", resize=resize)))
    pixels = np.full((60, 30, 3), [250, 0, 0], np.uint8)
    pixels[:15] = [0, 0, 250]
    found = classify(pixels)
    assert found.overlay().size == size
    # Where an overlay is of a class without a heatmap, it is the image.
    plain = np.asarray(found.overlay("green"))
    seen = {
        "squash": pixels,
        "crop": pixels[15:45],
        "pad": np.pad(pixels, ((0, 0), (15, 15), (0, 0))),
    }
    np.testing.assert_array_equal(plain, seen[resize])


def test_large_images_have_a_small_overlay(classify):
    assert classify(np.zeros((2000, 1000), np.uint8)).overlay().size == (320, 640)


def test_it_reads_well(classify, picture):
    found = classify(picture)
    assert re.fullmatch(r"<Prediction red: red 0\.\d{3}, (green|blue) 0\.\d{3}, .*>", repr(found))
    white = classify(np.full((8, 8), 255, np.uint8))
    assert repr(white).startswith("<Prediction red, unknown: ")
    page = found._repr_html_()
    assert page.startswith("<img") and "data:image/png;base64," in page and "<b>red</b>" in page


def test_loading_the_package_loads_little(tmp_path):
    source = Path(thaw.__file__).parents[1]
    heavy = {"openvino", "numpy", "PIL", "joblib", "pandas"}
    code = f"import sys, thaw; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "[]\n", done.stderr


def test_a_missing_bundle_is_one_line(tmp_path):
    with pytest.raises(thaw.ThawError, match="dvc repro"):
        thaw.load(str(tmp_path))


def test_an_input_of_another_size_shows_less_detail(tmp_path):
    predictor = Predictor(write_colours(tmp_path / "bundle", resize="crop"))
    assert predictor.reduced_to(SIDE) is predictor
    stripes = np.zeros((64, 96, 3), np.uint8)
    stripes[:, ::8] = 255
    small = predictor.reduced_to(4)
    of_size_4 = resized(Image.fromarray(stripes), 4, "crop")
    np.testing.assert_array_equal(small.decode(stripes), predictor.decode(of_size_4))
    view = small(stripes).view()
    assert view.shape == predictor(stripes).view().shape == (64, 64, 3)
    assert view.std() < predictor(stripes).view().std() / 2


def test_the_opacity_of_an_overlay(classify, picture):
    found = classify(picture)
    clear, full = (overlay(found.view(), found.heatmap(), share) for share in (0.0, 1.0))
    np.testing.assert_array_equal(clear, found.view())
    np.testing.assert_array_equal(overlay(found.view(), found.heatmap()), found.overlay())
    assert (full != clear).any(axis=2).mean() > 0.5


def test_a_thumbnail_is_small_and_upright(picture):
    kind, content = thumbnail_url(picture, 20).split(",")
    with Image.open(io.BytesIO(base64.b64decode(content))) as image:
        assert kind == "data:image/jpeg;base64" and image.height == 20 and image.width < 20
