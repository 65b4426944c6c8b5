"""Runs the checkpoint training_data; exit code 1 when it fails."""

import sys

import great_expectations as gx

result = gx.get_context(mode="file").checkpoints.get("training_data").run()
print("training_data passed" if result.success else "training_data failed")
sys.exit(0 if result.success else 1)
