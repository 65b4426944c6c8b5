//! Values of parameters that are written once: where one parameter lies within another, DVC's writer gives the first an anchor and
//! writes the second as an alias of it, for both are one object to it.

use super::scalar::NO_TEXT;
use serde_json::Value;
use std::collections::HashMap;

/// How a value that is there more than once is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// Here, under this number.
    Anchor(usize),
    /// As it was under this number.
    Alias(usize),
}

/// Marks by the address of a value.
#[derive(Debug, Default)]
pub(super) struct Marks(HashMap<usize, Mark>);

impl Marks {
    /// Of a lock file, or of an entry of the run-cache.
    pub fn of(root: &Value) -> Marks {
        let mut marks = Walk::default();
        let stages = root.get("stages").and_then(Value::as_object).into_iter().flatten().map(|(_, stage)| stage);
        for entry in stages.chain([root]) {
            for (_, values) in entry.get("params").and_then(Value::as_object).into_iter().flatten() {
                let mut seen = HashMap::new();
                for (name, value) in values.as_object().into_iter().flatten() {
                    marks.visit(value, &mut name.split('.').map(str::to_owned).collect(), &mut seen);
                }
            }
        }
        marks.marks
    }

    pub fn get(&self, value: &Value) -> Option<Mark> {
        self.0.get(&address(value)).copied()
    }
}

fn address(value: &Value) -> usize {
    std::ptr::from_ref(value).addr()
}

#[derive(Default)]
struct Walk {
    marks: Marks,
    /// The newest number: one is given when a value comes the second time.
    newest: usize,
}

impl Walk {
    /// `seen` are the values of one file by the place where they lie in it.
    fn visit<'a>(&mut self, value: &'a Value, place: &mut Vec<String>, seen: &mut HashMap<Vec<String>, &'a Value>) {
        if !matches!(value, Value::Object(_) | Value::Array(_)) {
            return;
        }
        // A recorded value that has changed since is another one.
        if let Some(first) = seen.get(place).filter(|first| **first == value) {
            let number = match self.marks.get(first) {
                Some(Mark::Anchor(number) | Mark::Alias(number)) => number,
                None => {
                    self.newest += 1;
                    self.marks.0.insert(address(first), Mark::Anchor(self.newest));
                    self.newest
                }
            };
            self.marks.0.insert(address(value), Mark::Alias(number));
            return;
        }
        seen.insert(place.clone(), value);
        let mut inner = |name: String, value: &'a Value| {
            place.push(name);
            self.visit(value, place, seen);
            place.pop();
        };
        match value {
            Value::Object(map) => map.iter().for_each(|(key, v)| inner(key.strip_prefix(NO_TEXT).unwrap_or(key).to_owned(), v)),
            Value::Array(items) => items.iter().enumerate().for_each(|(i, v)| inner(i.to_string(), v)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
