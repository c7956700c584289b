"""The tab Experiments. What is said of verdicts is said by `thaw compare`."""

COMPARE = "Compare"
CHOOSE = "Experiments to compare"
CHOOSE_HELP = (
    "Experiments of every commit, the commit itself (HEAD), and the files as they are (workspace)."
)
ALL = "The current commit, its experiments, and the workspace"
READING = "Reading the experiments"
NO_COMPARISON = "There is nothing to compare: {reason}"
TEST_IS_SHOWN = (
    "Test accuracy is shown for no choice: the order is that of the validation or out-of-fold "
    "accuracy."
)

COLUMNS = {  # of numbers: title, and what it is
    "experiment": ("experiment", "The name of the first run, and how many more there are."),
    "accuracy": ("accuracy", "On the images named above; a mean over the runs."),
    "low": ("from", "Lower end of the 95 % Wilson interval of the accuracy."),
    "high": ("to", "Upper end of the 95 % Wilson interval of the accuracy."),
    "spread": ("± over runs", "Standard deviation of the accuracy over the runs."),
    "loss": ("loss", "On the same images."),
    "trainable_parameters": ("trainable", "Parameters that were trained."),
    "seconds": ("seconds", "From start to end, as a sweep timed it."),
    "against the first": ("against the first", "The paired test, corrected for all pairs."),
    "test_accuracy": ("on test", "For no choice."),
    "test_accuracy_low": ("test, from", "Lower end of the 95 % interval on test."),
    "test_accuracy_high": ("test, to", "Upper end of the 95 % interval on test."),
}
FOUR_DIGITS = ("accuracy", "low", "high", "spread", "loss", "test_accuracy")
TABLE_ALT = "Experiments, the best first: params that differ, accuracy with its interval, and loss"

INTERVALS = "How sure is it?"
ACCURACIES_ALT = "Accuracy of each experiment, with its 95 % interval"
DIFFERENCES_ALT = "Difference in accuracy of each experiment to the first, with its 95 % interval"
PAIRS = "{count} paired tests"
DEPTH = "Against the depth"
DEPTH_ALT = "The {measure} of train and validation against the params that differ"

TWO = "Two side by side"
FIRST, SECOND = "One experiment", "The other"
NOT_PAIRED = "They have no predictions of the same images, so they cannot be compared one by one."
VERDICT = "{first} and {second}: {sentence}."
SAME_TWICE = "Choose two different experiments to compare them image by image."
CONFUSION = "Confusion matrix of {name}"
DISAGREE = "Images on which one alone is right: {count:,}"
SOME = "{disagree}, of which {shown} are here"
AGREE = "There is no image on which one alone is right."
IMAGE = "true: {truth}"
PLACES = ("former", "latter")  # as in the verdict above the images
ANSWER = "{mark} {place}: {label} {probability:.2f}"
RIGHT, WRONG = "✓", "✗"

CURVES = "Learning curves"
CURVES_OF = "Learning curves of {name}"
CURVES_ARE = "The scales are the same for all. Runs of a setting are drawn together."
MOST_CURVES = "The first {shown} of {count}; choose experiments above to see others."

TRAINING = "Train"
TRAINING_OFF = (
    "To train from here, start the page with a token of 16 characters or more in the environment "
    "variable `THAW_TOKEN`, such as `THAW_TOKEN=$(openssl rand -hex 32) thaw page`."
)
TOKEN = "Token of this page"
TOKEN_HELP = "The value of THAW_TOKEN where the page was started. It stays in this window."
TOKEN_ASKED = "With the token of this page you can train from here."
WRONG_TOKEN = "That is not the token of this page: see THAW_TOKEN where it was started."

FORM = (
    "Empty fields are as in params.yaml, which stays as it is. Several values, separated by "
    "commas, are a sweep: every combination becomes an experiment."
)
PARAMS = {
    "train.freeze_till": "Frozen layers (freeze_till)",
    "train.hidden_units": "Units of the head's layers (hidden_units)",
    "train.dropout": "Dropout",
    "train.head_epochs": "Epochs of the head phase",
    "train.head_learning_rate": "Learning rate of the head phase",
    "augment.views": "Augmented views of an image",
    "train.fine_tune_epochs": "Epochs of fine-tuning",
    "train.fine_tune_learning_rate": "Learning rate of fine-tuning",
    "seed": "Seed",
}
PARAM_HELP = "`{key}`. Now {value}; several, such as {example}, are a sweep."
EXAMPLES = {
    "train.freeze_till": "all, 140, 100",
    "train.hidden_units": "[], [32], [64, 32]",
    "train.dropout": "0.2, 0.5",
    "train.head_epochs": "6, 12",
    "train.head_learning_rate": "0.01, 0.001",
    "augment.views": "0, 2, 4",
    "train.fine_tune_epochs": "2, 5",
    "train.fine_tune_learning_rate": "0.001, 0.0001",
    "seed": "0, 1, 2",
}
MORE = "Further params, one a line"
MORE_EXAMPLE = "train.weight_decay=0.0001\naugment.rotation=0,10,20"
START = "Start"
RUNS_ALREADY = "One job runs at a time; the one below must end first."

JOB = "Job {id}"
STATES = {
    "queued": "It starts.",
    "running": "It runs.",
    "failed": "It failed.",
    "cancelled": "It was cancelled.",
    "lost": "It was killed from outside.",
    "succeeded": "It is done.",
    "by hand only": "It is done. Its bundle is published by hand only.",
    "published": "It is done, and its bundle is published.",
}
SETTINGS = "With {settings}."
UNCHANGED = "With the params of params.yaml."
STAGE = "Stage {number} of {count}: {name}"
POINT = "Point {number} of {count}: {name}"
ENDED = "{number} of {count} done"
CANCEL = "Cancel"
LOG = "End of the log"
METRICS = "Its metrics, on the test images unless named otherwise:"
CHOSEN = "Chosen, by {images} accuracy: {name}."
FAILED_POINT = "{name} failed: {error}"
RANKING_ALT = "The points of the sweep, the best first"
RANKING = {
    "name": "experiment",
    "accuracy": "accuracy",
    "low": "from",
    "high": "to",
    "loss": "loss",
}
