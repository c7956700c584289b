"""The tab Errors."""

TEST_ONLY = """
These are **test images**: look at them to understand the network, and do not choose settings by
them. What is chosen on test images looks better than it is.
"""
NONE = "There is no mistake to show: all {images:,} test images are answered right."
COUNT = "{mistakes:,} of {images:,} test images are answered wrong."
PAIRS = "Most confused classes"
PAIR_COLUMNS = {
    "truth": "True class",
    "answer": "Answered",
    "images": "Mistakes",
    "of": "Test images of the true class",
}
PAIRS_SHOWN = "The first {shown} of {total:,} pairs."

WORST = "Mistakes, the most confident first"
TRUTH, ANSWER = "True class", "Answered"
CONFIDENCE = "Confidence, percent"
NO_SUCH = "No mistake is of these classes with this confidence. Choose others."
MISTAKES = "mistakes"
CARD = "**{answer}** {confidence:.1f} %, is {truth}  \n{name}"
PICTURED = "Test image {name}: it shows {truth}, and the answer is {answer}"
OVERLAY = "What speaks for {answer} in {name}, as a heatmap on the image"
HEATMAPS = "The heatmaps are Grad-CAM: the brighter, the more a place speaks for the answer."
OTHER_BUNDLE = """
The heatmaps are from another bundle than the answers: `outputs/predictions.csv` is from bundle
{predicted}, and bundle {here} answers now. Run `dvc repro`, or start the page with that bundle.
"""
NO_HEATMAP = "No heatmap: {reason}"
