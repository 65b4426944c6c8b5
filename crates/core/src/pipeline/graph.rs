//! The graph of stages: who needs whom, checked once when built.

use super::spec::StageSpec;
use std::collections::{BTreeMap, BTreeSet};

/// One link of a cycle: `stage` reads `path`, which the next stage of the cycle writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The stage.
    pub stage: String,
    /// What it reads.
    pub path: String,
}

/// Why stages do not make a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// A name twice.
    #[error("stage `{name}` is declared twice: give one of them another name")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// An output of two stages.
    #[error("`{path}` is an output of both `{first}` and `{second}`: only one stage may write a path")]
    DuplicateOut {
        /// The path.
        path: String,
        /// The first stage.
        first: String,
        /// The second stage.
        second: String,
    },
    /// An output inside another.
    #[error("output `{inner}` of `{inner_stage}` lies inside output `{outer}` of `{outer_stage}`: declare one of the two")]
    OverlappingOuts {
        /// The directory.
        outer: String,
        /// Who writes it.
        outer_stage: String,
        /// What lies inside.
        inner: String,
        /// Who writes that.
        inner_stage: String,
    },
    /// An output that the workspace does not contain.
    #[error("output `{path}` of `{stage}` is not inside the workspace: outputs must be")]
    OutsideOut {
        /// The path.
        path: String,
        /// The stage.
        stage: String,
    },
    /// A cycle.
    #[error("the pipeline has a cycle: {}; break it by removing one of these dependencies", cycle_text(.links))]
    Cycle {
        /// The links, in the order of need.
        links: Vec<Link>,
    },
}

fn cycle_text(links: &[Link]) -> String {
    let mut text = String::new();
    for (i, link) in links.iter().enumerate() {
        let next = links.get((i + 1) % links.len()).map_or("", |l| l.stage.as_str());
        if i == 0 {
            text.push_str(&format!("`{}`", link.stage));
        }
        text.push_str(&format!(" needs `{}` of `{next}`", link.path));
        if i + 1 < links.len() {
            text.push_str(", which");
        }
    }
    text
}

/// A target that names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("target `{target}` is no stage, no group of stages and no output; there are: {}", .names.join(", "))]
pub struct UnknownTarget {
    /// The target.
    pub target: String,
    /// The stages that there are, at most [`NAMES_SHOWN_MAX`] of them.
    pub names: Vec<String>,
}

/// Most names that a message lists.
pub const NAMES_SHOWN_MAX: usize = 20;

/// Stages that form a pipeline.
#[derive(Clone, Debug)]
pub struct Graph {
    stages: Vec<StageSpec>,
    needs: Vec<Vec<usize>>,
    order: Vec<usize>,
    outs: BTreeMap<String, usize>,
}

impl Graph {
    /// The graph of `stages`.
    ///
    /// # Errors
    /// All that keeps them from being a pipeline.
    pub fn new(stages: Vec<StageSpec>) -> Result<Graph, Vec<GraphError>> {
        let mut errors = Vec::new();
        let mut names = BTreeSet::new();
        for stage in &stages {
            if !names.insert(stage.name.as_str()) {
                errors.push(GraphError::DuplicateName { name: stage.name.clone() });
            }
        }
        let outs = collect_outs(&stages, &mut errors);
        let ranks = ranks(&stages);
        let edges: Vec<Vec<Edge>> = stages.iter().map(|stage| edges_of(stage, &outs, &ranks)).collect();
        if let Some(links) = find_cycle(&stages, &edges) {
            errors.push(GraphError::Cycle { links });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        // A frozen stage is never run, so it waits for nobody.
        let needs: Vec<Vec<usize>> = stages
            .iter()
            .zip(&edges)
            .map(|(stage, edges)| if stage.frozen { Vec::new() } else { edges.iter().map(|e| e.to).collect() })
            .collect();
        let order = postorder(&needs);
        Ok(Graph { stages, needs, order, outs })
    }

    /// All stages, in the order of the file.
    #[must_use]
    pub fn stages(&self) -> &[StageSpec] {
        &self.stages
    }

    /// Indices of the stages that the stage at `index` needs.
    #[must_use]
    pub fn needs(&self, index: usize) -> &[usize] {
        self.needs.get(index).map_or(&[], Vec::as_slice)
    }

    /// Indices in an order in which they can run one after the other, each after what it needs; in the order of the
    /// file where there is a choice.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// The index of the stage that writes `path` (seen from the workspace) or a directory above it.
    #[must_use]
    pub fn writer(&self, path: &str) -> Option<usize> {
        prefixes(path).find_map(|p| self.outs.get(p)).copied()
    }

    /// The stages that `targets` name, with those of `scope`; all stages when there are none. A target is a name, a group
    /// (`train` for `train@a`, `train@b`), a file of stages, one of these in a file (`sub/dvc.yaml:train`), or an output.
    ///
    /// # Errors
    /// When a target names nothing.
    pub fn select(&self, targets: &[String], scope: Scope) -> Result<Vec<bool>, UnknownTarget> {
        if targets.is_empty() {
            return Ok(vec![true; self.stages.len()]);
        }
        let mut open = Vec::new();
        for target in targets {
            let found = self.named(target);
            if found.is_empty() {
                let names = self.stages.iter().take(NAMES_SHOWN_MAX).map(|s| s.name.clone()).collect();
                return Err(UnknownTarget { target: target.clone(), names });
            }
            open.extend(found);
        }
        let users = match scope {
            Scope::Needed | Scope::Only => Vec::new(),
            Scope::Downstream | Scope::Connected => self.users(),
        };
        let none: &[usize] = &[];
        let mut selected = vec![false; self.stages.len()];
        while let Some(index) = open.pop() {
            let Some(flag) = selected.get_mut(index).filter(|flag| !**flag) else { continue };
            *flag = true;
            if matches!(scope, Scope::Needed | Scope::Connected) {
                open.extend(self.needs(index));
            }
            open.extend(users.get(index).map_or(none, Vec::as_slice));
        }
        Ok(selected)
    }

    /// The stages that a target names by itself.
    fn named(&self, target: &str) -> Vec<usize> {
        let of = |wanted: &dyn Fn(&StageSpec) -> bool| -> Vec<usize> {
            self.stages.iter().enumerate().filter(|(_, s)| wanted(s)).map(|(i, _)| i).collect()
        };
        let is = |name: &str, wanted: &str| name.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'));
        let path = super::join_path("", target);
        let by_name = of(&|s| s.name == target);
        let found = if by_name.is_empty() { of(&|s| is(&s.name, target) || s.file == path) } else { by_name };
        if !found.is_empty() {
            return found;
        }
        if let Some((file, name)) = target.rsplit_once(':') {
            let file = super::join_path("", file);
            return of(&|s| s.file == file && is(&s.own_name, name));
        }
        self.writer(&path).into_iter().collect()
    }

    /// For each stage, those that need it.
    fn users(&self) -> Vec<Vec<usize>> {
        let mut users = vec![Vec::new(); self.stages.len()];
        for (index, needs) in self.needs.iter().enumerate() {
            for &need in needs {
                if let Some(list) = users.get_mut(need) {
                    list.push(index);
                }
            }
        }
        users
    }
}

/// Which stages come with those that targets name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All that they need.
    #[default]
    Needed,
    /// No other.
    Only,
    /// All that need them.
    Downstream,
    /// All that hang together with them.
    Connected,
}

struct Edge {
    to: usize,
    path: String,
}

/// The path itself and the directories above it, the shortest first.
fn prefixes(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').filter(|(i, _)| *i > 0).map(|(i, _)| &path[..i]).chain(std::iter::once(path))
}

fn collect_outs(stages: &[StageSpec], errors: &mut Vec<GraphError>) -> BTreeMap<String, usize> {
    let mut outs: BTreeMap<String, usize> = BTreeMap::new();
    let name = |i: usize| stages.get(i).map(|s| s.name.clone()).unwrap_or_default();
    for (index, stage) in stages.iter().enumerate() {
        for out in &stage.outs {
            let path = stage.from_workspace(&out.path);
            if path.is_empty() || path.starts_with('/') || path == ".." || path.starts_with("../") {
                errors.push(GraphError::OutsideOut { path: out.path.clone(), stage: stage.name.clone() });
            } else if let Some(first) = outs.insert(path.clone(), index) {
                errors.push(GraphError::DuplicateOut { path, first: name(first), second: stage.name.clone() });
            }
        }
    }
    for (inner, inner_stage) in &outs {
        for outer in prefixes(inner).filter(|p| p != inner) {
            if let Some(outer_stage) = outs.get(outer) {
                errors.push(GraphError::OverlappingOuts {
                    outer: outer.to_owned(),
                    outer_stage: name(*outer_stage),
                    inner: inner.clone(),
                    inner_stage: name(*inner_stage),
                });
            }
        }
    }
    outs
}

/// The order in which outputs were declared, folder by folder: of two outputs the one comes first whose first differing
/// folder was named first. It decides in which order a stage's needs are visited, and so where a stage stands in `dvc.lock`.
fn ranks(stages: &[StageSpec]) -> BTreeMap<String, usize> {
    let mut ranks = BTreeMap::new();
    let paths = stages.iter().flat_map(|s| s.outs.iter().map(|o| s.from_workspace(&o.path)));
    for (index, path) in paths.enumerate() {
        for prefix in prefixes(&path) {
            ranks.entry(prefix.to_owned()).or_insert(index);
        }
    }
    ranks
}

/// Whom `stage` needs: writers of what it reads, of a directory above it, or of something inside it.
fn edges_of(stage: &StageSpec, outs: &BTreeMap<String, usize>, ranks: &BTreeMap<String, usize>) -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for path in stage.reads() {
        let above = prefixes(&path).filter_map(|p| outs.get(p)).copied();
        let inside = format!("{path}/");
        let mut below: Vec<(Vec<usize>, usize)> = outs
            .range(if path.is_empty() { String::new() } else { inside.clone() }..)
            .take_while(|(p, _)| path.is_empty() || p.starts_with(&inside))
            .map(|(p, i)| (prefixes(p).map(|prefix| ranks.get(prefix).copied().unwrap_or(usize::MAX)).collect(), *i))
            .collect();
        below.sort();
        let found: Vec<usize> = above.chain(below.into_iter().map(|(_, i)| i)).collect();
        for to in found {
            if edges.iter().all(|e| e.to != to) {
                edges.push(Edge { to, path: path.clone() });
            }
        }
    }
    edges
}

/// Depth first, each stage after what it needs, stages and needs in their given order. No recursion: a chain may be long.
fn postorder(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut seen = vec![false; needs.len()];
    let mut order = Vec::with_capacity(needs.len());
    for start in 0..needs.len() {
        let mut stack = vec![(start, 0usize)];
        while let Some((node, next)) = stack.pop() {
            if next == 0 && std::mem::replace(&mut seen[node], true) {
                continue;
            }
            match needs[node].get(next) {
                Some(&child) => {
                    stack.push((node, next + 1));
                    if !seen[child] {
                        stack.push((child, 0));
                    }
                }
                None => order.push(node),
            }
        }
    }
    order
}

/// A cycle, if there is one: the first that a search in the order of the file closes.
fn find_cycle(stages: &[StageSpec], edges: &[Vec<Edge>]) -> Option<Vec<Link>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; stages.len()];
    for start in 0..stages.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open;
        let mut stack = vec![(start, 0usize)];
        while let Some((node, next)) = stack.pop() {
            let Some(edge) = edges[node].get(next) else {
                marks[node] = Mark::Done;
                continue;
            };
            stack.push((node, next + 1));
            match marks[edge.to] {
                Mark::Done => {}
                Mark::New => {
                    marks[edge.to] = Mark::Open;
                    stack.push((edge.to, 0));
                }
                Mark::Open => {
                    let from = stack.iter().position(|(n, _)| *n == edge.to)?;
                    // Each entry of the stack has already moved past the edge that leads to the next.
                    return Some(
                        stack[from..]
                            .iter()
                            .map(|&(n, next)| Link { stage: stages[n].name.clone(), path: edges[n][next - 1].path.clone() })
                            .collect(),
                    );
                }
            }
        }
    }
    None
}
