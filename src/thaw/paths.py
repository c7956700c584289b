"""Paths of the files that pass between stages, as dvc.yaml declares them."""

from pathlib import Path

LOCK = Path("dvc.lock")

IMAGES = Path("data/images.parquet")
INGEST_SUMMARY = Path("data/ingest.json")
INVENTORY = Path("data/inventory.csv")
SPLIT = Path("data/split.csv")
VIEWS = Path("data/views.parquet")
EMBEDDINGS = Path("data/embeddings")
FEATURES = Path("data/features")

BASE = Path("models/base")
BASE_ONNX = Path("models/base.onnx")
WEIGHTS = Path("models/weights.safetensors")
CLASSIFIER = Path("models/classifier.onnx")
BUNDLE = Path("models/bundle")
LITERT = Path("models/litert")

TRAIN = Path("outputs/train")
PREDICTIONS = Path("outputs/predictions.csv")
TABLES = Path("outputs/tables")
DETAILS = Path("outputs/details.json")
BUNDLE_METRICS = Path("outputs/bundle_metrics.json")
OUT_OF_FOLD = Path("outputs/out_of_fold.csv")
CROSSVAL = Path("outputs/crossval.json")
FULL_OUT_OF_FOLD = Path("outputs/full_out_of_fold.csv")
FULL_CROSSVAL = Path("outputs/full_crossval.json")
EXPLAIN = Path("outputs/explain")
AUDIT = Path("outputs/audit.csv")
AUDIT_PAGE = Path("outputs/audit.html")

METRICS = Path("metrics")
EVAL_METRICS = Path("metrics/eval.json")
CROSSVAL_METRICS = Path("metrics/crossval.json")
PLOTS = Path("plots")

CHECKPOINTS = Path(".thaw/checkpoints")
DOWNLOADS = Path(".thaw/downloads")
LOGS = Path("logs")
SWEEP = Path(".thaw/sweep")
SWEEP_RESULTS = Path("outputs/sweep")
SWEEP_RUNS = Path(".thaw/sweep/runs")
SWEEP_SHARED = Path(".thaw/sweep/shared")
SWEEP_LOGS = Path(".thaw/sweep/logs")
