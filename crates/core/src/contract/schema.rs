//! Compatibility of a table's columns and types with those of an earlier check.
//!
//! "Backward" is asked by readers that were written for the new schema and meet old data; "forward" by readers
//! that were written for the old schema and meet new data. A column that is not named as optional must be there
//! for its readers. A type may widen (`int32` to `int64`) for the reader that expects the wider one.

use serde::{Deserialize, Serialize};

/// In which direction schemas must be compatible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compatibility {
    /// Readers of the new schema can read old data.
    Backward,
    /// Readers of the old schema can read new data.
    Forward,
    /// Both.
    Full,
}

impl std::fmt::Display for Compatibility {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Compatibility::Backward => "backward",
            Compatibility::Forward => "forward",
            Compatibility::Full => "full",
        })
    }
}

/// What became of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum ColumnChange {
    /// It is new.
    Added {
        /// The column.
        column: String,
    },
    /// It is gone.
    Removed {
        /// The column.
        column: String,
    },
    /// Its type holds all values of the old one and more.
    Widened {
        /// The column.
        column: String,
        /// The old type.
        from: String,
        /// The new type.
        to: String,
    },
    /// Its type holds only some values of the old one.
    Narrowed {
        /// The column.
        column: String,
        /// The old type.
        from: String,
        /// The new type.
        to: String,
    },
    /// Its type is another.
    Retyped {
        /// The column.
        column: String,
        /// The old type.
        from: String,
        /// The new type.
        to: String,
    },
}

impl ColumnChange {
    /// Whether it breaks readers of the new schema on old data, and readers of the old schema on new data.
    #[must_use]
    pub fn breaks(&self, optional: &[String]) -> (bool, bool) {
        match self {
            ColumnChange::Added { column } => (!optional.contains(column), false),
            ColumnChange::Removed { column } => (false, !optional.contains(column)),
            ColumnChange::Widened { .. } => (false, true),
            ColumnChange::Narrowed { .. } => (true, false),
            ColumnChange::Retyped { .. } => (true, true),
        }
    }
}

impl std::fmt::Display for ColumnChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ColumnChange::Added { column } => write!(f, "`{column}` is new"),
            ColumnChange::Removed { column } => write!(f, "`{column}` is gone"),
            ColumnChange::Widened { column, from, to } => write!(f, "`{column}` widened from {from} to {to}"),
            ColumnChange::Narrowed { column, from, to } => write!(f, "`{column}` narrowed from {from} to {to}"),
            ColumnChange::Retyped { column, from, to } => write!(f, "`{column}` changed from {from} to {to}"),
        }
    }
}

/// What differs between two schemas, in which directions they are compatible.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaChange {
    /// Columns that differ.
    pub changes: Vec<ColumnChange>,
    /// Readers of the new schema can read old data.
    pub backward: bool,
    /// Readers of the old schema can read new data.
    pub forward: bool,
}

impl SchemaChange {
    /// Whether that is compatible enough.
    #[must_use]
    pub fn allows(&self, wanted: Compatibility) -> bool {
        match wanted {
            Compatibility::Backward => self.backward,
            Compatibility::Forward => self.forward,
            Compatibility::Full => self.backward && self.forward,
        }
    }
}

/// Compares names and types of columns; the order of columns does not matter.
#[must_use]
pub fn compare_schemas(old: &[(String, String)], new: &[(String, String)], optional: &[String]) -> SchemaChange {
    let find = |list: &[(String, String)], name: &str| list.iter().find(|(n, _)| n == name).map(|(_, t)| t.clone());
    let mut changes = Vec::new();
    for (column, from) in old {
        let column = column.clone();
        match find(new, &column) {
            None => changes.push(ColumnChange::Removed { column }),
            Some(to) if to == *from => {}
            Some(to) => {
                let from = from.clone();
                changes.push(match (widens(&from, &to), widens(&to, &from)) {
                    (true, _) => ColumnChange::Widened { column, from, to },
                    (false, true) => ColumnChange::Narrowed { column, from, to },
                    (false, false) => ColumnChange::Retyped { column, from, to },
                });
            }
        }
    }
    changes.extend(new.iter().filter(|(n, _)| find(old, n).is_none()).map(|(n, _)| ColumnChange::Added { column: n.clone() }));
    let broken = |pick: fn((bool, bool)) -> bool| changes.iter().any(|c| pick(c.breaks(optional)));
    let (backward, forward) = (!broken(|b| b.0), !broken(|b| b.1));
    SchemaChange { changes, backward, forward }
}

/// Whether `to` holds every value of `from`.
pub(crate) fn widens(from: &str, to: &str) -> bool {
    // A column of nothing but nulls fits into any type.
    if from == "null" {
        return true;
    }
    let width = |t: &str, prefix: &str| t.strip_prefix(prefix).and_then(|w| w.parse::<u32>().ok());
    let (int, uint, float) = (|t: &str| width(t, "int"), |t: &str| width(t, "uint"), |t: &str| width(t, "float"));
    // Bits of whole numbers that a float holds exactly.
    let mantissa = |bits: u32| {
        if bits == 64 {
            53
        } else if bits == 32 {
            24
        } else {
            11
        }
    };
    match (int(from).or(uint(from)), int(to), uint(to), float(to)) {
        (Some(a), Some(b), ..) if int(from).is_some() => b > a,
        (Some(a), Some(b), ..) => b > a,
        (Some(a), _, Some(b), _) => uint(from).is_some() && b > a,
        (Some(a), _, _, Some(b)) => a <= mantissa(b),
        _ => float(from).zip(float(to)).is_some_and(|(a, b)| b > a) || (from == "date" && to.starts_with("timestamp")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(columns: &[(&str, &str)]) -> Vec<(String, String)> {
        columns.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect()
    }

    #[test]
    fn each_change_breaks_its_readers() {
        let old = table(&[("a", "int32"), ("b", "string"), ("c", "float64"), ("gone", "bool")]);
        let new = table(&[("a", "int64"), ("b", "int64"), ("c", "float64"), ("new", "bool")]);
        let change = compare_schemas(&old, &new, &[]);
        let told: Vec<String> = change.changes.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["`a` widened from int32 to int64", "`b` changed from string to int64", "`gone` is gone", "`new` is new"]);
        assert!(!change.backward && !change.forward);
        let verdict = |old: &[(&str, &str)], new: &[(&str, &str)], optional: &[&str]| {
            let optional: Vec<String> = optional.iter().map(|o| (*o).to_owned()).collect();
            let change = compare_schemas(&table(old), &table(new), &optional);
            (change.backward, change.forward)
        };
        assert_eq!(verdict(&[("a", "int32")], &[("a", "int64")], &[]), (true, false));
        assert_eq!(verdict(&[("a", "int64")], &[("a", "int32")], &[]), (false, true));
        assert_eq!(verdict(&[("a", "int64")], &[("a", "float64")], &[]), (false, false));
        assert_eq!(verdict(&[("a", "int32")], &[("a", "float64")], &[]), (true, false));
        assert_eq!(verdict(&[("a", "uint32")], &[("a", "int64")], &[]), (true, false));
        assert_eq!(verdict(&[("a", "int32")], &[("a", "uint64")], &[]), (false, false));
        assert_eq!(verdict(&[("a", "bool")], &[], &[]), (true, false));
        assert_eq!(verdict(&[], &[("a", "bool")], &[]), (false, true));
        assert_eq!(verdict(&[], &[("a", "bool")], &["a"]), (true, true));
        assert_eq!(verdict(&[("a", "bool"), ("b", "bool")], &[("b", "bool"), ("a", "bool")], &[]), (true, true));
    }
}
