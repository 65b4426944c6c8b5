"""Rows that models of every kind are trained on and asked: numbers, counts, categories, texts, from one seed."""

import numpy as np

FEATURES = 8
TRAINED = 400
ASKED = 10_000
WORDS = ["late", "early", "cargo", "gate", "weather", "crew", "fuel", "runway", "delay", "snow", "wind", "night"]


def _numbers(rng, rows):
    """Whole, skewed and correlated columns, in single precision as models are asked."""
    x = rng.normal(size=(rows, FEATURES))
    x[:, 1] = np.exp(x[:, 1])
    x[:, 2] = np.round(x[:, 2] * 3)
    x[:, 3] += 0.7 * x[:, 0]
    return x.astype(np.float32)


def _categories(rng, rows):
    return np.array([["red", "green", "blue"], ["s", "m", "l"]], dtype=object)[[0, 1], rng.integers(0, 3, size=(rows, 2))]


def _texts(rng, rows):
    return np.array([" ".join(rng.choice(WORDS, size=rng.integers(1, 9))) for _ in range(rows)], dtype=object)


def _of(rng, rows):
    numbers = _numbers(rng, rows)
    missing = numbers.copy()
    missing[rng.random(missing.shape) < 0.1] = np.nan
    return {
        "numbers": numbers,
        "positive": np.abs(numbers),
        "unit": (1 / (1 + np.exp(-numbers))).astype(np.float32),
        "missing": missing,
        "counts": rng.integers(0, 4, size=(rows, FEATURES)).astype(np.float32),
        "codes": rng.integers(0, 3, size=(rows, 3)).astype(np.int64),
        "categories": _categories(rng, rows),
        "texts": _texts(rng, rows),
        "one": numbers[:, :1].copy(),
    }


def rows(seed=7):
    """What is trained on and what is asked, by the kind of input."""
    rng = np.random.default_rng(seed)
    return _of(rng, TRAINED), _of(rng, ASKED)


def targets(x):
    """Truths of these rows of numbers: two classes, three classes, words, numbers, several of each."""
    score = x[:, 0] * 1.5 + x[:, 1] - x[:, 3] + 0.3 * x[:, 4] * x[:, 5]
    return {
        "two": (score > np.median(score)).astype(np.int64),
        "three": np.digitize(score, np.quantile(score, [0.33, 0.66])).astype(np.int64),
        "words": np.array(["low", "middle", "high"])[np.digitize(score, np.quantile(score, [0.33, 0.66]))],
        "number": score.astype(np.float64),
        "positive": (np.abs(score) + 0.1).astype(np.float64),
        "unit": 1 / (1 + np.exp(-score.astype(np.float64))),
        "numbers": np.stack([score, -score + x[:, 6]], axis=1).astype(np.float64),
        "labels": np.stack([score > 0, x[:, 6] > 0, x[:, 7] > 0.3], axis=1).astype(np.int64),
    }
