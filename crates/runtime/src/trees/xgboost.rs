//! XGBoost's model files, JSON and UBJSON: one schema in two writings.

use super::forest::{FEATURES_MAX, Forest, Rule, Said};
use super::link::Link;
use super::{Linear, OUTPUTS_MAX, Summed, Trees, ubjson};
use crate::Format;
use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, de};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use tidegate_core::model::Datatype;

/// Versions of XGBoost whose files are read.
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=3;
/// Categories are below this: the first whole number that FP32 does not tell from its neighbour.
const CATEGORY_END: i64 = 1 << 24;
/// Numbers that JSON does not have.
const WORDS: [&[u8]; 3] = [b"NaN", b"Infinity", b"-Infinity"];
/// Least distance of a base that is a probability from 0 and from 1.
const BASE_MARGIN: f32 = 1e-6;

#[derive(Deserialize)]
struct File {
    learner: Learner,
    #[serde(default)]
    version: Vec<u64>,
}

#[derive(Deserialize)]
struct Learner {
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    gradient_booster: Booster,
    learner_model_param: Parameters,
    objective: Objective,
}

#[derive(Deserialize)]
struct Parameters {
    base_score: String,
    #[serde(default)]
    num_class: Option<String>,
    #[serde(default)]
    num_target: Option<String>,
    num_feature: String,
}

#[derive(Deserialize)]
struct Objective {
    name: String,
}

#[derive(Deserialize)]
struct Booster {
    name: String,
    model: Option<Model>,
    /// Of `dart`: the trees, whose weights stand beside them.
    gbtree: Option<Box<Booster>>,
    weight_drop: Option<Vec<f32>>,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    trees: Vec<Tree>,
    #[serde(default)]
    tree_info: Vec<i64>,
    iteration_indptr: Option<Vec<i64>>,
    gbtree_model_param: Option<ForestParameters>,
    weight_drop: Option<Vec<f32>>,
    weights: Option<Vec<f32>>,
}

#[derive(Deserialize)]
struct ForestParameters {
    num_parallel_tree: Option<String>,
}

#[derive(Deserialize)]
struct Tree {
    left_children: Vec<i64>,
    right_children: Vec<i64>,
    split_indices: Vec<i64>,
    /// Of a split by category it is no number in some versions, which looks at none.
    split_conditions: Vec<Option<f32>>,
    default_left: Vec<Mark>,
    #[serde(default)]
    sum_hessian: Vec<Option<f32>>,
    #[serde(default)]
    split_type: Vec<i64>,
    #[serde(default)]
    categories: Vec<i64>,
    #[serde(default)]
    categories_nodes: Vec<i64>,
    #[serde(default)]
    categories_segments: Vec<i64>,
    #[serde(default)]
    categories_sizes: Vec<i64>,
    #[serde(default)]
    tree_param: TreeParameters,
}

#[derive(Default, Deserialize)]
struct TreeParameters {
    size_leaf_vector: Option<String>,
}

/// Yes or no, which some versions write as a number.
struct Mark(bool);

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Mark, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Mark;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, 1 or 0")
            }
            fn visit_bool<E: de::Error>(self, mark: bool) -> Result<Mark, E> {
                Ok(Mark(mark))
            }
            fn visit_i64<E: de::Error>(self, mark: i64) -> Result<Mark, E> {
                Ok(Mark(mark != 0))
            }
            fn visit_u64<E: de::Error>(self, mark: u64) -> Result<Mark, E> {
                Ok(Mark(mark != 0))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Reads a model; the error is a sentence.
pub(super) fn read(format: Format, bytes: &[u8]) -> Result<Trees, String> {
    let file: File = match format {
        Format::XgboostUbjson => ubjson::from_slice(bytes).map_err(|why| format!("it is no UBJSON of an XGBoost model: {why}"))?,
        _ => serde_json::from_slice(&strict(bytes)).map_err(|why| not_a_model(bytes, &why))?,
    };
    if let Some(major) = file.version.first().filter(|major| !VERSIONS.contains(major)) {
        return Err(format!("XGBoost {major} has written it: files of {} to {} are read", VERSIONS.start(), VERSIONS.end()));
    }
    let learner = file.learner;
    let shape = Shape::of(&learner.learner_model_param)?;
    let (link, base) = link(&learner.objective.name, &shape.base)?;
    let outputs = shape.outputs;
    let rounds = match learner.attributes.get("best_iteration") {
        None => None,
        Some(best) => Some(number::<usize>("best_iteration", best)?.saturating_add(1)),
    };
    let booster = learner.gradient_booster;
    let summed = match booster.name.as_str() {
        // XGBoost 3.2 begins the sums of all outputs with the base of the first one; nobody meant that.
        "gblinear" if base.iter().any(|one| Some(one) != base.first()) => {
            return Err(
                "its linear booster has a base_score for each output, which XGBoost itself does not follow: train it with one base_score"
                    .to_owned(),
            );
        }
        "gblinear" => {
            let weights = booster.model.and_then(|model| model.weights).unwrap_or_default();
            Summed::Line(Linear::new(&weights, shape.features, outputs)?)
        }
        "gbtree" | "dart" => Summed::Forest(forest(booster, &shape, rounds)?),
        other => return Err(format!("its booster is `{other}`: gbtree, dart and gblinear are served")),
    };
    Ok(Trees { format, features: shape.features, outputs, summed, base, divisor: None, link, datatype: Datatype::Fp32 })
}

/// JSON as the standard has it: the numbers that are none, which XGBoost writes as words, become `null`.
fn strict(bytes: &[u8]) -> Cow<'_, [u8]> {
    let (mut strict, mut kept, mut at, mut in_text) = (Vec::new(), 0, 0, false);
    while let Some(byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        let word = WORDS.iter().find(|word| !in_text && rest.starts_with(word));
        match (byte, word) {
            (b'\\', _) if in_text => at += 1,
            (b'"', _) => in_text = !in_text,
            (_, Some(word)) => {
                strict.extend_from_slice(bytes.get(kept..at).unwrap_or_default());
                strict.extend_from_slice(b"null");
                at += word.len() - 1;
                kept = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    if kept == 0 {
        return Cow::Borrowed(bytes);
    }
    strict.extend_from_slice(bytes.get(kept..).unwrap_or_default());
    Cow::Owned(strict)
}

/// Why JSON is none of XGBoost's; another library's is named.
fn not_a_model(bytes: &[u8], why: &serde_json::Error) -> String {
    let start = String::from_utf8_lossy(bytes.get(..bytes.len().min(4096)).unwrap_or_default());
    if start.contains("\"learner\"") {
        return format!("it is no JSON of an XGBoost model: {why}");
    }
    if start.contains("\"tree_info\"") || start.contains("\"feature_infos\"") {
        return "it is a dump of LightGBM: save the model as text with `save_model(\"model.txt\")`".to_owned();
    }
    if start.contains("\"oblivious_trees\"") {
        return "it is CatBoost's JSON: export the model with `save_model(\"model.onnx\", format=\"onnx\")`".to_owned();
    }
    format!("it is no JSON of an XGBoost model: {why}")
}

struct Shape {
    features: usize,
    outputs: usize,
    base: Vec<f32>,
}

impl Shape {
    fn of(parameters: &Parameters) -> Result<Shape, String> {
        let optional = |name, text: &Option<String>| text.as_deref().map_or(Ok(1), |text| number::<usize>(name, text));
        let features = number("num_feature", &parameters.num_feature)?;
        if features == 0 || features > FEATURES_MAX {
            return Err(format!("it has {features} features: 1 to {FEATURES_MAX} are taken"));
        }
        let (classes, targets) = (optional("num_class", &parameters.num_class)?, optional("num_target", &parameters.num_target)?);
        let outputs = classes.max(targets).max(1);
        if outputs > OUTPUTS_MAX {
            return Err(format!("it has {outputs} outputs: at most {OUTPUTS_MAX} are taken"));
        }
        let text = parameters.base_score.trim();
        let listed = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let mut base = listed.split(',').map(|one| number::<f32>("base_score", one.trim())).collect::<Result<Vec<_>, _>>()?;
        if base.len() == 1 {
            base.resize(outputs, base.first().copied().unwrap_or_default());
        }
        if base.len() != outputs {
            return Err(format!("base_score has {} values for {outputs} outputs", base.len()));
        }
        Ok(Shape { features, outputs, base })
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name} is `{text}`"))
}

/// What an objective does with sums, and where they begin: `base_score` is said in the space of predictions.
fn link(objective: &str, base: &[f32]) -> Result<(Link, Vec<f64>), String> {
    // A base of 0 or 1, from labels that are all alike, is moved inwards.
    let logit = |p: f32| -(1.0 / p.clamp(BASE_MARGIN, 1.0 - BASE_MARGIN) - 1.0).ln();
    let (link, start): (Link, fn(f32) -> f32) = match objective {
        "reg:squarederror"
        | "reg:linear"
        | "reg:squaredlogerror"
        | "reg:pseudohubererror"
        | "reg:absoluteerror"
        | "reg:quantileerror"
        | "binary:logitraw"
        | "rank:pairwise"
        | "rank:ndcg"
        | "rank:map" => (Link::Identity, |x| x),
        "reg:logistic" | "binary:logistic" => (Link::Sigmoid32, logit),
        "binary:hinge" => (Link::Step, |x| x),
        "multi:softprob" => (Link::Softmax32, |x| x),
        "multi:softmax" => (Link::Largest, |x| x),
        "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" => (Link::Exp32, f32::ln),
        "survival:aft" => (Link::Exp, f32::ln),
        other => return Err(format!("its objective is `{other}`, which is not served: export the model as ONNX")),
    };
    let base: Vec<f64> = base.iter().map(|x| f64::from(start(*x))).collect();
    match base.iter().find(|x| !x.is_finite()) {
        Some(_) => Err(format!("its base_score is out of range for the objective `{objective}`")),
        None => Ok((link, base)),
    }
}

/// The trees of the rounds that count.
fn forest(booster: Booster, shape: &Shape, rounds: Option<usize>) -> Result<Forest, String> {
    let (model, beside) = match booster.gbtree {
        Some(inner) => (inner.model, booster.weight_drop),
        None => (booster.model, booster.weight_drop),
    };
    let model = model.ok_or("its booster has no `model`")?;
    let weights = beside.or(model.weight_drop);
    if model.tree_info.len() != model.trees.len() {
        return Err(format!("tree_info is for {} trees of {}", model.tree_info.len(), model.trees.len()));
    }
    if let Some(weights) = &weights
        && weights.len() != model.trees.len()
    {
        return Err(format!("weight_drop is for {} trees of {}", weights.len(), model.trees.len()));
    }
    let parallel = match model.gbtree_model_param.and_then(|parameters| parameters.num_parallel_tree) {
        Some(text) => number::<usize>("num_parallel_tree", &text)?.max(1),
        None => 1,
    };
    let kept = match (rounds, &model.iteration_indptr) {
        (None, _) => model.trees.len(),
        (Some(rounds), Some(ends)) => ends.get(rounds).or(ends.last()).and_then(|end| usize::try_from(*end).ok()).unwrap_or(0),
        (Some(rounds), None) => rounds.saturating_mul(shape.outputs).saturating_mul(parallel),
    };
    let mut forest = Forest::new(shape.features)?;
    for (index, (tree, output)) in model.trees.iter().zip(&model.tree_info).enumerate().take(kept) {
        let output = u32::try_from(*output).ok().filter(|output| (*output as usize) < shape.outputs);
        let output = output.ok_or_else(|| format!("tree {index} is for an output that is not one of {}", shape.outputs))?;
        let weight = weights.as_ref().and_then(|weights| weights.get(index)).copied().unwrap_or(1.0);
        tree.plant(&mut forest, output, weight).map_err(|why| format!("tree {index}: {why}"))?;
    }
    Ok(forest)
}

impl Tree {
    fn plant(&self, forest: &mut Forest, output: u32, weight: f32) -> Result<(), String> {
        if self.tree_param.size_leaf_vector.as_deref().is_some_and(|size| !matches!(size, "0" | "1")) {
            return Err(
                "its leaves are vectors (multi_strategy=multi_output_tree), which is not served: train one tree an output".to_owned()
            );
        }
        let count = self.left_children.len();
        let lengths = [
            ("right_children", self.right_children.len()),
            ("split_indices", self.split_indices.len()),
            ("split_conditions", self.split_conditions.len()),
            ("default_left", self.default_left.len()),
        ];
        if let Some((name, length)) = lengths.iter().find(|(_, length)| *length != count) {
            return Err(format!("{name} has {length} values for {count} nodes"));
        }
        let sets = self.sets()?;
        let covers: Vec<f64> = self.sum_hessian.iter().map(|cover| f64::from(cover.unwrap_or_default())).collect();
        forest.add(output, count, &covers, |at, forest| self.said(at, &sets, weight, forest))
    }

    fn said(&self, at: usize, sets: &BTreeMap<usize, &[i64]>, weight: f32, forest: &mut Forest) -> Result<Said, String> {
        let node = (self.left_children.get(at), self.right_children.get(at), self.split_indices.get(at));
        let rest = (self.split_conditions.get(at), self.default_left.get(at));
        let ((Some(left), Some(right), Some(feature)), (Some(condition), Some(default))) = (node, rest) else {
            return Err(format!("there is no node {at}"));
        };
        if *left == -1 {
            return Ok(Said::Leaf(f64::from(condition.unwrap_or(f32::NAN) * weight)));
        }
        let place = |n: i64| usize::try_from(n).map_err(|_| format!("node {at} names {n}"));
        let missing_left = default.0;
        let rule = match self.split_type.get(at) {
            None | Some(0) => Rule::AtMost { threshold: below(condition.unwrap_or(f32::NAN)), missing_left, zero_is_missing: false },
            Some(1) => {
                let members = sets.get(&at).copied().unwrap_or(&[]);
                let set = forest.set(words(members)?.into_iter())?;
                Rule::Among { set, members_left: false, missing_left, fractions_below_zero: false }
            }
            Some(other) => return Err(format!("node {at} has the split type {other}")),
        };
        Ok(Said::Split { feature: place(*feature)?, rule, left: place(*left)?, right: place(*right)? })
    }

    /// The categories of each node that has some.
    fn sets(&self) -> Result<BTreeMap<usize, &[i64]>, String> {
        let count = self.categories_nodes.len();
        if self.categories_segments.len() != count || self.categories_sizes.len() != count {
            return Err("categories_nodes, categories_segments and categories_sizes are not of one length".to_owned());
        }
        let all = self.categories_nodes.iter().zip(&self.categories_segments).zip(&self.categories_sizes);
        all.map(|((node, start), size)| {
            let part = usize::try_from(*start).ok().zip(usize::try_from(*size).ok());
            let part = part.and_then(|(start, size)| self.categories.get(start..start.checked_add(size)?));
            usize::try_from(*node).ok().zip(part).ok_or_else(|| format!("the categories of node {node} are not there"))
        })
        .collect()
    }
}

/// What is below a threshold is at most the number before it; nothing is below the least one, which no number says.
fn below(threshold: f32) -> f64 {
    if threshold == f32::NEG_INFINITY { f64::NAN } else { f64::from(threshold.next_down()) }
}

/// Categories as bits.
fn words(categories: &[i64]) -> Result<Vec<u32>, String> {
    let Some(largest) = categories.iter().max() else { return Ok(Vec::new()) };
    if let Some(wrong) = categories.iter().find(|category| !(0..CATEGORY_END).contains(*category)) {
        return Err(format!("it has the category {wrong}: 0 to {} are taken", CATEGORY_END - 1));
    }
    let mut words = vec![0_u32; usize::try_from(largest / 32 + 1).unwrap_or(0)];
    for category in categories {
        if let Some(word) = usize::try_from(category / 32).ok().and_then(|at| words.get_mut(at)) {
            *word |= 1 << (category % 32);
        }
    }
    Ok(words)
}
