"""The audit's page, with hostile names, driven by keys in a real browser without network."""

import csv
import html
import io
import os
import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from thaw.evaluate.audit_lists import DROP, KEEP, corrections, corrections_csv
from thaw.evaluate.audit_page import MOST_SHOWN, shown, write_audit_page, write_empty_page
from thaw.evaluate.image_quality import associations
from thaw.evaluate.label_audit import label_list, ranking
from thaw.evaluate.predictions import Predictions

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs Chromium")
CLASSES = ["<b>Cat</b>", "Chien, “grand”", 'O"Hara', "猫"]
HOSTILE = [
    "</script><script>alert(1)</script>.jpg",
    "a,b.jpg",
    'say "x".jpg',
    "été\n.jpg",
    "'&amp;",
]
DRIVE = """
<pre id="csv"></pre>
<script>
HTMLAnchorElement.prototype.click = () => {};
URL.createObjectURL = () => "";
// The browser's clock does not wait for the reading of files: what is read and written is at hand.
window.Blob = class {
  constructor(parts) { document.getElementById("csv").textContent = parts.join(""); }
};
const press = key => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
const download = () => document.getElementById("download").click();
const focused = () => document.activeElement.dataset.name;
STEPS
</script>
"""


def predictions(classes, count=12):
    """Each image has the label of its number; the probabilities order them by name."""
    names = [*HOSTILE, *(f"{number:03}.jpg" for number in range(count))]
    truth = np.arange(len(names)) % len(classes)
    probabilities = np.full((len(names), len(classes)), 0.1, np.float32)
    probabilities[np.arange(len(names)), (truth + 1) % len(classes)] = 1
    # The first have the lowest probability of their label, and so the highest rank.
    probabilities[np.arange(len(names)), truth] = np.linspace(0, 0.5, len(names))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return Predictions(list(classes), names, np.full(len(names), "val"), truth, probabilities)


def write(path, classes, count=12):
    """A page with a label list, a quality list of one image, and an empty outlier list."""
    found = predictions(classes, count)
    scores = np.zeros(len(found.names))
    reasons = ["dark <i>"] + [""] * (len(scores) - 1)
    audit = pd.concat([label_list(found), ranking("quality", found, scores, reasons)])
    stream = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(stream, "png")
    images = {name: stream.getvalue() for name in shown(audit)["name"]}
    tests = associations({"size": found.truth * 1.0}, found.truth, classes)
    write_audit_page(path, audit, 3, tests, classes, images)
    return found


def drive(page, folder, steps):
    """The page as a browser shows it after the steps, and the rows of its relabel.csv."""
    text = page.read_text(encoding="utf-8")
    driven = folder / "driven.html"
    driven.write_text(text.replace("</body>", DRIVE.replace("STEPS", steps) + "</body>"), "utf-8")
    command = [
        BROWSER,
        *("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
        *("--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder}/profile"),
        *("--virtual-time-budget=3000", "--dump-dom", driven.as_uri()),
    ]
    environment = os.environ | {"HOME": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    answer = re.search(r'<pre id="csv">(.*?)</pre>', done.stdout, re.DOTALL)
    assert answer, done.stderr
    return done.stdout, list(csv.reader(io.StringIO(html.unescape(answer[1]))))


def in_python(decisions, earlier):
    """The rows of the relabel.csv that `thaw page` makes of the same decisions."""
    text = corrections_csv(corrections(decisions, earlier)).decode()
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_page_is_whole_escaped_and_the_same_again(tmp_path):
    write(tmp_path / "page.html", CLASSES)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("<script") == text.count("</script>") == 1
    assert "alert(1)</script>" not in text and "<b>Cat</b>" not in text and "<i>" not in text
    assert not re.findall(r'(?:src|href)="(?!data:image/jpeg;base64,)', text)
    assert "default-src 'none'" in text
    write(tmp_path / "again.html", CLASSES)
    assert (tmp_path / "again.html").read_bytes() == (tmp_path / "page.html").read_bytes()


def test_a_long_list_is_cut_and_an_empty_one_says_so(tmp_path):
    found = write(tmp_path / "page.html", CLASSES[:2], count=200)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count('<li class="card"') == MOST_SHOWN + 1
    assert f"The first {MOST_SHOWN} of {len(found.names)} images." in text
    assert "0 images." in text and "1 image." in text


def test_the_page_without_cross_validation_says_so(tmp_path):
    write_empty_page(tmp_path / "page.html")
    assert "cross-validation is switched off" in (tmp_path / "page.html").read_text("utf-8")


@needs_browser
def test_keys_decide_and_undo_with_two_classes(tmp_path):
    found = write(tmp_path / "page.html", CLASSES[:2])
    keys = ["ArrowRight", "ArrowLeft", "r", "d", "k", "r", "u", "r", "d"]
    steps = f"document.querySelector('.card').focus(); {keys}.forEach(press); download();"
    shown_page, rows = drive(tmp_path / "page.html", tmp_path, steps)
    others = [CLASSES[1 - label] for label in found.truth]
    expected = [
        [HOSTILE[0], others[0]],
        [HOSTILE[1], ""],
        [HOSTILE[3], others[3]],
        [HOSTILE[4], ""],
    ]
    assert rows[0] == ["name", "label"]
    assert sorted(rows[1:]) == sorted(expected)
    decided = [others[0], DROP, KEEP, others[3], DROP]
    assert rows == in_python(dict(zip(HOSTILE, decided, strict=True)), {})
    assert "5 of 17 images checked; 2 relabelled, 2 dropped" in shown_page
    # The first image is in two lists, and decided in both.
    assert shown_page.count('data-decision="relabel"') == 3
    assert shown_page.count(">→ ") == 3


@needs_browser
def test_with_more_classes_one_is_chosen_from_a_list(tmp_path):
    found = write(tmp_path / "page.html", CLASSES)
    steps = """
document.querySelector(".card").focus();
press("r"); press("Enter");
press("r");
const list = document.getElementById("classes");
document.title = [...list.options].filter(option => option.disabled).map(o => o.value).join();
list.value = "猫";
document.getElementById("relabel").click();
press("r");
document.querySelector("#choose button:not([id])").click();  // Cancel
press("ArrowRight"); press("d");
download();
"""
    shown_page, rows = drive(tmp_path / "page.html", tmp_path, steps)
    suggested = CLASSES[found.predicted[0]]
    assert sorted(rows[1:]) == sorted(
        [[HOSTILE[0], suggested], [HOSTILE[1], "猫"], [HOSTILE[3], ""]]
    )
    assert f"<title>{html.escape(CLASSES[1], quote=False)}</title>" in shown_page


@needs_browser
def test_a_browser_remembers_and_an_earlier_file_is_continued(tmp_path):
    write(tmp_path / "page.html", CLASSES[:2])
    steps = """
if (!sessionStorage.again) {
  sessionStorage.again = 1;
  document.querySelector(".card").focus();
  ["d", "k"].forEach(press);
  location.reload();
} else {
  const text = 'name,label\\n"a,b.jpg","<b>Cat</b>"\\r\\ngone.jpg,\\n"say ""x"".jpg",\\n';
  File.prototype.text = () => Promise.resolve(text);
  const files = new DataTransfer();
  files.items.add(new File([text], "relabel.csv"));
  const input = document.getElementById("earlier");
  input.files = files.files;
  input.dispatchEvent(new Event("change"));
  setTimeout(() => {
    document.querySelectorAll(".card")[1].focus();
    document.querySelectorAll(".card")[1].click();
    press("k");
    press("r");
    download();
  }, 0);
}
"""
    _, rows = drive(tmp_path / "page.html", tmp_path, steps)
    expected = [
        [HOSTILE[0], ""],  # before the reload
        ["a,b.jpg", "<b>Cat</b>"],  # kept as the earlier file has it
        ["gone.jpg", ""],  # not on this page
        ['say "x".jpg', CLASSES[1]],  # decided anew
    ]
    assert sorted(rows[1:]) == sorted(expected)
    decided = {HOSTILE[0]: DROP, HOSTILE[1]: KEEP, HOSTILE[2]: CLASSES[1]}
    earlier = {"a,b.jpg": CLASSES[0], "gone.jpg": DROP, 'say "x".jpg': DROP}
    assert rows == in_python(decided, earlier)
