"""The tab Try it. What stands under ANSWER is said by the API's form in the same words."""

TITLE = "What is in your image?"
CLASSES = "The classes are {classes}."

SOURCE = "Where the images come from"
UPLOAD, CAMERA, EXAMPLES = "Upload", "Camera", "Examples"
CHOOSE = "Choose images"
LIMITS = (
    "Up to {images} images, {megabytes} MB each: JPEG, PNG, WEBP, GIF, BMP, TIFF or AVIF. They "
    "stay in the memory of this server while the page is open, and are written to no disk."
)
TOO_MANY = (
    "At once there may be {most} images, but there are {given}: only the first {most} are answered."
)
TAKE_PHOTO = "Take a photo"
PHOTO_NAME = "photo.jpg"
EXAMPLE = "Example photograph"
ATTRIBUTION = (
    "Photographs: Oxford-IIIT Pet Dataset (O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar: "
    "*Cats and Dogs*, CVPR 2012), CC BY-SA 4.0; the copyright of each image remains with its "
    "owner."
)

SIZE = "Input size, pixels"
SIZE_HELP = (
    "Each image is first reduced to so many pixels a side, as a network with an input of that "
    "size would see it, and then enlarged to the {size} pixels that this bundle takes. At {size} "
    "nothing changes; further left you see how much detail the answer needs."
)
REDUCED = "Reduced to {size} pixels a side before the network sees it, which takes {full}."

# ANSWER
UNKNOWN = "Unknown"
UNKNOWN_NOTE = "The image seems to show none of the classes. The closest is {label}."
UNSURE = "unsure"
UNSURE_NOTE = "The risk of a wrong answer is high: let a person look."
NO_ANSWER = "No answer"
SPEAKS_FOR = "Bright areas speak for {label}."
SPEAKS_FOR_ALT = "The image, with the areas that speak for {label} in bright colours"
UNKNOWN_SCORE = "Unknown score {score:.3g}"

PERCENT = "{:.1f} %"
PROBABILITIES = "Probability by class"
MORE_CLASSES = "{count} more classes together"
HIGHEST = "Maximum"
SUM = "Sum"
SUM_HELP = "Of the probabilities of all classes: 100 %, because they share it among them."

HEATMAP_OF = "Heat map for"
OPACITY = "Opacity of the heat map, %"

MEANING = "What this confidence means"
ALIKE = (
    "Of {of:,} test images answered with a confidence of {lower:.0f} to {upper:.0f} %, "
    "{right:,} were right: {share:.1f} % (95 % interval {low:.1f} to {high:.1f} %)."
)
NONE_ALIKE = (
    "No test image was answered with a confidence of about {confidence:.0f} %, so nothing is known "
    "of such answers."
)
REDUCED_MEANING = (
    "The test images were not reduced, so nothing is known of answers at another input size."
)
NO_MEANING = "Not known: {reason}."

PREDICTING = "{done} of {count} images"
COUNTS = "{count} images: {answered} answered, {person} left to a person, {failed} unusable."
FILTER = "Show only the answers"
TABLE_ALT = "The answers, a row for each image"
IMAGE, NAME, ANSWER, CONFIDENCE, NOTE = "Image", "Name", "Answer", "Confidence", "Note"
SELECT = "Click on the head of a column to sort, and on the box left of a row to see that image."
CLOSEST = "closest: {label}"
DOWNLOAD = "Download all {count} answers as CSV"
CSV_NAME = "predictions.csv"
FAILED = "{name}: {reason}"
