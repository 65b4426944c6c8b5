//! What a version gives to others and takes from them, under the names by which they know it.
//!
//! Columns and tensors are the same here: a name, the types that values may have, a shape where there is one, and whether a value may
//! lack. Names of types are those of a check (`int64`, `string`); the spellings of the Open Inference Protocol mean the same ones.
//! Not here: which versions meet (`train`).

use super::{Signature, TensorSpec};
use crate::contract::{Contract, Kind, widens};
use crate::transform::Transform;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most columns that one version writes out, over everything that it gives and takes.
pub const FIELDS_MAX: usize = 400;
/// Most names under which a version gives or takes.
pub const INTERFACES_MAX: usize = 20;
/// Most dimensions of a shape.
const DIMENSIONS_MAX: usize = 16;

/// A column or a tensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Types that its values may have; none: nobody said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Dimensions; -1 is variable. None: it is a column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<Vec<i64>>,
    /// A value may be null or lack.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nullable: bool,
}

/// How a version says what it gives or takes under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Declared {
    /// Its own: the outputs of its model; the record of its transform, or the inputs of its model where it has none.
    Own,
    /// These.
    Fields(Vec<Field>),
}

/// What a version declares.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// What it gives, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub gives: BTreeMap<String, Declared>,
    /// What it takes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub takes: BTreeMap<String, Declared>,
}

/// A version as others see it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Face {
    /// Its number, as `7`.
    pub version: String,
    /// What it gives, by name.
    pub gives: BTreeMap<String, Vec<Field>>,
    /// What it takes.
    pub takes: BTreeMap<String, Vec<Field>>,
}

impl Interface {
    /// Whether nothing is declared.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gives.is_empty() && self.takes.is_empty()
    }

    /// Whether a version takes its own record, so that its transform must be known.
    #[must_use]
    pub fn takes_own(&self) -> bool {
        self.takes.values().any(|declared| *declared == Declared::Own)
    }

    /// The version as others see it.
    #[must_use]
    pub fn face(&self, version: &str, signature: &Signature, transform: Option<&Transform>) -> Face {
        let tensors = |all: &[TensorSpec]| -> Vec<Field> { all.iter().map(Field::of_tensor).collect() };
        let record = || match transform {
            Some(transform) => transform.record.iter().map(Field::of_record).collect(),
            None => tensors(&signature.inputs),
        };
        let all = |declared: &BTreeMap<String, Declared>, own: &dyn Fn() -> Vec<Field>| {
            let fields = |declared: &Declared| match declared {
                Declared::Own => own(),
                Declared::Fields(fields) => fields.clone(),
            };
            declared.iter().map(|(name, declared)| (name.clone(), fields(declared))).collect()
        };
        Face { version: version.to_owned(), gives: all(&self.gives, &|| tensors(&signature.outputs)), takes: all(&self.takes, &record) }
    }
}

impl Field {
    /// One that is written as `int64`, `string?` (null, or not there), or `float32[-1, 64]`.
    ///
    /// # Errors
    /// When it is none of these, with what it should be.
    pub fn parse(name: &str, text: &str) -> Result<Field, String> {
        let wrong = || format!("`{text}` is no type: write `int64`, `string?` where it may be null, or `float32[-1, 64]`");
        let (rest, nullable) = text.trim().strip_suffix('?').map_or((text.trim(), false), |rest| (rest.trim_end(), true));
        let (word, shape) = match rest.split_once('[') {
            // The unit and the zone of an instant are a part of its type.
            Some(("timestamp", _)) => (rest, None),
            Some((word, dimensions)) => {
                let all: Option<Vec<i64>> = dimensions
                    .strip_suffix(']')
                    .into_iter()
                    .flat_map(|inner| inner.split(','))
                    .map(|d| d.trim().parse().ok().filter(|d: &i64| *d >= -1))
                    .collect();
                (word.trim_end(), Some(all.filter(|d| !d.is_empty() && d.len() <= DIMENSIONS_MAX).ok_or_else(wrong)?))
            }
            None => (rest, None),
        };
        let good = word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.len() <= 100 && !word.contains(char::is_control);
        if good { Ok(Field { name: name.to_owned(), types: vec![canonical(word)], shape, nullable }) } else { Err(wrong()) }
    }

    fn of_tensor(tensor: &TensorSpec) -> Field {
        let (name, types) = (tensor.name.clone(), vec![canonical(tensor.datatype.as_str())]);
        Field { name, types, shape: Some(tensor.shape.clone()), nullable: false }
    }

    fn of_record(field: &crate::transform::Field) -> Field {
        Field { name: field.name.clone(), types: vec![canonical(field.datatype.as_str())], shape: None, nullable: field.optional }
    }

    /// The columns that a contract names. One that it does not keep from nulls may have some.
    #[must_use]
    pub fn of_contract(contract: &Contract) -> Vec<Field> {
        let mut found: Vec<Field> = vec![];
        let mut column = |name: &str, change: &dyn Fn(&mut Field)| {
            let at = found.iter().position(|field| field.name == name).unwrap_or_else(|| {
                found.push(Field { name: name.to_owned(), nullable: true, ..Field::default() });
                found.len() - 1
            });
            found.get_mut(at).into_iter().for_each(change);
        };
        for expectation in &contract.expectations {
            match &expectation.kind {
                Kind::ColumnExists { column: name, .. } => column(name, &|_| ()),
                Kind::ColumnsMatchSet { columns, .. } | Kind::ColumnsMatchOrderedList { columns } => {
                    columns.iter().for_each(|name| column(name, &|_| ()));
                }
                Kind::OfType { column: name, types, .. } => {
                    column(name, &|field| field.types = types.iter().map(|word| canonical(word)).collect());
                }
                Kind::NotNull { column: name } => {
                    let all = expectation.mostly >= 1.0 && expectation.row_condition.is_none();
                    column(name, &|field| field.nullable &= !all);
                }
                _ => {}
            }
        }
        found
    }

    /// Why what is given does not fit what is taken; none where it does, or where nobody said.
    #[must_use]
    pub fn misfit(given: &Field, taken: &Field) -> bool {
        let tensor = given.shape.is_some() && taken.shape.is_some();
        // A tensor names its type with each request, and another is refused; a column's values are read, and may be narrower.
        let fits = |from: &String| taken.types.iter().any(|to| from == to || (!tensor && widens(from, to)));
        let types = taken.types.is_empty() || given.types.iter().all(fits);
        let shapes = match (&given.shape, &taken.shape) {
            (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a == b || *a < 0 || *b < 0),
            _ => true,
        };
        !types || !shapes || (given.nullable && !taken.nullable)
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.types.is_empty() {
            f.write_str("any type")?;
        }
        f.write_str(&self.types.join(" or "))?;
        if let Some(shape) = &self.shape {
            write!(f, "[{}]", shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))?;
        }
        f.write_str(if self.nullable { ", null or not there" } else { "" })
    }
}

/// One name for each type, as a check shows it.
fn canonical(word: &str) -> String {
    let low = word.trim().to_lowercase();
    let known = match low.as_str() {
        "fp16" | "halffloat" => "float16",
        "fp32" | "float" => "float32",
        "fp64" | "double" => "float64",
        "bytes" | "str" | "text" | "utf8" | "object" => "string",
        "boolean" => "bool",
        "integer" | "int" | "bigint" => "int64",
        "date32" | "date64" => "date",
        other => other,
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Allowances, Expectation, Rules};
    use crate::model::Datatype;

    fn misfit(given: &str, taken: &str) -> bool {
        Field::misfit(&Field::parse("x", given).unwrap(), &Field::parse("x", taken).unwrap())
    }

    #[test]
    fn what_fits_and_what_does_not() {
        for (given, taken) in [
            ("int64", "int64"),
            ("int32", "int64"),
            ("INT64", "int64"),
            ("BYTES", "string"),
            ("string", "string?"),
            ("string?", "string?"),
            ("float32[-1, 64]", "float32[8, 64]"),
            ("float32[2, 64]", "FP32[-1,-1]"),
            ("float32", "float32[-1, 64]"),
            ("date", "timestamp[us]"),
        ] {
            assert!(!misfit(given, taken), "{given} is given, {taken} is taken");
        }
        for (given, taken) in [
            ("int64", "int32"),
            ("int64", "string"),
            ("string?", "string"),
            ("float32[-1, 64]", "float32[-1, 32]"),
            ("float32[-1, 64]", "float32[-1]"),
            ("float32[-1]", "float64[-1]"),
            ("timestamp[us, UTC]", "timestamp[us]"),
        ] {
            assert!(misfit(given, taken), "{given} is given, {taken} is taken");
        }
        let nobody_said = Field { name: "x".to_owned(), ..Field::default() };
        let said = Field::parse("x", "int64").unwrap();
        assert!(!Field::misfit(&nobody_said, &said) && !Field::misfit(&said, &nobody_said));
    }

    #[test]
    fn what_is_no_type_is_refused() {
        for text in ["", "?", "3", "float32[", "float32[]", "float32[a]", "float32[-2]", "[1]"] {
            assert!(Field::parse("x", text).unwrap_err().contains("is no type"), "{text}");
        }
        assert_eq!(Field::parse("x", " FP32[-1, 2]? ").unwrap().to_string(), "float32[-1, 2], null or not there");
    }

    #[test]
    fn a_version_gives_its_outputs_and_takes_its_record_or_its_inputs() {
        let tensor = |name: &str, datatype| TensorSpec { name: name.to_owned(), datatype, shape: vec![-1, 2] };
        let signature = Signature { inputs: vec![tensor("in", Datatype::Fp32)], outputs: vec![tensor("out", Datatype::Int64)] };
        let own = |name: &str| BTreeMap::from([(name.to_owned(), Declared::Own)]);
        let interface = Interface { gives: own("scores"), takes: own("rows") };
        let face = interface.face("3", &signature, None);
        assert_eq!(face.gives["scores"], [Field::parse("out", "int64[-1, 2]").unwrap()]);
        assert_eq!(face.takes["rows"], [Field::parse("in", "float32[-1, 2]").unwrap()]);
        let record = vec![crate::transform::Field { name: "age".to_owned(), datatype: Datatype::Int64, optional: true }];
        let face = interface.face("3", &signature, Some(&Transform { record, ..Transform::default() }));
        assert_eq!(face.takes["rows"], [Field::parse("age", "int64?").unwrap()]);
    }

    #[test]
    fn columns_of_a_contract() {
        let column = || "a".to_owned();
        let mut often = Expectation::new(Kind::NotNull { column: "b".to_owned() });
        often.mostly = 0.9;
        let expectations = vec![
            Expectation::new(Kind::OfType { column: column(), types: vec!["INT64".to_owned(), "int32".to_owned()], list: true }),
            Expectation::new(Kind::NotNull { column: column() }),
            often,
            Expectation::new(Kind::ColumnExists { column: "c".to_owned(), index: None }),
            Expectation::new(Kind::Unique { column: "d".to_owned() }),
        ];
        let contract = Contract { dataset: "d".to_owned(), expectations, rules: Rules::Own(Allowances::default()) };
        let shown: Vec<String> = Field::of_contract(&contract).iter().map(|f| format!("{} {f}", f.name)).collect();
        assert_eq!(shown, ["a int64 or int32", "b any type, null or not there", "c any type, null or not there"]);
    }
}
