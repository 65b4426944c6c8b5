//! Types: which Arrow types are read as what, and which names of types in contracts match them.

use datafusion::arrow::datatypes::{DataType, TimeUnit};

/// How a column's values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Whole numbers, as 64 bits with sign.
    Int,
    /// Numbers; decimals among them, as the nearest float.
    Float,
    /// Text.
    Text,
    /// `true` and `false`.
    Bool,
    /// Dates and instants, as microseconds since 1970, UTC where no zone is given.
    Instant,
    /// Nothing but nulls, as in a text file's empty column.
    Null,
    /// Lists, structures, bytes: only their presence can be checked.
    Other,
}

impl Class {
    pub fn of(kind: &DataType) -> Class {
        use DataType as D;
        match kind {
            D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::UInt8 | D::UInt16 | D::UInt32 | D::UInt64 => Class::Int,
            D::Float16 | D::Float32 | D::Float64 => Class::Float,
            D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => Class::Float,
            D::Utf8 | D::LargeUtf8 | D::Utf8View => Class::Text,
            D::Boolean => Class::Bool,
            D::Timestamp(..) | D::Date32 | D::Date64 => Class::Instant,
            D::Dictionary(_, value) => Class::of(value),
            D::Null => Class::Null,
            _ => Class::Other,
        }
    }

    /// How values of a type are read: unsigned 64-bit numbers do not fit 64 bits with a sign, so they are floats.
    pub fn reading(kind: &DataType) -> Class {
        match kind {
            DataType::UInt64 => Class::Float,
            DataType::Dictionary(_, value) => Class::reading(value),
            other => Class::of(other),
        }
    }

    /// In words, for messages.
    pub fn words(self) -> &'static str {
        match self {
            Class::Int => "whole numbers",
            Class::Float => "numbers",
            Class::Text => "text",
            Class::Bool => "booleans",
            Class::Instant => "dates or instants",
            Class::Null => "only nulls",
            Class::Other => "nested values or bytes",
        }
    }
}

/// A type's name as reports show it.
pub(crate) fn type_name(kind: &DataType) -> String {
    use DataType as D;
    let unit = |u: &TimeUnit| match u {
        TimeUnit::Second => "s",
        TimeUnit::Millisecond => "ms",
        TimeUnit::Microsecond => "us",
        TimeUnit::Nanosecond => "ns",
    };
    match kind {
        D::Utf8 | D::LargeUtf8 | D::Utf8View => "string".to_owned(),
        D::BinaryView => type_name(&D::Binary),
        D::Boolean => "bool".to_owned(),
        D::Date32 | D::Date64 => "date".to_owned(),
        D::Timestamp(u, None) => format!("timestamp[{}]", unit(u)),
        D::Timestamp(u, Some(zone)) => format!("timestamp[{}, {zone}]", unit(u)),
        D::Decimal32(p, s) | D::Decimal64(p, s) | D::Decimal128(p, s) | D::Decimal256(p, s) => format!("decimal({p}, {s})"),
        D::Dictionary(_, value) => format!("category of {}", type_name(value)),
        other => other.to_string().to_lowercase(),
    }
}

/// What a name of a type in a contract matches.
struct Named {
    names: &'static [&'static str],
    words: &'static str,
    matches: fn(&DataType) -> bool,
}

const fn named(names: &'static [&'static str], words: &'static str, matches: fn(&DataType) -> bool) -> Named {
    Named { names, words, matches }
}

/// The whole table: names of Arrow, pandas, Spark and SQL that contracts use.
const NAMED: &[Named] = &[
    named(&["int8", "Int8", "ByteType"], "int8", |t| *t == DataType::Int8),
    named(&["int16", "Int16", "ShortType", "SMALLINT"], "int16", |t| *t == DataType::Int16),
    named(&["int32", "Int32", "IntegerType"], "int32", |t| *t == DataType::Int32),
    named(&["int64", "Int64", "int", "LongType", "BIGINT"], "int64", |t| *t == DataType::Int64),
    named(&["uint8", "UInt8"], "uint8", |t| *t == DataType::UInt8),
    named(&["uint16", "UInt16"], "uint16", |t| *t == DataType::UInt16),
    named(&["uint32", "UInt32"], "uint32", |t| *t == DataType::UInt32),
    named(&["uint64", "UInt64"], "uint64", |t| *t == DataType::UInt64),
    named(&["integer", "INTEGER", "INT"], "any whole number", |t| Class::of(t) == Class::Int),
    named(&["float16"], "float16", |t| *t == DataType::Float16),
    named(&["float32", "Float32", "FloatType", "REAL"], "float32", |t| *t == DataType::Float32),
    named(&["float64", "Float64", "float", "double", "DoubleType", "DOUBLE", "DOUBLE_PRECISION"], "float64", |t| *t == DataType::Float64),
    named(&["FLOAT"], "any float", |t| matches!(t, DataType::Float16 | DataType::Float32 | DataType::Float64)),
    named(&["number"], "any number", |t| matches!(Class::of(t), Class::Int | Class::Float)),
    named(&["decimal", "DECIMAL", "NUMERIC", "DecimalType"], "any decimal", |t| type_name(t).starts_with("decimal")),
    named(&["string", "str", "object", "utf8", "StringDtype", "StringType", "VARCHAR", "TEXT", "CHAR"], "text", |t| {
        Class::of(t) == Class::Text
    }),
    named(&["bool", "boolean", "bool_", "BooleanType", "BOOLEAN", "BOOL"], "booleans", |t| *t == DataType::Boolean),
    named(
        &[
            "timestamp",
            "datetime",
            "datetime64",
            "Timestamp",
            "TimestampType",
            "TIMESTAMP",
            "DATETIME",
            "datetime64[s]",
            "datetime64[ms]",
            "datetime64[us]",
            "datetime64[ns]",
        ],
        "instants",
        |t| matches!(t, DataType::Timestamp(..)),
    ),
    named(&["date", "DateType", "DATE"], "dates", |t| matches!(t, DataType::Date32 | DataType::Date64)),
    named(&["category", "CategoricalDtype", "CategoricalDtypeType"], "categories", |t| matches!(t, DataType::Dictionary(..))),
];

/// The names of types that contracts may use, with what each matches.
#[must_use]
pub fn type_names() -> Vec<(&'static str, &'static str)> {
    NAMED.iter().flat_map(|n| n.names.iter().map(|name| (*name, n.words))).collect()
}

/// Whether a column's type is one of those named.
pub(crate) fn type_matches(kind: &DataType, names: &[String]) -> Result<bool, String> {
    let mut matches = false;
    for name in names {
        let row = NAMED.iter().find(|n| n.names.contains(&name.as_str()));
        let Some(row) = row else {
            let all: Vec<&str> = type_names().iter().map(|(n, _)| *n).collect();
            return Err(format!("type `{name}` is not known: use one of {}", all.join(", ")));
        };
        let value = match kind {
            DataType::Dictionary(_, value) if !row.names.contains(&"category") => value,
            other => other,
        };
        matches |= (row.matches)(value);
    }
    Ok(matches)
}
