"""The tab Data."""

IMAGES, SPLIT, LEFT_OUT, NEAR, AUGMENTATION, AUDIT = (
    "Images",
    "Split",
    "Left out",
    "Near duplicates",
    "Augmentation",
    "Audit of the labels",
)
CLASS, SPLIT_OF = "Class", "Split"
PICTURED = "Image {name}, of the class {label}"  # alternative text

NO_IMAGES = "No image is in this class and this split. Choose another."
IMAGE = "{name}  \n{label}, {split}"

SPLIT_IS = """
{images:,} images of {classes:,} classes. Near duplicates are always in the same split. Every choice
is made on train and val; test measures what was chosen, and chooses nothing.
"""
MORE_CLASSES = "The chart shows the first {shown} classes of {total:,}; the table has all."
CHART = "Number of images of each class, stacked by split"
NUMBER = "images"
TOTAL = "all classes"

LEFT_OUT_IS = "{kept:,} images are used, and {count:,} files of the source are left out."
NOTHING_LEFT_OUT = "Nothing was left out: all {kept:,} images of the source are used."
NO_SUCH_FILE = "No file that was left out has this reason and a name with {part}."
REASON, NAME_PART = "Reason", "Name contains"
COLUMNS = {"name": "Name", "label": "Class", "reason": "Reason", "detail": "Details"}
REASON_COLUMNS = {"reason": "Reason", "count": "Files", "meaning": "What it means"}
MEANINGS = {
    "HEIC": "Its format cannot be read; convert it to JPEG.",
    "dropped": "Your table of corrected labels drops it.",
    "duplicate": "The same file is there already, in the same class.",
    "empty": "The file has no content.",
    "hidden": "Its name starts with a dot, or it is in a folder of the system.",
    "no class folder": "It is in no folder, so its class is unknown.",
    "not an image": "It has the name of an image, and no image inside.",
    "not an image file": "It does not have the name of an image.",
    "small class": "Its class has fewer images than data.min_per_class.",
    "too large": "It has more pixels than data.max_megapixels, or than can be decoded safely.",
    "truncated": "Its end is missing.",
    "two labels": "The same file is in two classes, and nothing tells which is right.",
    "two rows": "The table has two rows for it, which differ.",
}

NEAR_IS = """
Images that look almost the same form a group: there are {groups:,}, with {images:,} images. All are
kept, and each group stays in one split: else a test image would be known from training.
"""
NO_NEAR = "No two images look almost the same, so there is nothing to keep together."
GROUPS = "groups"
GROUP = "{count:,} images like {name}"
MORE_OF_GROUP = "The first {shown} of {total:,}."

AUGMENT_IS = """
Views are altered copies of the training images. Move the sliders to see what they do; nothing is
saved. The lines at the end put your choice into `params.yaml`.
"""
PARAMS = {  # the label and the help of each param of `augment`
    "views": ("Views of each training image", "augment.views: 0 trains on the images as they are."),
    "extra_views": (
        "Classes with additional views",
        "augment.extra_views: for a class with few images.",
    ),
    "flip": ("Flip left and right", "augment.flip: every second view on average."),
    "rotation": ("Rotation, at most, degrees", "augment.rotation: to either side."),
    "shift": ("Shift, at most, share of the side", "augment.shift: in each direction."),
    "shear": ("Shear, at most, degrees", "augment.shear: to either side."),
    "zoom": ("Zoom, at most, share", "augment.zoom: in or out."),
    "brightness": ("Brightness, at most, share", "augment.brightness: brighter or darker."),
    "contrast": ("Contrast, at most, share", "augment.contrast: more or less."),
    "saturation": ("Saturation, at most, share", "augment.saturation: of the colours."),
    "elastic": (
        "Elastic deformation, at most, share of the side",
        "augment.elastic: bends the image.",
    ),
    "blur": ("Blur, at most, pixels", "augment.blur: standard deviation of a Gaussian."),
    "erase": (
        "Erased rectangle, at most, share of the area",
        "augment.erase: noise in place of a part, in every second view on average.",
    ),
}
EXTRA = "Additional views of {label}"
RESET = "Back to params.yaml"
NUMBER_OF_IMAGE = "Image, 1 to {count:,}"
SEED, SEED_HELP = "Seed", "Another seed draws other views; the stage takes the seed of params.yaml."
VIEWS_SHOWN = "Views shown"
ORIGINAL, VIEW = "{name} as it is", "View {k}"
TRAINED = {
    0: "With these settings no view of this class is trained on.",
    1: "With these settings training takes view 1.",
    2: "With these settings training takes views 1 to {count:,}.",
}
UNCHANGED = "These are the settings of `params.yaml`. Change one, and its lines stand here."
LINES = "In `params.yaml`, put these in place of the lines of the same name in `augment`:"
COMMAND = "Or try them as an experiment, with `params.yaml` as it is until you apply it:"
NO_COMMAND = "A name of a class here cannot stand in the command `dvc exp run -S`; use the lines."

NO_AUDIT = """
There is no audit here: it needs out-of-fold predictions, and cross-validation is switched off. Run
`thaw use crossval.enabled=true` and `dvc repro`.
"""
AUDIT_IS = """
Look at the first images of each list, until they look right, and say what shall happen to those
that do not. Test images take no part.
"""
LIST = "List"
NOTHING_LISTED = "This list is empty: nothing to decide."
DECISION, NEW_LABEL = "Decision on {name}", "New label of {name}"
DECISIONS = {"keep": "keep", "relabel": "relabel", "drop": "drop"}
CARD = "**{label}**{other}  \n{reason}  \n{name}"
OTHER = " · {suggested}?"
NEW = "new label: {label}"
DECIDED = "{decided:,} images decided on: {relabelled:,} relabelled, {dropped:,} dropped."
EARLIER = "The {count:,} rows of {path} are continued."
DOWNLOAD = "Download relabel.csv"
RELABEL_HEAD = "What to do with relabel.csv"
RELABEL_HOW = """
Put `relabel.csv` into the folder of the repository, and run `thaw use data.relabel=relabel.csv` and
`dvc repro`: the labels change, and the images that you drop are left out. This page forgets your
decisions when you reload it; `outputs/audit.html` is the same list as a file, and remembers them.
"""
