"""The table of backbones says of each what Keras builds."""

import keras
import pytest
from bases import smallest, without_download

from thaw.backbones import BACKBONES, count_layers
from thaw.model.base import load_base


def layers_in_keras(name, alpha):
    side = BACKBONES[name].smallest_image_size
    build = getattr(keras.applications, name)
    base = build(weights=None, include_top=False, input_shape=(side, side, 3), alpha=alpha)
    return len(base.layers)


@pytest.mark.filterwarnings("ignore:`input_shape` is undefined")  # Keras on other sizes than 224
@pytest.mark.parametrize("name", BACKBONES)
def test_a_row_counts_the_layers_that_keras_builds_whatever_the_weights(name, monkeypatch):
    settings = smallest(name)
    without_download(monkeypatch)
    for weights in ("imagenet", "none"):
        base = load_base(settings.model_copy(update={"weights": weights}))
        assert len(base.layers) == count_layers(name, settings.alpha)


# Around the widths at which MobileNetV2 gets residual connections that it has not at 1.0.
@pytest.mark.parametrize("alpha", [0.05, 0.14, 0.141, 0.25, 0.277, 0.278, 0.28, 0.35, 1.0, 1.4])
def test_a_narrow_mobilenetv2_has_more_layers(alpha):
    assert count_layers("MobileNetV2", alpha) == layers_in_keras("MobileNetV2", alpha)


@pytest.mark.parametrize("alpha", [0.05, 0.25, 2.0])
def test_a_narrow_mobilenet_has_not(alpha):
    assert count_layers("MobileNet", alpha) == layers_in_keras("MobileNet", alpha)


def test_only_the_mobilenets_take_a_width_multiplier():
    assert {name for name, row in BACKBONES.items() if row.has_alpha} == {
        "MobileNet",
        "MobileNetV2",
    }
