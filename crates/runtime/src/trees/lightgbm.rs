//! LightGBM's model files, text: a head, then trees, each as lines of `name=values`.

use super::forest::{Forest, Line, Rule, Said};
use super::link::Link;
use super::{OUTPUTS_MAX, Summed, Trees};
use crate::Format;
use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;
use tidegate_core::model::Datatype;

/// Versions of the text that are read.
const VERSIONS: [&str; 3] = ["v2", "v3", "v4"];
/// What LightGBM takes for zero, on both sides.
pub(super) const ZERO: f64 = 1e-35_f32 as f64;

/// Marks of `decision_type`; what a missing value is stands above them.
const CATEGORICAL: u8 = 1;
const DEFAULT_LEFT: u8 = 2;
const MISSING_SHIFT: u8 = 2;

type Lines<'t> = BTreeMap<&'t str, &'t str>;

/// Reads a model; the error is a sentence.
pub(super) fn read(bytes: &[u8]) -> Result<Trees, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text of LightGBM: it is not UTF-8".to_owned())?;
    let mut lines = text.lines();
    let head = section(&mut lines);
    let version = head.get("version").copied().unwrap_or_default();
    if !VERSIONS.contains(&version) {
        return Err(format!("its version is `{version}`: files of LightGBM of the versions {} are read", VERSIONS.join(", ")));
    }
    let features = one::<usize>(&head, "max_feature_idx")?.saturating_add(1);
    let outputs: usize = one(&head, "num_tree_per_iteration")?;
    if outputs == 0 || outputs > OUTPUTS_MAX {
        return Err(format!("it has {outputs} outputs: 1 to {OUTPUTS_MAX} are taken"));
    }
    let link = link(head.get("objective").copied(), outputs)?;
    let averaged = head.contains_key("average_output");
    let mut forest = Forest::new(features)?;
    let mut before = head;
    while before.contains_key("Tree") {
        let tree = section(&mut lines);
        let index = forest.trees();
        plant(&tree, &mut forest, u32::try_from(index % outputs).unwrap_or(u32::MAX)).map_err(|why| format!("tree {index}: {why}"))?;
        before = tree;
    }
    if !before.contains_key("end of trees") {
        return Err("it ends before its trees do".to_owned());
    }
    if forest.trees() % outputs != 0 {
        return Err(format!("its {} trees are no whole rounds of {outputs}", forest.trees()));
    }
    let rounds = u32::try_from(forest.trees() / outputs).unwrap_or(u32::MAX);
    let divisor = (averaged && rounds > 0).then_some(f64::from(rounds));
    let (format, base) = (Format::LightgbmText, vec![0.0; outputs]);
    Ok(Trees { format, features, outputs, summed: Summed::Forest(forest), base, divisor, link, datatype: Datatype::Fp64 })
}

/// The lines up to the next tree or the end of trees, whose line is the last one.
fn section<'t>(lines: &mut std::str::Lines<'t>) -> Lines<'t> {
    let mut section = Lines::new();
    for line in lines {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        section.insert(name, value);
        if name == "Tree" || name == "end of trees" {
            break;
        }
    }
    section
}

fn one<T: FromStr>(lines: &Lines<'_>, name: &str) -> Result<T, String> {
    let text = lines.get(name).ok_or_else(|| format!("it has no `{name}`"))?;
    text.trim().parse().map_err(|_| format!("{name} is `{text}`"))
}

fn many<T: FromStr>(lines: &Lines<'_>, name: &str) -> Result<Vec<T>, String> {
    let text = lines.get(name).ok_or_else(|| format!("it has no `{name}`"))?;
    text.split_ascii_whitespace().map(|word| word.parse().map_err(|_| format!("{name} has the value `{word}`"))).collect()
}

/// `count` values; none of something need not be said.
fn exactly<T: FromStr>(lines: &Lines<'_>, name: &str, count: usize) -> Result<Vec<T>, String> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let values = many(lines, name)?;
    if values.len() == count { Ok(values) } else { Err(format!("{name} has {} values of {count}", values.len())) }
}

/// What the objective does with sums; without one they are the answer, as for an objective of the user's own.
fn link(objective: Option<&str>, outputs: usize) -> Result<Link, String> {
    let Some(objective) = objective else { return Ok(Link::Identity) };
    let mut words = objective.split_ascii_whitespace();
    let name = words.next().unwrap_or_default();
    let (mut slope, mut square) = (1.0, false);
    for word in words {
        match (name, word.split_once(':')) {
            ("binary" | "multiclassova", Some(("sigmoid", value))) => {
                slope = value.parse().map_err(|_| format!("its objective is `{objective}`"))?;
            }
            ("multiclass" | "multiclassova", Some(("num_class", value))) if value.parse() == Ok(outputs) => {}
            ("regression" | "regression_l1" | "quantile" | "mape" | "fair" | "huber", None) if word == "sqrt" => square = true,
            _ => return Err(format!("its objective is `{objective}`, of which `{word}` is not known")),
        }
    }
    Ok(match name {
        "regression" | "regression_l1" | "quantile" | "mape" | "fair" | "huber" if square => Link::Square,
        "regression" | "regression_l1" | "quantile" | "mape" | "fair" | "huber" | "lambdarank" | "rank_xendcg" => Link::Identity,
        "binary" | "multiclassova" => Link::Sigmoid(slope),
        "cross_entropy" => Link::Sigmoid(1.0),
        "cross_entropy_lambda" => Link::Softplus,
        "multiclass" => Link::Softmax,
        "poisson" | "gamma" | "tweedie" => Link::Exp,
        _ => return Err(format!("its objective is `{name}`, which is not served: export the model as ONNX")),
    })
}

/// The lines of one tree as values.
struct Tree {
    left: Vec<i64>,
    right: Vec<i64>,
    features: Vec<usize>,
    thresholds: Vec<f64>,
    decisions: Vec<u8>,
    leaves: Vec<f64>,
    /// How many rows of the training each split and each leaf saw; empty where it is not said.
    covers: Vec<f64>,
    /// Where the words of each set of categories lie.
    bounds: Vec<usize>,
    words: Vec<u32>,
    lines: Option<Linear>,
}

/// What a tree says of linear leaves.
struct Linear {
    constants: Vec<f64>,
    /// Where each leaf's features and slopes lie.
    parts: Vec<Range<usize>>,
    features: Vec<usize>,
    slopes: Vec<f64>,
}

fn plant(lines: &Lines<'_>, forest: &mut Forest, output: u32) -> Result<(), String> {
    let tree = Tree::of(lines)?;
    forest.add(output, tree.left.len() + tree.leaves.len(), &tree.covers, |at, forest| tree.said(at, forest))
}

impl Tree {
    fn of(lines: &Lines<'_>) -> Result<Tree, String> {
        let leaves: usize = one(lines, "num_leaves")?;
        let splits = leaves.checked_sub(1).ok_or("it has no leaves")?;
        let leaf_values = exactly(lines, "leaf_value", leaves)?;
        let is_linear = match lines.get("is_linear").copied().unwrap_or("0") {
            "0" => false,
            "1" => true,
            other => return Err(format!("is_linear is `{other}`")),
        };
        let linear = if is_linear { Some(Linear::of(lines, leaves)?) } else { None };
        let covers = match (lines.contains_key("internal_count"), lines.contains_key("leaf_count")) {
            (true, true) => [exactly(lines, "internal_count", splits)?, exactly(lines, "leaf_count", leaves)?].concat(),
            _ => Vec::new(),
        };
        let sets: usize = if splits == 0 { 0 } else { one(lines, "num_cat")? };
        let (bounds, words) = match sets {
            0 => (Vec::new(), Vec::new()),
            _ => (exactly(lines, "cat_boundaries", sets.saturating_add(1))?, many(lines, "cat_threshold")?),
        };
        Ok(Tree {
            left: exactly(lines, "left_child", splits)?,
            right: exactly(lines, "right_child", splits)?,
            features: exactly(lines, "split_feature", splits)?,
            thresholds: exactly(lines, "threshold", splits)?,
            decisions: exactly(lines, "decision_type", splits)?,
            leaves: leaf_values,
            covers,
            bounds,
            words,
            lines: linear,
        })
    }

    /// Splits come first, leaves behind them.
    fn said(&self, at: usize, forest: &mut Forest) -> Result<Said, String> {
        let Some(leaf) = at.checked_sub(self.left.len()) else { return self.split(at, forest) };
        let value = *self.leaves.get(leaf).ok_or_else(|| format!("there is no leaf {leaf}"))?;
        match &self.lines {
            None => Ok(Said::Leaf(value)),
            Some(lines) => Ok(Said::Line(value, lines.line(leaf)?)),
        }
    }

    fn split(&self, at: usize, forest: &mut Forest) -> Result<Said, String> {
        let node = (self.left.get(at), self.right.get(at), self.features.get(at));
        let rest = (self.thresholds.get(at), self.decisions.get(at));
        let ((Some(left), Some(right), Some(feature)), (Some(threshold), Some(decision))) = (node, rest) else {
            return Err(format!("there is no split {at}"));
        };
        // A leaf is said as one less than its negative number.
        let place = |child: i64| if child < 0 { self.left.len().saturating_add(usize_of(!child)) } else { usize_of(child) };
        let rule = self.rule(*threshold, *decision, forest).map_err(|why| format!("split {at}: {why}"))?;
        Ok(Said::Split { feature: *feature, rule, left: place(*left), right: place(*right) })
    }

    fn rule(&self, threshold: f64, decision: u8, forest: &mut Forest) -> Result<Rule, String> {
        if decision & CATEGORICAL != 0 {
            let words = set_at(&self.bounds, threshold).and_then(|range| self.words.get(range)).ok_or("its categories are not there")?;
            let set = forest.set(words.iter().copied())?;
            return Ok(Rule::Among { set, members_left: true, missing_left: false, fractions_below_zero: true });
        }
        let default_left = decision & DEFAULT_LEFT != 0;
        // Where nothing is missing, what is not a number counts as 0.
        let (missing_left, zero_is_missing) = match decision >> MISSING_SHIFT {
            0 => (0.0 <= threshold, false),
            1 => (default_left, true),
            2 => (default_left, false),
            _ => return Err(format!("its decision_type is {decision}")),
        };
        Ok(Rule::AtMost { threshold, missing_left, zero_is_missing })
    }
}

impl Linear {
    fn of(lines: &Lines<'_>, leaves: usize) -> Result<Linear, String> {
        let counts: Vec<usize> = exactly(lines, "num_features", leaves)?;
        let mut end = 0_usize;
        let parts = counts.iter().map(|count| {
            let from = end;
            end = end.saturating_add(*count);
            from..end
        });
        Ok(Linear {
            parts: parts.collect(),
            constants: exactly(lines, "leaf_const", leaves)?,
            features: many(lines, "leaf_features")?,
            slopes: many(lines, "leaf_coeff")?,
        })
    }

    fn line(&self, leaf: usize) -> Result<Line, String> {
        let part = self.parts.get(leaf).and_then(|part| Some((self.features.get(part.clone())?, self.slopes.get(part.clone())?)));
        let ((features, slopes), constant) = part.zip(self.constants.get(leaf)).ok_or_else(|| format!("leaf {leaf} has no line"))?;
        Ok(Line { constant: *constant, slopes: features.iter().copied().zip(slopes.iter().copied()).collect() })
    }
}

/// The words of the set that a threshold names.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is checked to be a whole number that is not negative")]
fn set_at(bounds: &[usize], threshold: f64) -> Option<Range<usize>> {
    let whole = threshold >= 0.0 && threshold.fract() == 0.0 && threshold < bounds.len() as f64;
    let at = if whole { threshold as usize } else { return None };
    Some(*bounds.get(at)?..*bounds.get(at + 1)?)
}

/// A number that is not negative; what no place can be is one that is not there.
fn usize_of(n: i64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
