"""Planted flaws are found, and so is a property that goes with a label."""

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from thaw.evaluate.image_quality import (
    associations,
    find_issues,
    measure_quality,
    properties,
)


def scene(rng, width=200, height=150):
    """An image with edges and soft shades."""
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    shades = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    edges = Image.fromarray(coarse).resize((width, height), Image.Resampling.NEAREST)
    return Image.blend(shades, edges, 0.5)


def encoded(image):
    stream = io.BytesIO()
    image.save(stream, "png")
    return stream.getvalue()


def measured(images):
    return measure_quality(encoded(image) for image in images)


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    return [scene(rng) for _ in range(20)]


FLAWS = {
    "dark": lambda image: image.point(lambda value: value // 5),
    "bright": lambda image: image.point(lambda value: 246 + value // 30),
    "blurred": lambda image: image.filter(ImageFilter.GaussianBlur(8)),
    "small": lambda image: image.resize((40, 30)),
    "large": lambda image: image.resize((1600, 1200), Image.Resampling.NEAREST),
    "odd aspect": lambda image: image.resize((300, 80)),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_planted_flaw_is_found(images, flaw):
    planted = list(images)
    planted[7] = FLAWS[flaw](planted[7])
    scores, reasons = find_issues(measured(planted))
    assert flaw in reasons[7]
    assert 0 < scores[7] <= 1
    assert [index for index in range(20) if reasons[index]] == [7]
    assert not scores[np.arange(20) != 7].any()


def test_an_image_of_one_colour_has_no_sharpness_and_is_measured():
    quality = measured([Image.new("RGB", (size, 1), "black") for size in (1, 5, 300)])
    _, reasons = find_issues(quality)
    assert all("dark" in reason and "blurred" in reason for reason in reasons)


def test_a_property_that_goes_with_a_label_is_reported_and_others_are_not(images):
    rng = np.random.default_rng(3)
    planted = [scene(rng) for _ in range(120)]
    labels = np.arange(120) % 3
    for index in np.flatnonzero(labels == 1):
        planted[index] = planted[index].point(lambda value: value // 2)
    found = associations(properties(measured(planted)), labels, ["a", "b", "c"])
    first = found[0]
    assert (first.name, first.label, first.verdict) == ("brightness", "b", "yes")
    assert first.low <= first.auroc <= first.high < 0.1
    assert {one.name for one in found if one.verdict == "yes"} == {"brightness"}
    # All images have one size and one aspect ratio, which can go with no label.
    assert {one.name for one in found} == {"brightness", "sharpness"}


def test_chance_is_reported_seldom():
    rng = np.random.default_rng(0)
    values = {str(number): rng.normal(size=200) for number in range(50)}
    found = associations(values, np.arange(200) % 4, ["a", "b", "c", "d"])
    assert len(found) == 200
    assert sum(one.verdict != "not shown" for one in found) <= 2
    covered = np.mean([one.low <= 0.5 <= one.high for one in found])
    assert 0.9 < covered < 0.99


def test_of_two_classes_one_tells_all_and_alike_images_tell_nothing():
    labels = np.arange(40) % 2
    [one] = associations({"size": labels * 2.0}, labels, ["a", "b"])
    assert (one.label, one.auroc, one.verdict) == ("a", 0.0, "yes")
    assert associations({"size": np.ones(40)}, labels, ["a", "b"]) == []


def test_eight_images_of_a_class_against_thousands_are_tested_at_once():
    labels = np.repeat([0, 1, 2], [8, 30_000, 30_000])
    values = {"brightness": np.random.default_rng(0).random(len(labels)) + (labels == 0)}
    strongest = associations(values, labels, ["a", "b", "c"])[0]
    assert (strongest.label, strongest.auroc, strongest.verdict) == ("a", 1, "yes")
