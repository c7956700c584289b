"""The tab About; its sections are Markdown, in the folder about."""

SECTIONS = {
    "overview": "Overview",
    "motivation": "Why",
    "success": "What success means",
    "data": "Data",
    "method": "Method",
    "pipeline": "Pipeline and architecture",
    "deployment": "Deployment",
    "limits": "Limits",
    "use": "How to use it",
}
HERE = "The last result of this repository:"
ACCURACY, ECE, TEST_IMAGES = "Test accuracy", "ECE", "Test images"
PERCENT = "{:.1f} %"
INTERVAL = "{low:.1f} to {high:.1f} %"
COUNTS = "Here: {images:,} images of {classes:,} classes; {left_out:,} files were left out."
PICTURE_ALT = "The path of the data through the stages, from source and weights to the bundle"
