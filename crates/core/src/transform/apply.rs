//! Runs the steps of a compiled transform on one record. Pure; allocates only when it refuses.

use crate::transform::compiled::{CompiledStep, Missing, Op, ZoneAt};
use crate::transform::time::{self, Written};
use crate::transform::{Compiled, InputRows, RecordView, Refusal, Value};
use jiff::tz::TimeZone;

/// Why a step has no value.
enum Stop {
    /// This slot is missing.
    Missing(usize),
    /// This slot has a value that the step cannot take.
    Wrong(usize, String),
    /// The result itself is no value.
    Result(String),
}

impl Compiled {
    /// The inputs of one record.
    ///
    /// # Errors
    /// When a step or an input refuses the record.
    pub fn apply(&self, record: &RecordView<'_>) -> Result<InputRows, Box<Refusal>> {
        let mut rows = self.rows(1);
        self.apply_into(record, &mut Vec::new(), &mut rows)?;
        Ok(rows)
    }

    /// The inputs of several records; the first one that is refused ends it.
    ///
    /// # Errors
    /// When a step or an input refuses a record.
    pub fn apply_batch<'a>(&'a self, records: impl ExactSizeIterator<Item = Vec<Value<'a>>>) -> Result<InputRows, Box<Refusal>> {
        let mut rows = self.rows(records.len());
        let mut slots = Vec::new();
        for record in records {
            self.apply_into(&record, &mut slots, &mut rows)?;
        }
        Ok(rows)
    }

    /// Appends the inputs of one record to `rows`, made by [`Compiled::rows`]. `slots` is working memory that
    /// can be used again. A refused record leaves `rows` as it was.
    ///
    /// # Errors
    /// When a step or an input refuses the record.
    pub fn apply_into<'a>(&'a self, record: &RecordView<'a>, slots: &mut Vec<Value<'a>>, rows: &mut InputRows) -> Result<(), Box<Refusal>> {
        slots.clear();
        slots.extend(record.iter().copied().chain(std::iter::repeat(Value::Null)).take(self.fields.len()));
        for step in &self.steps {
            let value = match self.run(&step.op, slots) {
                Ok(value) => value,
                Err(Stop::Missing(slot)) => match &step.on_missing {
                    Missing::Keep => Value::Null,
                    Missing::Value(value) => Value::from_constant(value),
                    Missing::Refuse => {
                        let why = "is missing and the step refuses a missing value".to_owned();
                        return Err(self.refusal(step.label(), Some(slot), why, slots, rows.rows()));
                    }
                },
                Err(Stop::Wrong(slot, why)) => return Err(self.refusal(step.label(), Some(slot), why, slots, rows.rows())),
                Err(Stop::Result(why)) => return Err(self.refusal(step.label(), None, why, slots, rows.rows())),
            };
            slots.push(value);
        }
        rows.push(self, slots).map_err(|(label, slot, why)| self.refusal(label, Some(slot), why, slots, rows.rows()))
    }

    fn run<'a>(&'a self, op: &'a Op, slots: &[Value<'a>]) -> Result<Value<'a>, Stop> {
        match op {
            Op::Copy(slot) => present(slots, *slot),
            Op::Default(slot, value) => Ok(present(slots, *slot).unwrap_or(Value::from_constant(value))),
            Op::Arithmetic(tree) => {
                let result = tree.evaluate(&|slot| number(slots, *slot))?;
                if result.is_finite() { Ok(Value::F64(result)) } else { Err(Stop::Result(format!("gives {result}, not a finite number"))) }
            }
            Op::TimeDifference { from, to, unit } => {
                let from = self.instant(slots, from)?;
                let to = self.instant(slots, to)?;
                Ok(Value::F64(time::difference(from, to, *unit)))
            }
            Op::TimePart { of: (slot, zone), part } => {
                let written = written(slots, *slot)?;
                let zone = self.zone(slots, zone)?;
                time::part(written, zone.as_ref(), *part).map(Value::F64).map_err(|why| Stop::Wrong(*slot, why))
            }
            Op::Table { of, table, unknown } => {
                let key = present(slots, *of)?;
                match (table.get(key), unknown) {
                    (Some(value), _) | (None, Missing::Value(value)) => Ok(Value::from_constant(value)),
                    (None, Missing::Keep) => Ok(Value::Null),
                    (None, Missing::Refuse) => Err(Stop::Wrong(*of, format!("has the value {key}, which the list does not know"))),
                }
            }
            Op::Length(slot) => match present(slots, *slot)? {
                #[expect(clippy::cast_precision_loss, reason = "a text is shorter than 2^53 characters")]
                Value::Str(text) => Ok(Value::F64(text.chars().count() as f64)),
                other => Err(Stop::Wrong(*slot, format!("is {other}, not a text"))),
            },
            Op::Bucket { of, edges } => {
                let x = number(slots, *of)?;
                #[expect(clippy::cast_precision_loss, reason = "at most TABLE_ENTRIES_MAX edges")]
                Ok(Value::F64(edges.partition_point(|edge| *edge <= x) as f64))
            }
            Op::Clamp { of, min, max } => Ok(Value::F64(number(slots, *of)?.max(*min).min(*max))),
        }
    }

    fn instant(&self, slots: &[Value<'_>], (slot, zone): &(usize, ZoneAt)) -> Result<jiff::Timestamp, Stop> {
        let written = written(slots, *slot)?;
        let zone = self.zone(slots, zone)?;
        written.instant(zone.as_ref()).map_err(|why| Stop::Wrong(*slot, why))
    }

    fn zone(&self, slots: &[Value<'_>], zone: &ZoneAt) -> Result<Option<TimeZone>, Stop> {
        match zone {
            ZoneAt::Absent => Ok(None),
            ZoneAt::Fixed(zone) => Ok(Some(zone.clone())),
            ZoneAt::Slot(slot) => match present(slots, *slot)? {
                Value::Str(name) => self.zones.get(name).map(Some).map_err(|why| Stop::Wrong(*slot, why)),
                other => Err(Stop::Wrong(*slot, format!("is {other}, not the name of a zone"))),
            },
        }
    }

    fn refusal(&self, step: String, slot: Option<usize>, why: String, slots: &[Value<'_>], index: usize) -> Box<Refusal> {
        let (field, why) = match slot.map(|slot| self.root(slot, slots)) {
            None => (None, why),
            Some(Root::Field(name)) => (Some(name), why),
            Some(Root::Step(name)) => (None, format!("column `{name}` {why}")),
        };
        Box::new(Refusal { record: index, id: self.record_id(slots), field, step, why })
    }

    /// The field behind a slot: for a missing result, the missing field that it was computed from.
    fn root(&self, slot: usize, slots: &[Value<'_>]) -> Root {
        let missing = |slot: &usize| slots.get(*slot).is_none_or(|value| value.is_missing());
        let mut slot = slot;
        // Steps read only slots before their own, so this ends.
        while let Some(step) = slot.checked_sub(self.fields.len()) {
            let Some(step) = self.steps.get(step) else { break };
            match step.reads.iter().copied().find(missing) {
                Some(read) if missing(&slot) => slot = read,
                _ => return Root::Step(step.column.clone()),
            }
        }
        Root::Field(self.fields.get(slot).map(|field| field.name.clone()).unwrap_or_default())
    }
}

enum Root {
    Field(String),
    Step(String),
}

impl CompiledStep {
    fn label(&self) -> String {
        format!("step `{}`", self.column)
    }
}

fn present<'a>(slots: &[Value<'a>], slot: usize) -> Result<Value<'a>, Stop> {
    slots.get(slot).copied().filter(|value| !value.is_missing()).ok_or(Stop::Missing(slot))
}

fn number(slots: &[Value<'_>], slot: usize) -> Result<f64, Stop> {
    let value = present(slots, slot)?;
    value.number().ok_or_else(|| Stop::Wrong(slot, format!("is {value}, not a number")))
}

fn written(slots: &[Value<'_>], slot: usize) -> Result<Written, Stop> {
    Written::read(present(slots, slot)?).map_err(|why| Stop::Wrong(slot, why))
}
