//! What spans several keys: the order of steps, growing weights, gates that need rows. Environments have a file of their own.

use super::check::{Check, join};
use super::table::{DECISION_METRICS, ROW_METRICS};
use super::unit;
use crate::prometheus::{STEPS_MAX, narrowed, unfilled};
use crate::yaml::Node;
use tidegate_core::judge::METRICS_MAX;
use tidegate_core::rollout::STAGES_MAX;
use tidegate_core::route::{is_token, is_value};

/// Names in records that are nobody's.
pub(super) const RESERVED: [&str; 6] = ["owner", "console", "training", "watch", "judge", "deployment"];

impl Check<'_> {
    /// All of them.
    pub(super) fn rules(&mut self) {
        let root = self.root;
        for (name, key, model) in named(root, "models") {
            self.model(&join("models", &name), key, model);
        }
        for (name, _, strategy) in named(root, "releases") {
            self.strategy(&join("releases", &name), strategy);
        }
        self.ramps();
        self.trial();
        for (name, _, retrain) in named(root, "retrain") {
            self.parameters(&join("retrain", &name), retrain);
            self.triggers(&join("retrain", &name), retrain);
        }
        for (name, key, freeze) in named(root, "freezes") {
            self.freeze(&join("freezes", &name), key, freeze);
        }
        for (name, key, breaker) in named(root, "breakers") {
            self.breaker(&name, key, breaker);
        }
        for (name, key, train) in named(root, "trains") {
            self.train(&name, key, train);
        }
        for (name, key, test) in named(root, "ab_tests") {
            self.ab_test(&name, key, test);
        }
        for (name, key, source) in named(root, "sources") {
            if source.get("login").is_some() && source.get("token").is_some() {
                self.say(key, &join("sources", &name), "`login` and `token` are both given: it is let in by one", None);
            }
        }
        for (name, _, channel) in named(root, "notify") {
            self.channel(&join("notify", &name), channel);
        }
        for (name, key, duty) in named(root, "duty") {
            self.duty(&join("duty", &name), &name, key, duty);
        }
        for (name, key, deployment) in named(root, "deployments") {
            self.deployment(&join("deployments", &name), key, deployment);
        }
        for (name, _, source) in named(root, "events") {
            self.event_source(&join("events", &name), source);
        }
        self.deployments();
        self.duties();
        for (name, key, judge) in named(root, "judges") {
            self.guardrail(&join("judges", &name), "errors", key, judge);
            self.selectors(&join("judges", &name), judge);
        }
        self.features();
        self.people();
        for (name, key, service) in named(root, "services") {
            self.service(&name, key, service);
        }
        self.driven_trainings();
        self.stores();
        self.upstreams();
        self.environments();
        self.endpoints();
        self.addresses();
    }

    fn breaker(&mut self, name: &str, key: &Node, breaker: &Node) {
        if named(breaker, "signals").is_empty() {
            self.say(key, &join("breakers", name), "it has no signal: nothing is looked at", None);
        }
        if breaker.get("source").is_some() == breaker.get("prometheus").is_some() {
            let help = "give `source: NAME` of a name under `sources`, or `prometheus: http://127.0.0.1:9090`";
            self.say(key, &join("breakers", name), "one of `source` and `prometheus` says what is asked", Some(help));
        }
        for (signal, at, limits) in named(breaker, "signals") {
            if limits.get("above").is_none() && limits.get("below").is_none() {
                let path = format!("breakers.{name}.signals.{signal}");
                self.say(at, &path, "neither `above` nor `below` says what is abnormal", None);
            }
        }
    }

    fn model(&mut self, path: &str, key: &Node, model: &Node) {
        if let Some((at, reference)) = model.entry("reference") {
            let path = join(path, "reference");
            match (reference.get("stage"), reference.get("path")) {
                (Some(_), Some(second)) => self.say(second, &path, "`stage` and `path` are both given; the rows are in one place", None),
                (None, None) => self.say(at, &path, "neither `stage` nor `path` says where the rows are", None),
                _ => {}
            }
        }
        for (name, at, gate) in named(model, "gates") {
            let path = format!("{path}.gates.{name}");
            self.gate(&path, at, gate, model);
        }
        self.interfaces(path, model);
        let drift = model.entry("drift").filter(|(_, d)| d.get("reference").or(model.get("reference")).is_none());
        if let Some((at, _)) = drift {
            let at = if at.line == 0 { key } else { at };
            let help = "give `reference: { stage: .., id: .. }`: live inputs are held against it";
            self.say(at, path, "drift is measured against the model's reference, and there is none", Some(help));
        }
    }

    fn gate(&mut self, path: &str, at: &Node, gate: &Node, model: &Node) {
        let metric = gate.get("metric").and_then(Node::as_str).unwrap_or_default();
        let by_rows = gate.get("against").is_some() || gate.get("by").is_some();
        if by_rows && model.get("evaluation").is_none() {
            let help = "give `evaluation: { rows: .., id: .., label: .., score: .. }` to the model";
            self.say(at, path, "this gate is computed from evaluation rows, and the model has none", Some(help));
        }
        if by_rows && DECISION_METRICS.contains(&metric) && model.get("decision").is_none() {
            let help = "give `decision: { threshold: 0.5 }` to the model";
            self.say(at, path, &format!("`{metric}` needs decisions, and the model has no threshold"), Some(help));
        }
        if by_rows || gate.get("metric").is_none() {
            return;
        }
        match (gate.entry("min"), gate.entry("max")) {
            (None, None) => {
                let help =
                    format!("give `min`, `max` or both{}", if ROW_METRICS.contains(&metric) { ", or `against: champion`" } else { "" });
                self.say(at, path, "a metric without a bound: it would always pass", Some(&help));
            }
            (Some((_, min)), Some((_, max))) if min.as_f64() > max.as_f64() => self.say(min, path, "`min` lies above `max`", None),
            _ => {}
        }
    }

    pub(super) fn say(&mut self, at: &Node, path: &str, message: &str, help: Option<&str>) {
        self.add(at, path, message.to_owned(), help.map(str::to_owned));
    }

    fn strategy(&mut self, path: &str, strategy: &Node) {
        let written = strategy.get("steps").and_then(Node::as_seq).unwrap_or(&[]);
        let steps: Vec<(&Node, &Node)> = written.iter().filter_map(|s| s.as_map()?.first()).map(|(k, v)| (k, v)).collect();
        if steps.len() < written.len() {
            // A step that is no step has been reported; what follows from it need not be.
            return;
        }
        let kind = |i: usize| steps.get(i).and_then(|(k, _)| k.as_str()).unwrap_or_default();
        let last = steps.len().saturating_sub(1);
        for (i, (key, step)) in steps.iter().enumerate() {
            let here = format!("{path}.steps[{i}]");
            if kind(i) == "preview" {
                self.carrier(&format!("{here}.preview"), key, step, false);
                if i > 0 {
                    self.say(key, &here, "`preview` comes first, and once", None);
                }
            }
            if kind(i) == "shadow" && i > 0 && !(i == 1 && kind(0) == "preview") {
                self.say(key, &here, "`shadow` comes first, and once; only a `preview` may come before it", None);
            }
            let judged = |i: usize| matches!(kind(i), "shadow" | "canary");
            if kind(i) == "pause" && !(0..i).rev().find(|before| kind(*before) != "pause").is_some_and(judged) {
                self.say(key, &here, "`pause` comes after a `shadow` or a `canary`", None);
            }
            if kind(i) == "promote" && i < last {
                self.say(key, &here, "`promote` comes last, and once", None);
            }
        }
        if let (Some((key, _)), false) = (steps.last(), kind(last) == "promote") {
            let help = "end with `- promote: {}`";
            self.say(
                key,
                &format!("{path}.steps[{last}]"),
                "after the last step nobody gets the new version: `promote` is missing",
                Some(help),
            );
        }
        if let ([(key, _)], "promote") = (steps.as_slice(), kind(0)) {
            let help = "put `- shadow: {}` or `- canary: {}` before it, or `- preview: {}` where a person decides";
            self.say(key, &join(path, "steps"), "no step gathers evidence: every version would be promoted", Some(help));
        }
        self.weights(path, &steps);
        if let Some(judge) = strategy.get("judge") {
            self.judge(&join(path, "judge"), judge, &steps);
        }
    }

    fn weights(&mut self, path: &str, steps: &[(&Node, &Node)]) {
        let mut before: Option<u32> = None;
        let weights_of = |step: &Node| step.get("weights").and_then(Node::as_seq).map_or(0, <[Node]>::len);
        let stages_of = |(key, step): &(&Node, &Node)| match key.as_str() {
            Some("canary") => weights_of(step),
            Some("pause") => 0,
            _ => 1,
        };
        let stages: usize = steps.iter().map(stages_of).sum();
        if let (Some((key, _)), true) = (steps.first(), stages > STAGES_MAX + 1) {
            let message = format!("{} stages before `promote`, each weight one; at most {STAGES_MAX}", stages - 1);
            self.say(key, &join(path, "steps"), &message, None);
        }
        for (i, (_, step)) in steps.iter().enumerate().filter(|(_, (k, _))| k.as_str() == Some("canary")) {
            for weight in step.get("weights").and_then(Node::as_seq).unwrap_or(&[]) {
                let text = weight.text().unwrap_or_default();
                let Ok(bp) = unit::percent_bp(&text) else { continue };
                if let Some(previous) = before.filter(|b| bp <= *b) {
                    let message = format!("weight {text} does not grow; {} came before it", unit::percent_text(previous));
                    self.say(weight, &format!("{path}.steps[{i}].canary.weights"), &message, None);
                }
                before = Some(bp);
            }
        }
    }

    fn judge(&mut self, path: &str, judge: &Node, steps: &[(&Node, &Node)]) {
        let span = |node: &Node, key: &str| node.get(key).and_then(Node::text).and_then(|t| unit::duration_ms(&t).ok());
        let stays = |step: &Node| {
            let weights = step.get("weights").and_then(Node::as_seq).map_or(1, <[Node]>::len);
            let each = span(step, "min_time").or_else(|| span(step, "until")).or_else(|| span(step, "for")).unwrap_or(0);
            each.saturating_mul(u64::try_from(weights).unwrap_or(u64::MAX))
        };
        let least = steps.iter().map(|(_, s)| stays(s)).fold(span(judge, "warm_up").unwrap_or(0), u64::saturating_add);
        if let (Some((_, at)), Some(deadline)) = (judge.entry("deadline"), span(judge, "deadline"))
            && deadline <= least
        {
            let message =
                format!("the steps take at least {}, and the deadline is {}", unit::duration_text(least), unit::duration_text(deadline));
            // With a preset deadline, the strategy's own steps are what to change.
            let at = if at.line == 0 { steps.first().map_or(at, |(k, _)| k) } else { at };
            self.say(at, &join(path, "deadline"), &message, Some("raise `deadline`, or shorten `min_time` or `warm_up`"));
        }
        let rails = named(judge, "guardrails");
        if !rails.is_empty() && rails.iter().all(|(name, _, v)| name == "sample_ratio" || v.as_str() == Some("none")) {
            let at = rails.first().map_or(judge, |(_, key, _)| key);
            self.say(at, &join(path, "guardrails"), "no guardrail is left: nothing would be judged", None);
        }
        let tick_ms = judge.get("tick").and_then(Node::text).and_then(|t| unit::duration_ms(&t).ok()).unwrap_or_default();
        let mut metrics = 0;
        for (name, key, rail) in rails {
            self.keys_of_guardrail(&format!("{path}.guardrails.{name}"), &name, rail);
            self.guardrail(&format!("{path}.guardrails.{name}"), &name, key, rail);
            if rail.get("source").is_some() {
                metrics += 1;
                self.metric(&format!("{path}.guardrails.{name}"), key, rail, tick_ms);
            }
        }
        if metrics > METRICS_MAX {
            let message = format!("{metrics} guardrails have a source, at most {METRICS_MAX} may");
            self.say(judge, &join(path, "guardrails"), &message, Some("judge by those that matter most"));
        }
    }

    fn parameters(&mut self, path: &str, retrain: &Node) {
        for (name, _, value) in named(retrain, "set") {
            if value.as_map().is_some() || value.is_null() {
                let message = format!("parameter `{name}` takes a value, not {}", value.kind());
                self.say(value, &format!("{path}.set.{name}"), &message, Some("write nested names with dots: `train.rounds: 200`"));
            }
            if let Some(Err(why)) = value.as_str().map(window_days) {
                let help = "known are `${window.start}` and `${window.end}`, each with `+ 7d` or `- 7d` behind it";
                self.say(value, &format!("{path}.set.{name}"), &why, Some(help));
            }
        }
    }

    /// Triggers with what they need, and what no trigger needs.
    fn triggers(&mut self, path: &str, retrain: &Node) {
        let Some((key, on)) = retrain.entry("on") else { return };
        let has = |word: &str| on.as_str() == Some(word) || on.as_seq().is_some_and(|l| l.iter().any(|n| n.as_str() == Some(word)));
        for (word, needs, example) in
            [("schedule", "every", "`every: 7d`"), ("performance", "performance", "`performance: { metric: auc, min: 0.8 }`")]
        {
            match (has(word), retrain.entry(needs)) {
                (true, None) => {
                    self.say(key, path, &format!("`{word}` needs `{needs}`"), Some(&format!("give {example}")));
                }
                (false, Some((at, _))) => {
                    self.say(at, path, &format!("`{needs}` is given, and `on` does not name `{word}`"), Some("name it, or take this out"));
                }
                _ => {}
            }
        }
        if let (false, Some((at, _))) = (has("data"), retrain.entry("data")) {
            self.say(at, path, "`data` is given, and `on` does not name it", Some("name it, or take this out"));
        }
        let bound = |p: &Node| p.get("min").or(p.get("max")).is_some();
        if let Some((at, performance)) = retrain.entry("performance").filter(|(_, p)| !bound(p)) {
            let at = if performance.line == 0 { at } else { performance };
            self.say(at, &join(path, "performance"), "neither `min` nor `max` says what is a drop", Some("give one: `min: 0.8`"));
        }
    }

    /// Times, zone and rule of a freeze.
    fn freeze(&mut self, path: &str, key: &Node, freeze: &Node) {
        let whole = freeze.get("calendar").is_some() || (freeze.get("from").is_some() && freeze.get("until").is_some());
        if let (true, Err((at, why))) = (whole, crate::freeze::check(&super::read::freeze_of(freeze))) {
            let node = freeze.get(at).filter(|n| n.line > 0).unwrap_or(key);
            self.say(node, &join(path, at), &why, None);
        }
    }

    /// Addresses that can be called and carry no secret.
    fn channel(&mut self, path: &str, channel: &Node) {
        for (key, schemes) in [("webhook", ["https://", "http://"]), ("smtp", ["smtps://", "smtp://"])] {
            let Some((value, text)) = channel.get(key).and_then(|v| Some((v, v.text()?))) else { continue };
            let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
            let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next()).unwrap_or_default();
            let why = match rest {
                None => format!("it begins with neither `{}` nor `{}`", schemes[0], schemes[1]),
                Some(_) if host.is_empty() => "it names no host".to_owned(),
                Some(_) if host.contains('@') => "it holds a user: `login` and `secret` name variables for that".to_owned(),
                Some(_) if text.chars().any(|c| c.is_whitespace() || c.is_control()) => "it holds white space".to_owned(),
                Some(_) => continue,
            };
            self.say(value, &join(path, key), &why, None);
        }
        let to = channel.get("to").into_iter().flat_map(|to| to.as_seq().unwrap_or(std::slice::from_ref(to)));
        for value in channel.get("from").into_iter().chain(to) {
            let text = value.text().unwrap_or_default();
            let fits = |c: char| c.is_ascii_graphic() && !"<>,;\"\\".contains(c);
            if !text.chars().all(fits) || text.split_once('@').is_none_or(|(name, host)| name.is_empty() || host.is_empty()) {
                self.say(value, path, &format!("`{text}` is no address of mail, as `ops@example.org`"), None);
            }
        }
    }

    fn service(&mut self, name: &str, key: &Node, service: &Node) {
        let path = &join("services", name);
        if !self.places_of(name, key, service) {
            self.approvals((path, &[name.to_owned()]), key, service);
            self.driven(path, key, service, false);
        }
        if let Some((at, affinity)) = service.entry("affinity") {
            self.carrier(&join(path, "affinity"), at, affinity, true);
        }
        let same = |paths: &Node| paths.get("learned").and_then(Node::text) == paths.get("standard").and_then(Node::text);
        if let Some((at, _)) = service.entry("paths").filter(|(_, paths)| same(paths)) {
            self.say(at, &join(path, "paths"), "both paths are the same strategy: nothing would be compared", None);
        }
    }

    /// A header or a cookie, and names and values that they can have.
    pub(super) fn carrier(&mut self, path: &str, at: &Node, node: &Node, needed: bool) {
        match (node.get("header"), node.get("cookie")) {
            (Some(_), Some(second)) => self.say(second, path, "`header` and `cookie` are both given: it is in one place", None),
            (None, None) if needed => self.say(at, path, "neither `header` nor `cookie` says what carries it", None),
            _ => {}
        }
        for key in ["header", "cookie"] {
            let Some(name) = node.get(key) else { continue };
            if !is_token(&name.text().unwrap_or_default()) {
                let help = "letters, digits and `-`, as `x-user-id`";
                self.say(name, &join(path, key), &format!("it is no name of a {key}"), Some(help));
            }
        }
        if let Some(value) = node.get("value").filter(|v| !is_value(&v.text().unwrap_or_default())) {
            let why = "it holds white space, quotes, commas, semicolons or letters beyond ASCII: a cookie cannot carry them";
            self.say(value, &join(path, "value"), why, None);
        }
    }

    /// Selectors of a judge that others ask, and the interval that both are counted in.
    pub(super) fn selectors(&mut self, path: &str, judge: &Node) {
        let text = |key: &str| judge.get(key).and_then(Node::text).unwrap_or_default();
        for arm in ["candidate", "control"] {
            let (Some(at), Err(why)) = (judge.get(arm), narrowed(&unfilled(&text(arm)), &text("errors"))) else { continue };
            self.say(at, &join(path, arm), &why, Some("name one counter: the judge takes what it grew by"));
        }
        if let (Some(at), true) = (judge.get("control"), text("candidate") == text("control")) {
            self.say(at, &join(path, "control"), "candidate and control are the same counter", Some("they differ by a label"));
        }
        let ms = |key: &str| unit::duration_ms(&text(key)).unwrap_or(1_000);
        let (every, deadline) = (ms("every"), ms("deadline"));
        let steps = usize::try_from(deadline / every.max(1)).unwrap_or(usize::MAX);
        if let (Some((_, at)), true) = (judge.entry("every"), every % 1_000 != 0) {
            self.say(at, &join(path, "every"), "intervals are of whole seconds", None);
        }
        if let (Some((_, at)), false) = (judge.entry("deadline"), (2..STEPS_MAX).contains(&steps)) {
            let message = format!("the deadline has {steps} intervals: from 2 to {} can be asked for", STEPS_MAX - 1);
            self.say(at, &join(path, "deadline"), &message, Some("change `every` or `deadline`"));
        }
    }

    fn addresses(&mut self) {
        let address = |section: &str| {
            let node = self.root.get(section)?.get("listen")?;
            Some((node, unit::listen(&node.text()?).ok()?))
        };
        if let (Some((first, gateway)), Some((second, console))) = (address("gateway"), address("console"))
            && gateway == console
            && gateway.port() != 0
        {
            let at = if second.line == 0 { first } else { second };
            self.say(at, "console.listen", &format!("gateway and console cannot both listen on {gateway}"), None);
        }
    }
}

/// Whether every `${..}` in a text is an end of the window of drift, moved by a duration or not.
fn window_days(text: &str) -> Result<(), String> {
    for part in text.split("${").skip(1) {
        let inner = part.split_once('}').map(|(inner, _)| inner.trim()).ok_or_else(|| format!("`${{` is not closed in `{text}`"))?;
        let (name, offset) = inner.split_at(inner.find(['+', '-']).unwrap_or(inner.len()));
        let moved = offset.get(1..).map_or(Ok(0), |duration| unit::duration_ms(duration.trim()));
        match (name.trim(), moved) {
            ("window.start" | "window.end", Ok(_)) => {}
            ("window.start" | "window.end", Err(why)) => return Err(why),
            (other, _) => return Err(format!("`{other}` is no day that a retraining knows")),
        }
    }
    Ok(())
}

/// Name, key and value of each entry of a section.
pub(super) fn named<'n>(node: &'n Node, section: &str) -> Vec<(String, &'n Node, &'n Node)> {
    let entries = node.get(section).and_then(Node::as_map).unwrap_or(&[]);
    entries.iter().map(|(k, v)| (k.text().unwrap_or_default().into_owned(), k, v)).collect()
}
