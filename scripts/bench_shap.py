"""Python's `shap` on the trees and rows that `bench_risk` left in a folder: how much of a core it takes, and how far its values are from ours."""

import pathlib
import sys
import time

import numpy as np
import shap
import xgboost

folder = pathlib.Path(sys.argv[1])
booster = xgboost.Booster()
booster.load_model(folder / "trees.json")
features = booster.num_features()
rows = np.fromfile(folder / "rows.f64").reshape(-1, features)
ours = np.fromfile(folder / "values.f64").reshape(-1, features + 1)

begin = time.process_time()
explainer = shap.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
print(f"shap {shap.__version__}: explainer made in {time.process_time() - begin:.2f} s")
# Ours is on one core: so are these. For trees of XGBoost, shap asks XGBoost's own C++; told that they are not, it runs its own.
booster.set_param({"nthread": 1})
for name, kind in (("XGBoost's C++, as shap asks it", explainer.model.model_type), ("shap's own C", "internal")):
    explainer.model.model_type = kind
    begin = time.process_time()
    got = explainer.shap_values(rows, check_additivity=False)
    took = time.process_time() - begin
    print(f"{name}: {took:.3f} s of one core for {len(rows)} rows, values differ from ours by {np.abs(got - ours[:, :features]).max():.1e} at most")
few = rows[:200]
begin = time.process_time()
explainer.shap_interaction_values(few)
print(f"interactions: {time.process_time() - begin:.3f} s of one core for {len(few)} rows")
