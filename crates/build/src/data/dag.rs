//! `dag`: which stage stands on which.

use super::error::DataError;
use super::repo::Repo;
use super::view::overlap;
use std::collections::{BTreeMap, BTreeSet};

/// What to show.
#[derive(Clone, Debug, Default)]
pub struct DagOptions {
    /// Outputs instead of stages.
    pub outs: bool,
    /// All that is connected with the target, not only what it stands on.
    pub full: bool,
    /// One of these; everything when none is named.
    pub target: Option<String>,
}

/// A graph: nodes, and edges from what is needed to what needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dag {
    /// Names of the nodes.
    pub nodes: BTreeSet<String>,
    /// From, to.
    pub edges: BTreeSet<(String, String)>,
}

impl Repo {
    /// The graph of the workspace.
    ///
    /// # Errors
    /// When a file of DVC is wrong, or the target names nothing.
    pub fn dag(&self, options: &DagOptions) -> Result<Dag, DataError> {
        let view = self.view()?;
        let mut dag = Dag::default();
        let outs_of = |i: usize| view.items.iter().filter(move |item| item.stage == i);
        for (i, stage) in view.stages.iter().enumerate() {
            let own: Vec<String> =
                if options.outs { outs_of(i).map(|item| item.path.clone()).collect() } else { vec![stage.address.clone()] };
            dag.nodes.extend(own.iter().cloned());
            let deps = stage.deps();
            for item in view.items.iter().filter(|item| item.stage != i && deps.iter().any(|dep| overlap(dep, &item.path))) {
                let from = if options.outs { Some(item.path.clone()) } else { view.stage_of(item).map(|s| s.address.clone()) };
                dag.edges.extend(from.iter().flat_map(|from| own.iter().map(|to| (from.clone(), to.clone()))));
            }
        }
        let Some(target) = &options.target else { return Ok(dag) };
        let path = self.inside(target).unwrap_or_default();
        let named = |node: &String| {
            node == target
                || *node == path
                || view.items.iter().any(|i| i.path == path && view.stage_of(i).is_some_and(|s| s.address == *node))
        };
        let start: Vec<String> = dag.nodes.iter().filter(|node| named(node)).cloned().collect();
        if start.is_empty() {
            return Err(DataError::NotFound(format!("'{target}' is neither a stage nor an output")));
        }
        Ok(dag.around(start, options.full))
    }
}

impl Dag {
    fn around(&self, start: Vec<String>, full: bool) -> Dag {
        let mut nodes: BTreeSet<String> = BTreeSet::new();
        let mut next = start;
        while let Some(node) = next.pop() {
            if nodes.insert(node.clone()) {
                next.extend(self.edges.iter().filter(|(_, to)| *to == node).map(|(from, _)| from.clone()));
                if full {
                    next.extend(self.edges.iter().filter(|(from, _)| *from == node).map(|(_, to)| to.clone()));
                }
            }
        }
        let edges = self.edges.iter().filter(|(a, b)| nodes.contains(a) && nodes.contains(b)).cloned().collect();
        Dag { nodes, edges }
    }

    /// In the language of Graphviz.
    #[must_use]
    pub fn dot(&self) -> String {
        let nodes = self.nodes.iter().map(|n| format!("\"{n}\";\n"));
        let edges = self.edges.iter().map(|(a, b)| format!("\"{a}\" -> \"{b}\";\n"));
        format!("strict digraph {{\n{}}}", nodes.chain(edges).collect::<String>())
    }

    /// In the language of Mermaid.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut text = "flowchart TD".to_owned();
        let mut ids = BTreeMap::new();
        for part in self.parts() {
            for node in &part {
                let id = format!("node{}", ids.len() + 1);
                text.push_str(&format!("\n\t{id}[\"{node}\"]"));
                ids.insert(node.clone(), id);
            }
            for (from, to) in self.edges.iter().filter(|(from, _)| part.contains(from)) {
                if let (Some(from), Some(to)) = (ids.get(from), ids.get(to)) {
                    text.push_str(&format!("\n\t{from}-->{to}"));
                }
            }
        }
        text
    }

    /// Sets of nodes that hang together.
    fn parts(&self) -> Vec<BTreeSet<String>> {
        let mut left = self.nodes.clone();
        let mut parts = Vec::new();
        while let Some(node) = left.first().cloned() {
            let part = self.around(vec![node], true).nodes;
            left.retain(|n| !part.contains(n));
            parts.push(part);
        }
        parts
    }

    /// Lines: each node with what it needs, what is needed first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut done: BTreeSet<&String> = BTreeSet::new();
        let mut lines = Vec::new();
        while done.len() < self.nodes.len() {
            let needs = |node: &String| -> Vec<&String> { self.edges.iter().filter(|(_, to)| to == node).map(|(from, _)| from).collect() };
            let ready = |node: &&String| !done.contains(*node) && needs(node).iter().all(|n| done.contains(*n));
            let next: Vec<&String> = self.nodes.iter().filter(ready).collect();
            if next.is_empty() {
                lines.push("(a circle)".to_owned());
                break;
            }
            for node in next {
                let from: Vec<&str> = needs(node).into_iter().map(String::as_str).collect();
                lines.push(if from.is_empty() { node.clone() } else { format!("{node}  <-  {}", from.join(", ")) });
                done.insert(node);
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::Dag;

    #[test]
    fn a_graph_is_written_as_dvc_writes_it() {
        let names = |n: &[&str]| n.iter().map(|s| (*s).to_owned()).collect();
        let edges = [("b.txt.dvc", "a"), ("a", "b")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        let dag = Dag { nodes: names(&["a", "b", "b.txt.dvc", "a.txt.dvc"]), edges };
        let expected = "flowchart TD\n\tnode1[\"a\"]\n\tnode2[\"b\"]\n\tnode3[\"b.txt.dvc\"]\n\tnode1-->node2\n\tnode3-->node1\n\tnode4[\"a.txt.dvc\"]";
        assert_eq!(dag.mermaid(), expected);
        assert_eq!(dag.lines(), ["a.txt.dvc", "b.txt.dvc", "a  <-  b.txt.dvc", "b  <-  a"]);
    }
}
