//! Kayenta: its canary configuration, and what it sends to a judge outside (`RemoteJudge-v1.0`) and expects back.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use tidegate_core::peers::kayenta::{Class, Direction, EffectSize, Graded, MetricRules, Missing, Outliers, ScoreThresholds};
use tidegate_core::peers::metric_sets::{MetricSet, Verdicts};

/// Most metrics of one question.
pub const METRICS_MAX: usize = 500;
/// Most values of one series: more than a day of minutes. Ranking them takes the square of their number.
pub const VALUES_MAX: usize = 2_000;

/// What is wrong with a question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("read Kayenta's question: {0}")]
pub struct Unusable(String);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    canary_config: Config,
    score_thresholds: ScoreThresholds,
    metric_set_pair_list: Vec<Pair>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    metrics: Vec<Metric>,
    #[serde(default)]
    classifier: Weights,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Weights {
    #[serde(default)]
    group_weights: Option<BTreeMap<String, f64>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    name: String,
    #[serde(default)]
    groups: Option<Vec<String>>,
    #[serde(default)]
    analysis_configurations: Option<Map<String, Value>>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    id: String,
    #[serde(default)]
    tags: Option<Map<String, Value>>,
    values: Arms,
}

#[derive(Deserialize)]
struct Arms {
    control: Values,
    experiment: Values,
}

/// Values of one arm, NaN where there is none; reading stops at the limit, so that no question fills the memory.
struct Values(Vec<f64>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Values, D::Error> {
        deserializer.deserialize_seq(ValuesVisitor)
    }
}

struct ValuesVisitor;

impl<'de> serde::de::Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list of numbers")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element::<Value>()? {
            if values.len() == VALUES_MAX {
                return Err(serde::de::Error::custom(format!("more than {VALUES_MAX} values")));
            }
            values.push(match &value {
                Value::Null => f64::NAN,
                Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
                Value::String(text) if text == "NaN" => f64::NAN,
                other => return Err(serde::de::Error::custom(format!("`{other}` is no value"))),
            });
        }
        Ok(Values(values))
    }
}

/// A question that can be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Metrics with their rules, in the order in which they were sent.
    pub sets: Vec<MetricSet>,
    /// Percentages by group.
    pub weights: BTreeMap<String, f64>,
    /// From where a score passes.
    pub thresholds: ScoreThresholds,
    /// Id and tags of each metric, to be sent back.
    names: Vec<(String, Map<String, Value>)>,
}

/// Reads a question of `POST /judge`.
///
/// # Errors
/// When it is none, or too large.
pub fn question(body: &[u8]) -> Result<Question, Unusable> {
    let asked: Asked = serde_json::from_slice(body).map_err(|e| Unusable(e.to_string()))?;
    if asked.metric_set_pair_list.len() > METRICS_MAX {
        return Err(Unusable(format!("{} metrics, at most {METRICS_MAX} are judged", asked.metric_set_pair_list.len())));
    }
    let thresholds = asked.score_thresholds;
    if !(thresholds.pass.is_finite() && thresholds.marginal.is_finite()) {
        return Err(Unusable("scoreThresholds are no numbers".to_owned()));
    }
    let (mut sets, mut names) = (vec![], vec![]);
    for pair in asked.metric_set_pair_list {
        let metric = asked.canary_config.metrics.iter().find(|m| m.name == pair.name);
        let metric = metric.ok_or_else(|| Unusable(format!("metric `{}` is not in its canaryConfig", pair.name)))?;
        let canary = metric.analysis_configurations.as_ref().and_then(|all| all.get("canary")).cloned().unwrap_or_default();
        let rules = rules(&canary).map_err(|why| Unusable(format!("metric `{}`: {why}", pair.name)))?;
        sets.push(MetricSet {
            name: pair.name.clone(),
            control: pair.values.control.0,
            experiment: pair.values.experiment.0,
            rules,
            groups: metric.groups.clone().unwrap_or_default(),
            muted: flag(&canary, "muted")?,
        });
        names.push((pair.id, pair.tags.unwrap_or_default()));
    }
    Ok(Question { sets, weights: asked.canary_config.classifier.group_weights.unwrap_or_default(), thresholds, names })
}

fn flag(canary: &Value, key: &str) -> Result<bool, Unusable> {
    match canary.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(yes)) => Ok(*yes),
        Some(Value::String(text)) if text == "true" || text == "false" => Ok(text == "true"),
        Some(other) => Err(Unusable(format!("`{key}` is {other}: write true or false"))),
    }
}

/// The rules of a metric: `analysisConfigurations.canary`.
///
/// # Errors
/// With a sentence, when a word or number is not known.
pub fn rules(canary: &Value) -> Result<MetricRules, String> {
    let text = |at: &Value, key: &str| at.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |at: &Value, key: &str, default: f64| match at.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_f64().filter(|x| x.is_finite()).ok_or_else(|| format!("`{key}` is {value}: write a number")),
    };
    let default = MetricRules::default();
    let direction = match text(canary, "direction").as_deref() {
        None | Some("either") => Direction::Either,
        Some("increase") => Direction::Increase,
        Some("decrease") => Direction::Decrease,
        Some(other) => return Err(format!("direction `{other}` is not known: increase, decrease or either")),
    };
    let missing = match text(canary, "nanStrategy").as_deref() {
        None | Some("remove") => Missing::Remove,
        Some("replace") => Missing::Replace,
        Some(other) => return Err(format!("nanStrategy `{other}` is not known: remove or replace")),
    };
    let outliers = canary.get("outliers").cloned().unwrap_or_default();
    let outliers = match text(&outliers, "strategy").as_deref() {
        None | Some("keep") => Outliers::Keep,
        Some("remove") => Outliers::Remove { factor: number(&outliers, "outlierFactor", 3.0)? },
        Some(other) => return Err(format!("outliers.strategy `{other}` is not known: keep or remove")),
    };
    let effect = canary.get("effectSize").cloned().unwrap_or_default();
    let (effect_size, none) = match text(&effect, "measure").as_deref() {
        None | Some("meanRatio") => (EffectSize::MeanRatio, 1.0),
        Some("cles") => (EffectSize::Cles, 0.5),
        Some(other) => return Err(format!("effectSize.measure `{other}` is not known: meanRatio or cles")),
    };
    let yes = |key: &str| flag(canary, key).map_err(|e| e.0);
    Ok(MetricRules {
        direction,
        missing,
        outliers,
        effect_size,
        allowed: (number(&effect, "allowedDecrease", none)?, number(&effect, "allowedIncrease", none)?),
        critical_at: (number(&effect, "criticalDecrease", none)?, number(&effect, "criticalIncrease", none)?),
        critical: yes("critical")?,
        must_have_data: yes("mustHaveData")?,
        ..default
    })
}

/// The answer to a question, as Kayenta reads it.
#[must_use]
pub fn answer(question: &Question, verdicts: &Verdicts, judge: &str) -> Value {
    let results: Vec<Value> = question
        .sets
        .iter()
        .zip(&verdicts.metrics)
        .zip(&question.names)
        .map(|((set, found), (id, tags))| {
            json!({
                "name": set.name, "id": id, "tags": tags,
                "classification": found.class.name(), "classificationReason": found.reason,
                "groups": set.groups, "critical": found.critical, "muted": set.muted,
                "experimentMetadata": { "stats": described(&set.experiment) },
                "controlMetadata": { "stats": described(&set.control) },
                "resultMetadata": { "ratio": found.ratio },
            })
        })
        .collect();
    let groups: Vec<Value> = verdicts
        .score
        .groups
        .iter()
        .map(|group| {
            let class = if group.no_data { Class::Nodata.name() } else { question.thresholds.classify(group.score).name() };
            json!({ "name": group.name, "score": group.score, "classification": class, "classificationReason": "" })
        })
        .collect();
    let score = &verdicts.score;
    json!({
        "judgeName": judge,
        "results": results,
        "groupScores": groups,
        "score": {
            "score": score.score,
            "classification": verdicts.graded.name(),
            "classificationReason": score.reason.clone().unwrap_or_default(),
        },
    })
}

fn described(values: &[f64]) -> Value {
    let seen: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    #[expect(clippy::cast_precision_loss, reason = "values are limited in number")]
    let n = seen.len() as f64;
    let mean = seen.iter().sum::<f64>() / n;
    let spread = (seen.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (n - 1.0)).sqrt();
    let least = seen.iter().copied().reduce(f64::min);
    let most = seen.iter().copied().reduce(f64::max);
    let finite = |x: f64| if x.is_finite() { json!(x) } else { json!(0.0) };
    json!({ "min": least.unwrap_or(0.0), "max": most.unwrap_or(0.0), "mean": finite(mean), "std": finite(spread), "count": seen.len() })
}

/// The score that Kayenta's REST answers with: its clients compare it with two thresholds, `pass` and `marginal`.
#[must_use]
pub fn score_for(graded: Graded, thresholds: ScoreThresholds) -> f64 {
    match graded {
        Graded::Pass => 100.0,
        Graded::Marginal => thresholds.between().unwrap_or(0.0),
        Graded::Fail => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_core::peers::metric_sets::{by_evidence, by_rules};

    fn asked(control: &str, experiment: &str, canary: &str) -> String {
        format!(
            r#"{{"canaryConfig": {{"metrics": [{{"name": "cpu", "groups": ["system"], "analysisConfigurations": {{"canary": {canary}}}}}],
                "classifier": {{"groupWeights": {{"system": 100}}}}}},
                "scoreThresholds": {{"pass": 95, "marginal": 75}},
                "metricSetPairList": [{{"name": "cpu", "id": "i-1", "tags": {{"a": "b"}}, "values": {{"control": {control}, "experiment": {experiment}}},
                "scopes": {{}}, "attributes": {{}}}}]}}"#
        )
    }

    #[test]
    fn a_question_is_read_with_its_rules_and_answered_in_its_shape() {
        let canary = r#"{"direction": "increase", "critical": true, "nanStrategy": "replace", "mustHaveData": "true",
            "effectSize": {"allowedIncrease": 1.2, "criticalIncrease": 1.4}, "outliers": {"strategy": "remove"}}"#;
        let list = |x: f64| format!("{:?}", (0..30).map(|i| x + f64::from(i % 5) / 10.0).collect::<Vec<_>>());
        let question = question(asked(&list(10.0), &list(20.0), canary).as_bytes()).unwrap();
        let rules = question.sets[0].rules;
        assert_eq!((rules.allowed, rules.critical_at), ((1.0, 1.2), (1.0, 1.4)));
        assert_eq!((rules.critical, rules.must_have_data, rules.missing), (true, true, Missing::Replace));
        assert_eq!(rules.outliers, Outliers::Remove { factor: 3.0 });
        let verdicts = by_evidence(&question.sets, &question.weights, question.thresholds);
        let answer = answer(&question, &verdicts, "Tidegate");
        assert_eq!(answer["results"][0]["classification"], "High");
        assert_eq!(answer["results"][0]["id"], "i-1");
        assert_eq!(answer["score"]["classification"], "Fail");
        assert_eq!(answer["score"]["classificationReason"], "Critical metrics failed: cpu");
        assert_eq!(answer["results"][0]["controlMetadata"]["stats"]["count"], 30);
        let rules = by_rules(&question.sets, &question.weights, question.thresholds);
        assert_eq!(rules.metrics[0].class, Class::High);
    }

    #[test]
    fn what_is_missing_is_missing_and_what_is_wrong_is_said() {
        let found = question(asked("[\"NaN\", null, 1]", "[1, 2, 3.5]", "{}").as_bytes()).unwrap();
        assert!(found.sets[0].control[0].is_nan() && found.sets[0].control[1].is_nan());
        for (body, why) in [
            (asked("[1]", "[true]", "{}"), "`true` is no value"),
            (asked("[1]", "[1]", r#"{"direction": "up"}"#), "direction `up` is not known"),
            (asked("[1]", "[1]", r#"{"outliers": {"strategy": "drop"}}"#), "outliers.strategy `drop`"),
            (asked("[1]", "[1]", r#"{"muted": 3}"#), "`muted` is 3"),
            (
                asked("[1]", "[1]", "{}").replace("\"name\": \"cpu\", \"id\"", "\"name\": \"other\", \"id\""),
                "`other` is not in its canaryConfig",
            ),
            ("{}".to_owned(), "canaryConfig"),
            ("not json".to_owned(), "expected"),
        ] {
            let error = question(body.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
