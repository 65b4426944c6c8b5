//! Two states of what is tracked, and what differs: pure.

use std::collections::{BTreeMap, BTreeSet};

/// Something tracked in one state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its digest; none where none is recorded.
    pub(crate) hash: Option<String>,
    /// Whether it is a directory.
    pub(crate) dir: bool,
    /// Path and digest of a directory's files, where they are known.
    pub(crate) files: Option<BTreeMap<String, String>>,
}

/// A state: what is tracked, by path.
pub(crate) type Side = BTreeMap<String, Node>;

/// How something differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Added,
    Deleted,
    Modified,
    Renamed,
    Unchanged,
    Unknown,
}

/// One path in one state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spot {
    pub(crate) path: String,
    pub(crate) hash: Option<String>,
    pub(crate) dir: bool,
}

impl Spot {
    /// The path, with a slash at its end for a directory.
    pub(crate) fn shown(&self) -> String {
        if self.dir { format!("{}/", self.path) } else { self.path.clone() }
    }
}

/// A difference (or none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) kind: Kind,
    pub(crate) old: Option<Spot>,
    pub(crate) new: Option<Spot>,
}

impl Change {
    /// The path by which DVC names it.
    pub(crate) fn shown(&self) -> String {
        self.new.as_ref().or(self.old.as_ref()).map(Spot::shown).unwrap_or_default()
    }
}

/// All changes from `old` to `new`, files of directories among them if `granular`.
pub(crate) fn compare(old: &Side, new: &Side, granular: bool) -> Vec<Change> {
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for path in paths {
        let (a, b) = (old.get(path), new.get(path));
        changes.extend(one(spot(path, a), spot(path, b)));
        if granular && (a.is_some_and(|n| n.dir) || b.is_some_and(|n| n.dir)) {
            inside(path, a, b, &mut changes);
        }
    }
    renamed(changes)
}

fn spot(path: &str, node: Option<&Node>) -> Option<Spot> {
    node.map(|n| Spot { path: path.to_owned(), hash: n.hash.clone(), dir: n.dir })
}

fn one(old: Option<Spot>, new: Option<Spot>) -> Option<Change> {
    let hash = |spot: &Option<Spot>| spot.as_ref().and_then(|s| s.hash.clone());
    let kind = match (hash(&old), hash(&new)) {
        (None, None) => return None,
        (None, Some(_)) => Kind::Added,
        (Some(_), None) => Kind::Deleted,
        (Some(a), Some(b)) if a == b => Kind::Unchanged,
        _ => Kind::Modified,
    };
    Some(Change { kind, old, new })
}

fn inside(path: &str, old: Option<&Node>, new: Option<&Node>, changes: &mut Vec<Change>) {
    // A directory whose listing is not at hand: nothing can be said of its files.
    let lost = |node: Option<&Node>| node.is_some_and(|n| n.dir && n.hash.is_some() && n.files.is_none());
    let unknown = lost(old) || lost(new);
    let empty = BTreeMap::new();
    let files = |node: Option<&Node>| node.and_then(|n| n.files.clone()).unwrap_or_else(|| empty.clone());
    let (a, b) = (files(old), files(new));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    for name in names {
        let at = |hash: Option<&String>| hash.map(|h| Spot { path: format!("{path}/{name}"), hash: Some(h.clone()), dir: false });
        let (old, new) = (at(a.get(name)), at(b.get(name)));
        if unknown {
            changes.push(Change { kind: Kind::Unknown, old, new });
        } else {
            changes.extend(one(old, new));
        }
    }
}

/// A deletion and an addition of the same content are a move.
fn renamed(changes: Vec<Change>) -> Vec<Change> {
    let (mut added, mut deleted, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        match change.kind {
            Kind::Added => added.push(change),
            Kind::Deleted => deleted.push(change),
            _ => rest.push(change),
        }
    }
    let path = |spot: &Option<Spot>| spot.as_ref().map(|s| s.path.clone());
    added.sort_by_key(|c| path(&c.new));
    deleted.sort_by_key(|c| path(&c.old));
    let mut by_hash: BTreeMap<Option<String>, std::collections::VecDeque<Change>> = BTreeMap::new();
    for change in deleted {
        by_hash.entry(change.old.as_ref().and_then(|s| s.hash.clone())).or_default().push_back(change);
    }
    for change in added {
        let hash = change.new.as_ref().and_then(|s| s.hash.clone());
        match by_hash.get_mut(&hash).and_then(std::collections::VecDeque::pop_front) {
            Some(from) if hash.is_some() => rest.push(Change { kind: Kind::Renamed, old: from.old, new: change.new }),
            Some(from) => {
                rest.push(from);
                rest.push(change);
            }
            None => rest.push(change),
        }
    }
    rest.extend(by_hash.into_values().flatten());
    rest
}

#[cfg(test)]
mod tests {
    use super::{Kind, Node, Side, compare};
    use std::collections::BTreeMap;

    fn dir(hash: &str, files: &[(&str, &str)]) -> Node {
        let files = files.iter().map(|(p, h)| ((*p).to_owned(), (*h).to_owned())).collect::<BTreeMap<_, _>>();
        Node { hash: Some(hash.to_owned()), dir: true, files: Some(files) }
    }

    fn file(hash: &str) -> Node {
        Node { hash: Some(hash.to_owned()), ..Node::default() }
    }

    #[test]
    fn every_kind_is_found() {
        let old: Side = [("d", dir("1", &[("a", "x"), ("b", "y")])), ("gone", file("g")), ("same", file("s")), ("was", file("w"))]
            .map(|(p, n)| (p.to_owned(), n))
            .into();
        let new: Side = [("d", dir("2", &[("a", "x"), ("b", "z")])), ("is", file("w")), ("same", file("s")), ("fresh", file("f"))]
            .map(|(p, n)| (p.to_owned(), n))
            .into();
        let kinds = |granular: bool| -> Vec<(Kind, String)> {
            let mut found: Vec<_> = compare(&old, &new, granular).iter().map(|c| (c.kind, c.shown())).collect();
            found.sort();
            found
        };
        let own = |items: &[(Kind, &str)]| items.iter().map(|(k, p)| (*k, (*p).to_owned())).collect::<Vec<_>>();
        let mut expected = own(&[
            (Kind::Added, "fresh"),
            (Kind::Deleted, "gone"),
            (Kind::Modified, "d/"),
            (Kind::Renamed, "is"),
            (Kind::Unchanged, "same"),
        ]);
        assert_eq!(kinds(false), expected);
        expected.extend(own(&[(Kind::Modified, "d/b"), (Kind::Unchanged, "d/a")]));
        expected.sort();
        assert_eq!(kinds(true), expected);
    }

    #[test]
    fn nothing_is_said_of_files_whose_listing_is_lost() {
        let lost = Node { hash: Some("1".to_owned()), dir: true, files: None };
        let old: Side = [("d".to_owned(), lost)].into();
        let new: Side = [("d".to_owned(), dir("2", &[("a", "x")]))].into();
        let found: Vec<Kind> = compare(&old, &new, true).iter().map(|c| c.kind).collect();
        assert_eq!(found, [Kind::Modified, Kind::Unknown]);
    }
}
