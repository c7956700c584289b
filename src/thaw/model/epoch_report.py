"""Show each epoch while it is trained: a progress bar, and learning curves in TensorBoard."""

import os
from datetime import datetime
from pathlib import Path

from tensorboardX import SummaryWriter
from tqdm import tqdm

from thaw.features.progress import Progress
from thaw.paths import LOGS

CURVES = {"train": ("loss", "accuracy"), "validation": ("val_loss", "val_accuracy")}


class EpochReport:
    """The bar and the curves of a phase, at most `epochs` long, after what `progress` has."""

    def __init__(self, phase: str, epochs: int, progress: Progress, folder: Path) -> None:
        done = progress.epochs_of(phase)
        self._bar = tqdm(total=epochs, initial=done, desc=phase, unit="epoch")
        self._curves = {name: SummaryWriter(str(folder / name)) for name in CURVES}

    def add(self, progress: Progress) -> None:
        """Show the last epoch of `progress`."""
        epoch = progress.history[-1]
        for name, (loss, accuracy) in CURVES.items():
            self._curves[name].add_scalar("epoch_loss", epoch[loss], epoch["epoch"])
            self._curves[name].add_scalar("epoch_accuracy", epoch[accuracy], epoch["epoch"])
            self._curves[name].flush()
        values = {key: f"{epoch[key]:.4f}" for names in CURVES.values() for key in names}
        self._bar.set_postfix(values)
        self._bar.update()

    def close(self) -> None:
        """End the bar's line and the files of the curves."""
        self._bar.close()
        for curve in self._curves.values():
            curve.close()


def tensorboard_folder() -> Path:
    """The folder of this run's curves, named after the DVC experiment, if it is one, and the time.

    It is in the repository of the user, which DVC_ROOT names where a copy of it runs: in DVC's
    queue and in sweeps.
    """
    started = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    experiment = os.environ.get("DVC_EXP_NAME")
    logs = Path(os.environ.get("DVC_ROOT", "")) / LOGS
    return logs / "tensorboard" / (f"{experiment}_{started}" if experiment else started)
