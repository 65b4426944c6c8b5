//! What spans several keys of `people`: where roles are held, and whether as many approvers are there as must approve.

use super::check::{Check, join};
use super::read;
use super::rules::{RESERVED, named};
use crate::yaml::Node;
use tidegate_core::access::Role;

impl Check<'_> {
    pub(super) fn people(&mut self) {
        for (name, key, person) in named(self.root, "people") {
            let path = join("people", &name);
            if RESERVED.contains(&name.as_str()) {
                self.say(key, &path, &format!("`{name}` stands for something else in records: take another name"), None);
            }
            let roles = person.get("roles").and_then(Node::as_seq).unwrap_or(&[]);
            for (i, limited) in roles.iter().enumerate() {
                let entry = limited.as_map().and_then(<[(Node, Node)]>::first);
                let Some((at, word)) = entry.and_then(|(at, _)| Some((at, at.text()?))) else { continue };
                if roles.iter().any(|role| role.text().as_deref() == Some(&*word)) {
                    let why = format!("`{word}` is given everywhere already: these places would change nothing");
                    self.say(at, &format!("{path}.roles[{i}]"), &why, Some("leave one of the two"));
                }
            }
        }
    }

    /// As many others than who asks as must approve in each place: one who asks may be an approver too.
    pub(super) fn approvals(&mut self, (path, places): (&str, &[String]), key: &Node, service: &Node) {
        let Some((at, of)) = service.entry("approvals").and_then(|(at, n)| Some((at, n.text()?.parse::<usize>().ok()?))) else { return };
        let people: Vec<_> = named(self.root, "people").into_iter().map(|(_, _, person)| read::roles_of(person)).collect();
        let approvers = |place: &String| {
            people.iter().filter(|roles| roles.iter().any(|held| held.role == Role::Approver && held.reaches(place))).count()
        };
        let Some((place, approvers)) = places.iter().map(|place| (place, approvers(place))).min_by_key(|(_, n)| *n) else { return };
        if of > approvers {
            let at = if at.line == 0 { key } else { at };
            let limited = people.iter().flatten().any(|held| !held.places.is_empty());
            let there = if limited { format!(" for {place}") } else { String::new() };
            let why = format!("{of} must approve a release, and `people` has {approvers} with the role `approver`{there}");
            self.say(
                at,
                &join(path, "approvals"),
                &why,
                Some("give the role to as many, one more where approvers ask for releases themselves"),
            );
        }
    }
}
