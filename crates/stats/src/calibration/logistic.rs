//! Logistic regression of two columns and a constant, for curves of few parameters.

/// Most steps of Newton's method; it takes about ten.
const STEPS_MAX: usize = 200;
/// Most halvings of one step.
const HALVINGS_MAX: i32 = 60;
/// A step that moves no coefficient further ends the search.
const STEP_MIN: f64 = 1e-13;
/// Weight of the squared slopes of standardised columns beside the summed loss: only so that a column without spread, or two
/// that say the same, have an answer.
const RIDGE: f64 = 1e-9;

/// Slopes of the two columns, and the constant.
pub(super) type Line = [f64; 3];

/// log(1 + exp(z)), without overflow.
fn softplus(z: f64) -> f64 {
    if z > 0.0 { z + libm::log1p(libm::exp(-z)) } else { libm::log1p(libm::exp(z)) }
}

/// 1 / (1 + exp(-z)), without overflow.
pub(super) fn sigmoid(z: f64) -> f64 {
    if z >= 0.0 {
        1.0 / (1.0 + libm::exp(-z))
    } else {
        let e = libm::exp(z);
        e / (1.0 + e)
    }
}

fn height(line: &Line, row: &[f64; 2]) -> f64 {
    line[0] * row[0] + line[1] * row[1] + line[2]
}

/// Summed negative log-likelihood of targets in [0, 1], in nats.
pub(super) fn loss(line: &Line, rows: &[[f64; 2]], targets: &[f64]) -> f64 {
    let each = rows.iter().zip(targets).map(|(row, t)| {
        let z = height(line, row);
        softplus(z) - t * z
    });
    each.sum()
}

/// The line of greatest likelihood, by Newton's method with halved steps on standardised columns.
pub(super) fn fit(rows: &[[f64; 2]], targets: &[f64]) -> Line {
    let (first, second) = (Scale::of(rows.iter().map(|r| r[0])), Scale::of(rows.iter().map(|r| r[1])));
    let scaled: Vec<[f64; 2]> = rows.iter().map(|r| [first.apply(r[0]), second.apply(r[1])]).collect();
    let cost = |line: &Line| loss(line, &scaled, targets) + 0.5 * RIDGE * (line[0] * line[0] + line[1] * line[1]);
    let mut line = [0.0; 3];
    let mut now = cost(&line);
    for _ in 0..STEPS_MAX {
        let Some(step) = newton(&line, &scaled, targets) else { break };
        let mut part = 1.0;
        let mut moved = None;
        for _ in 0..HALVINGS_MAX {
            let tried = [line[0] - part * step[0], line[1] - part * step[1], line[2] - part * step[2]];
            let then = cost(&tried);
            if then <= now {
                moved = Some((tried, then));
                break;
            }
            part *= 0.5;
        }
        let Some((tried, then)) = moved else { break };
        (line, now) = (tried, then);
        if step.iter().all(|s| libm::fabs(s * part) < STEP_MIN) {
            break;
        }
    }
    let slopes = [line[0] / first.spread, line[1] / second.spread];
    [slopes[0], slopes[1], line[2] - slopes[0] * first.middle - slopes[1] * second.middle]
}

/// The line of greatest likelihood less `pull` times half the squared distance of its slopes from `to`, by Newton's method with halved
/// steps. `pull` is above 0, so that there is one answer whatever the columns are.
pub(super) fn fit_near(rows: &[[f64; 2]], targets: &[f64], to: [f64; 2], pull: f64) -> Line {
    let off = |line: &Line| [line[0] - to[0], line[1] - to[1]];
    let cost = |line: &Line| loss(line, rows, targets) + 0.5 * pull * off(line).iter().map(|off| off * off).sum::<f64>();
    let mut line = [to[0], to[1], 0.0];
    let mut now = cost(&line);
    for _ in 0..STEPS_MAX {
        let (mut gradient, mut curve) = slopes(&line, rows, targets);
        for (i, off) in off(&line).into_iter().enumerate() {
            gradient[i] += pull * off;
            curve[i][i] += pull;
        }
        let Some(step) = solve(curve, gradient) else { break };
        let part = |halvings: i32| libm::exp2(-f64::from(halvings));
        let tried = |part: f64| [line[0] - part * step[0], line[1] - part * step[1], line[2] - part * step[2]];
        let moved = (0..HALVINGS_MAX).map(|halvings| (tried(part(halvings)), part(halvings))).find(|(tried, _)| cost(tried) <= now);
        let Some((next, part)) = moved else { break };
        line = next;
        now = cost(&line);
        if step.iter().all(|s| libm::fabs(s * part) < STEP_MIN) {
            break;
        }
    }
    line
}

/// A column's mean and standard deviation; 1 where it has no spread.
struct Scale {
    middle: f64,
    spread: f64,
}

impl Scale {
    fn of(column: impl Iterator<Item = f64> + Clone) -> Scale {
        let n = column.clone().count().max(1) as f64;
        let middle = column.clone().sum::<f64>() / n;
        let spread = libm::sqrt(column.map(|v| (v - middle) * (v - middle)).sum::<f64>() / n);
        Scale { middle, spread: if spread > 0.0 && spread.is_finite() { spread } else { 1.0 } }
    }

    fn apply(&self, value: f64) -> f64 {
        (value - self.middle) / self.spread
    }
}

/// Newton's step: the curvature's inverse times the gradient; none where the curvature is lost to rounding.
fn newton(line: &Line, rows: &[[f64; 2]], targets: &[f64]) -> Option<Line> {
    let (mut gradient, mut curve) = slopes(line, rows, targets);
    for i in 0..2 {
        gradient[i] += RIDGE * line[i];
        curve[i][i] += RIDGE;
    }
    solve(curve, gradient)
}

/// Gradient and curvature of the loss.
fn slopes(line: &Line, rows: &[[f64; 2]], targets: &[f64]) -> ([f64; 3], [[f64; 3]; 3]) {
    let (mut gradient, mut curve) = ([0.0; 3], [[0.0; 3]; 3]);
    for (row, target) in rows.iter().zip(targets) {
        let p = sigmoid(height(line, row));
        let x = [row[0], row[1], 1.0];
        for (i, xi) in x.iter().enumerate() {
            gradient[i] += (p - target) * xi;
            for (j, xj) in x.iter().enumerate() {
                curve[i][j] += p * (1.0 - p) * xi * xj;
            }
        }
    }
    (gradient, curve)
}

/// Solves a symmetric, positive system of three by elimination, the constant first for it never is without curvature.
fn solve(a: [[f64; 3]; 3], b: [f64; 3]) -> Option<Line> {
    let c = a[2][2];
    if c.is_nan() || c <= 0.0 {
        return None;
    }
    let (f, g) = (a[0][2] / c, a[1][2] / c);
    let (aa, ab, bb) = (a[0][0] - f * a[0][2], a[0][1] - f * a[1][2], a[1][1] - g * a[1][2]);
    let (u, v) = (b[0] - f * b[2], b[1] - g * b[2]);
    if aa.is_nan() || aa <= 0.0 {
        return None;
    }
    let h = ab / aa;
    let rest = bb - h * ab;
    if rest.is_nan() || rest <= 0.0 {
        return None;
    }
    let y = (v - h * u) / rest;
    let x = (u - ab * y) / aa;
    let z = (b[2] - a[0][2] * x - a[1][2] * y) / c;
    [x, y, z].iter().all(|s| s.is_finite()).then_some([x, y, z])
}
