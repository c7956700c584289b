"""The tab Data on a small repository: each part, and what a visitor takes away from it."""

import shutil

import pandas as pd
import pytest
from project import ROOT
from small_results import ODD_NAME, make_results, write_audit
from streamlit.testing.v1 import AppTest

from thaw.data.archive import open_members
from thaw.data.ingest import collect
from thaw.data.relabel import read_corrections
from thaw.evaluate.audit_lists import COLUMNS
from thaw.files import read_json
from thaw.page import audit
from thaw.page.texts import data as texts
from thaw.page.texts import frame
from thaw.params import Augment, load
from thaw.paths import AUDIT, INGEST_SUMMARY, INVENTORY, LOCK, SPLIT
from thaw.settings import bounds

APP = ROOT / "src/thaw/page/app.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        make_results(root)
    return root


@pytest.fixture
def repository(made, tmp_path, monkeypatch):
    """The working folder, where each test may do as it likes."""
    root = shutil.copytree(made, tmp_path / "repository")
    monkeypatch.chdir(root)
    monkeypatch.setattr("sys.argv", ["app.py"])
    return root


def open_part(part, **query):
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.query_params["tab"], page.query_params["data-part"] = frame.TABS["data"], part
    for key, value in query.items():
        page.query_params[key.replace("_", "-")] = value
    return checked(page.run())


def checked(page):
    assert not page.exception and not page.error, [*page.exception, *page.error]
    return page


def captions(page):
    return [caption for image in page.get("image") for caption in image.captions]


def urls(page):
    """Equal for equal images."""
    return [image.value[0] for image in page.get("image")]


def said(page):
    kinds = (page.markdown, page.caption, page.info, page.success)
    return "\n".join(element.value for kind in kinds for element in kind)


def images_left():
    return read_json(INGEST_SUMMARY)["images"]


def test_images_are_paged_filtered_and_named_as_they_are(repository):
    page = open_part(texts.IMAGES)
    assert f"1 to 12 of {images_left()} images" in said(page) and len(captions(page)) == 12
    page.get("pagination")[0].set_value(2)
    assert "13 to 24" in said(checked(page.run()))
    page.selectbox(key="image-class").set_value(3)  # blue, green, red after all
    page.selectbox(key="image-split").set_value(3)
    table = pd.read_csv(SPLIT)
    expected = table[(table["label"] == "red") & (table["split"] == "test")]
    page = checked(page.run())
    assert f"1 to 12 of {len(expected)} images" in said(page)  # from the first page again
    assert all(caption.endswith("red, test") for caption in captions(page))


def test_no_mark_of_a_name_is_read_as_markdown(repository):
    table = pd.read_csv(SPLIT)
    part = table.set_index("name").loc[f"red/{ODD_NAME}", "split"]
    page = open_part(texts.IMAGES, image_class="red", image_split=part)
    assert any(r"a \*b\* \$c\$ \"d\"\, \[e\]\.png" in caption for caption in captions(page))


def test_the_split_is_counted(repository):
    page = open_part(texts.SPLIT)
    table = page.dataframe[0].value
    assert list(table.columns) == ["train", "val", "test"]
    assert table.loc[texts.TOTAL].sum() == images_left() == table.iloc[:-1].to_numpy().sum()


def test_what_was_left_out_is_explained_and_searched(repository):
    page = open_part(texts.LEFT_OUT)
    assert "3 files of the source are left out" in said(page)
    reasons, files = (frame.value for frame in page.dataframe)
    assert set(reasons["Reason"]) == {"duplicate", "empty", "not an image file"}
    assert all(reasons["What it means"]) and len(files) == 3
    page.text_input(key="left-out-name").set_value("NOTES")
    assert list(checked(page.run()).dataframe[1].value["Name"]) == ["blue/notes.txt"]
    page.text_input(key="left-out-name").set_value("*nothing*")
    assert "has this reason" in said(checked(page.run()))


def test_nothing_left_out_and_no_near_duplicates_are_said_so(repository):
    rows = INVENTORY.read_text().splitlines(keepends=True)
    INVENTORY.write_text(rows[0] + "".join(row for row in rows if "near duplicate" in row))
    table = pd.read_csv(SPLIT)
    table.assign(group=table["name"]).to_csv(SPLIT, index=False)
    LOCK.write_text("another")
    assert "Nothing was left out" in said(open_part(texts.LEFT_OUT))
    assert "No two images" in said(open_part(texts.NEAR))


def test_near_duplicates_stand_side_by_side(repository):
    page = open_part(texts.NEAR)
    assert "there are 1, with 2 images" in said(page) and "2 images like" in said(page)
    assert len(captions(page)) == 2 and "near" in "".join(captions(page))


def test_sliders_give_lines_and_a_command(repository):
    page = open_part(texts.AUGMENTATION)
    assert len(captions(page)) == 1 + 8 and "Change one" in said(page)
    assert not page.code
    before = urls(page)
    page.slider(key="augment-rotation").set_value(200.0)
    page.toggle(key="augment-flip").set_value(False)
    page.multiselect(key="augment-extra_views").set_value(["red"])
    page = checked(page.run())
    page.number_input(key="augment-extra-red").set_value(3)
    page = checked(page.run())
    lines, command = (code.value for code in page.code)
    expected = "augment:\n  extra_views: {red: 3}\n  flip: false\n  rotation: 200.0\n"
    assert lines.strip() == expected.strip()
    assert command == (
        "dvc exp run -S '++augment.extra_views={red: 3}' -S augment.flip=false "
        "-S augment.rotation=200.0"
    )
    after = urls(page)
    assert after[0] == before[0] and not set(after[1:]) & set(before[1:])
    page.button(key="augment-reset").click()
    assert not checked(page.run()).code


def test_another_seed_and_another_image_give_other_views(repository):
    page = open_part(texts.AUGMENTATION)
    first = urls(page)
    page.number_input(key="augment-seed").set_value(7)
    second = urls(checked(page.run()))
    page.number_input(key="augment-image").set_value(2)
    third = urls(checked(page.run()))
    assert first[0] == second[0] != third[0] and first[1:] != second[1:]


def test_every_param_of_augment_has_a_widget_within_its_bounds(repository):
    page = open_part(texts.AUGMENTATION)
    assert set(texts.PARAMS) == set(Augment.model_fields)
    for name, value in load().augment:
        if isinstance(value, float):
            slider = page.slider(key=f"augment-{name}")
            assert (slider.min, slider.max) == bounds(Augment, name) and slider.value == value


def test_a_broken_params_file_is_a_sentence(repository):
    (repository / "params.yaml").write_text("augment: 3\n")
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.query_params["tab"], page.query_params["data-part"] = "Data", texts.AUGMENTATION
    page.run()
    assert not page.exception and "augment" in page.error[0].value


@pytest.fixture
def downloaded(monkeypatch):
    """The contents of relabel.csv in each run; the last is what a click would save."""
    contents = []
    make = audit.corrections_csv
    monkeypatch.setattr(
        audit, "corrections_csv", lambda rows: contents.append(make(rows)) or contents[-1]
    )
    return contents


def decide(page, name, label, decision):
    page.button_group(key=f"decision-{name}-{label}").set_value(decision)
    return checked(page.run())


def test_decisions_become_a_table_that_ingest_takes(repository, downloaded):
    page = open_part(texts.AUDIT)
    table = pd.read_csv(AUDIT)
    first, second, third, *_ = table[table["list"] == "label"].to_dict("records")
    page = decide(page, first["name"], first["label"], "relabel")
    assert (
        page.selectbox(key=f"new-label-{first['name']}-{first['label']}").value
        == first["suggested"]
    )
    page = decide(page, second["name"], second["label"], "drop")
    page = decide(page, third["name"], third["label"], "keep")
    assert "3 images decided on: 1 relabelled, 1 dropped." in said(page)
    (repository / "relabel.csv").write_bytes(downloaded[-1])
    expected = {first["name"]: first["suggested"], second["name"]: ""}
    assert read_corrections(repository / "relabel.csv") == expected
    data = load().data.model_copy(update={"relabel": "relabel.csv"})
    with open_members(repository / "source") as members:
        found = {image.file.name: image.file.label for image in collect(members, data, 1).images}
    assert found[first["name"]] == first["suggested"] and second["name"] not in found
    assert found[third["name"]] == third["label"] and len(found) == images_left() - 1


def test_a_decision_stays_on_another_page_and_is_taken_back(repository, downloaded):
    page = open_part(texts.AUDIT)
    first = pd.read_csv(AUDIT).iloc[0]
    name, label = first["name"], first["label"]
    other = next(one for one in ("blue", "red", "green") if one not in (label, first["suggested"]))
    page = decide(page, name, label, "relabel")
    page.selectbox(key=f"new-label-{name}-{label}").set_value(other)
    page = checked(page.run())
    page.get("pagination")[0].set_value(2)
    page = checked(page.run())
    page.get("pagination")[0].set_value(1)
    page = checked(page.run())
    assert page.button_group(key=f"decision-{name}-{label}").value == "relabel"
    assert page.selectbox(key=f"new-label-{name}-{label}").value == other
    assert name in downloaded[-1].decode()
    decide(page, name, label, None)
    assert downloaded[-1].split() == [b"name,label"]


def test_an_earlier_table_is_continued(repository, downloaded):
    (repository / "relabel.csv").write_text(f"name,label\nred/gone.png,\nsha256:{64 * 'a'},blue\n")
    text = (repository / "params.yaml").read_text()
    text = text.replace("relabel: null", "relabel: relabel.csv")
    text = text.replace("watch_relabel: src/thaw/data/__init__.py", "watch_relabel: relabel.csv")
    (repository / "params.yaml").write_text(text)
    page = open_part(texts.AUDIT)
    assert "The 2 rows of relabel" in said(page)
    first = pd.read_csv(AUDIT).iloc[0]
    decide(page, first["name"], first["label"], "drop")
    assert len(downloaded[-1].splitlines()) == 4


def test_an_empty_list_and_no_audit_are_said_so(repository):
    assert texts.NOTHING_LISTED in said(
        open_part(texts.AUDIT, audit_list="Shows none of the classes")
    )
    write_audit(pd.DataFrame(columns=list(COLUMNS)))
    LOCK.write_text("another")
    assert "thaw use crossval.enabled=true" in said(open_part(texts.AUDIT))


@pytest.mark.parametrize("part", [texts.IMAGES, texts.LEFT_OUT, texts.NEAR, texts.AUDIT])
def test_before_the_pipeline_has_run_each_part_says_so(repository, part):
    for folder in ("data", "outputs"):
        shutil.rmtree(repository / folder)
    assert "make repro" in said(open_part(part))


def test_outside_a_repository_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "outside one" in said(open_part(texts.IMAGES))


def test_a_number_beyond_a_smaller_class_starts_again(repository):
    table = pd.read_csv(SPLIT)
    train = table[table["split"] == "train"]
    few = train[train["label"] == "green"].index[2:]
    table.drop(few).to_csv(SPLIT, index=False)
    LOCK.write_text("another")
    page = open_part(texts.AUGMENTATION)
    page.number_input(key="augment-image").set_value(5)
    page = checked(page.run())
    page.selectbox(key="augment-class").set_value("green")
    page = checked(page.run())
    assert page.number_input(key="augment-image").value in (1, 2)
    assert "green" in captions(page)[0]
