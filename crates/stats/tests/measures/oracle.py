"""What scikit-learn, Fairlearn, betacal and venn-abers say about random tables. Usage: oracle.py PART"""

import sys

import numpy as np
from sklearn import metrics


def put(name, values):
    print(name, *(repr(float(v)) for v in np.atleast_1d(np.asarray(values, dtype=float))))


def binned(p, y, bins):
    """Expected calibration error by its definition, bin after bin."""
    total = 0.0
    for low in range(bins):
        inside = (p * bins >= low) & ((p * bins < low + 1) | (low == bins - 1))
        if inside.any():
            total += inside.sum() * abs(p[inside].mean() - y[inside].mean())
    return total / len(p)


def delong(scores, y, others=None):
    """The covariance of DeLong by the kernel over all pairs, of one score or of two."""
    columns = [scores] if others is None else [scores, others]
    kernels = [(s[y == 1][:, None] > s[y == 0][None, :]) + 0.5 * (s[y == 1][:, None] == s[y == 0][None, :]) for s in columns]
    rows = np.array([k.mean(axis=1) for k in kernels])
    cells = np.array([k.mean(axis=0) for k in kernels])
    s10, s01 = np.atleast_2d(np.cov(rows)), np.atleast_2d(np.cov(cells))
    return s10 / rows.shape[1] + s01 / cells.shape[1]


def scoring(rng):
    for case in range(300):
        n = int(rng.integers(4, 400))
        y = (rng.random(n) < rng.uniform(0.05, 0.95)).astype(float)
        y[:2], y[2:4] = 1, 0
        p = np.clip(rng.beta(1 + y, 2 - 0.5 * y), 1e-9, 1 - 1e-9)
        if case % 2:
            p = np.round(p * 20) / 20 * 0.98 + 0.01
        other = rng.random(n)
        both = delong(p, y, other)
        print("table")
        put("scores", p)
        put("labels", y)
        put("other", other)
        put("auc", metrics.roc_auc_score(y, p))
        put("average_precision", metrics.average_precision_score(y, p))
        put("brier", metrics.brier_score_loss(y, p))
        put("log_loss", metrics.log_loss(y, p))
        put("ece10", binned(p, y, 10))
        put("ece7", binned(p, y, 7))
        put("variance", delong(p, y)[0, 0])
        put("variance_of_difference", both[0, 0] + both[1, 1] - 2 * both[0, 1])


PARTS = {"scoring": scoring}

if __name__ == "__main__":
    PARTS[sys.argv[1]](np.random.default_rng(20260401))
