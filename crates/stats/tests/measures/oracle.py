"""What scikit-learn, Fairlearn, betacal and venn-abers say about random tables. Usage: oracle.py PART"""

import sys

import numpy as np
from betacal import BetaCalibration
from sklearn import metrics
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from venn_abers import VennAbers


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


def platt(scores, y):
    """Platt's targets as weighted rows of both labels, by a library that takes no soft targets."""
    high, low = (y.sum() + 1) / (y.sum() + 2), 1 / ((1 - y).sum() + 2)
    target = np.where(y == 1, high, low)
    middle, spread = scores.mean(), scores.std() or 1.0
    rows = ((np.r_[scores, scores] - middle) / spread).reshape(-1, 1)
    fitted = LogisticRegression(C=1e13, tol=1e-12, max_iter=1000, solver="newton-cholesky")
    fitted.fit(rows, np.r_[np.ones(len(y)), np.zeros(len(y))], sample_weight=np.r_[target, 1 - target])
    return lambda at: fitted.predict_proba(((at - middle) / spread).reshape(-1, 1))[:, 1]


def calibration(rng):
    for case in range(120):
        n = int(rng.integers(20, 300))
        s = rng.random(n)
        if case % 3 == 0:
            s = np.round(s * 15) / 15 * 0.98 + 0.01
        bend = np.exp(rng.normal(0, 0.6))
        y = (rng.random(n) < s**bend).astype(float)
        y[np.argmin(s)], y[np.argmax(s)] = 1, 0
        weights = rng.integers(0, 4, n).astype(float)
        weights[0] = 1
        at = np.concatenate([rng.uniform(-0.1, 1.1, 20), rng.choice(s, 10)])
        inside = np.clip(at, 0.001, 0.999)
        print("table")
        for name, values in [("scores", s), ("labels", y), ("weights", weights), ("at", at), ("inside", inside)]:
            put(name, values)
        put("isotonic", IsotonicRegression(out_of_bounds="clip").fit(s, y, sample_weight=weights).predict(at))
        put("platt", platt(s, y)(at))
        put("beta", BetaCalibration("abm").fit(s.reshape(-1, 1), y).predict(inside.reshape(-1, 1)))
        venn_abers = VennAbers()
        venn_abers.fit(np.c_[1 - s, s], y)
        pairs = venn_abers.predict_proba(np.c_[1 - at, at])[1]
        put("low", pairs[:, 0])
        put("high", pairs[:, 1])


PARTS = {"calibration": calibration, "scoring": scoring}

if __name__ == "__main__":
    PARTS[sys.argv[1]](np.random.default_rng(20260401))
