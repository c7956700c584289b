"""Thaw: reproducible image classification by transfer learning."""
