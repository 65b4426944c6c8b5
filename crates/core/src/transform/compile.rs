//! Resolves the names of a transform once and finds every mistake in it.

use crate::model::Datatype;
use crate::transform::compiled::{CompiledInput, CompiledStep, Missing, Op, Table, ZoneAt, number_key};
use crate::transform::resolve::{Kind, Mistakes, Scope};
use crate::transform::time::Zones;
use crate::transform::{
    Compiled, Constant, Expression, FIELDS_MAX, INPUT_COLUMNS_MAX, Nan, OnMissing, Operation, Place, STEPS_MAX, Step, TABLE_ENTRIES_MAX,
    Transform, TransformError, Unknown, Zone,
};
use std::collections::HashSet;

const ANY: [Kind; 3] = [Kind::Number, Kind::Bool, Kind::Text];
const NUMERIC: [Kind; 2] = [Kind::Number, Kind::Bool];

impl Transform {
    /// Resolves every name.
    ///
    /// # Errors
    /// Every mistake of the transform, in its order.
    pub fn compile(&self) -> Result<Compiled, Vec<TransformError>> {
        let mut compiler = Compiler { transform: self, scope: Scope::default(), zones: Zones::new(), found: Vec::new() };
        let compiled = compiler.all();
        match compiled {
            Some(compiled) if compiler.found.is_empty() => Ok(compiled),
            _ => Err(compiler.found),
        }
    }
}

struct Compiler<'t> {
    transform: &'t Transform,
    scope: Scope,
    zones: Zones,
    found: Vec<TransformError>,
}

impl Compiler<'_> {
    fn at(&mut self, place: Place) -> Mistakes<'_> {
        Mistakes::at(place, &mut self.found)
    }

    fn all(&mut self) -> Option<Compiled> {
        self.record();
        let time = self.time();
        let id = self.id();
        let mut steps = Vec::with_capacity(self.transform.steps.len());
        for index in 0..self.transform.steps.len() {
            steps.push(self.step(index));
        }
        let inputs: Vec<_> = (0..self.transform.inputs.len()).map(|index| self.input(index)).collect();
        self.score();
        Some(Compiled {
            fields: self.transform.record.clone(),
            steps: steps.into_iter().collect::<Option<_>>()?,
            inputs: inputs.into_iter().collect::<Option<_>>()?,
            zones: self.zones.clone(),
            time,
            id,
            score: self.transform.score.clone(),
        })
    }

    fn record(&mut self) {
        let fields = &self.transform.record;
        if fields.is_empty() {
            self.at(Place::Whole).add("record", "the record has no field: declare those that the inputs need");
        }
        if fields.len() > FIELDS_MAX {
            self.at(Place::Whole).add("record", format!("the record has more than {FIELDS_MAX} fields"));
        }
        for (slot, field) in fields.iter().enumerate() {
            if let halved @ (Datatype::Fp16 | Datatype::Bf16) = field.datatype {
                self.at(Place::Record(slot)).add("datatype", format!("records do not carry {halved}: use FP32"));
            }
            if field.name.is_empty() {
                self.at(Place::Record(slot)).add("name", "a field needs a name");
            }
            if self.scope.contains(&field.name) {
                self.at(Place::Record(slot)).add("name", format!("field `{}` is declared twice", field.name));
            }
            self.scope.insert(&field.name, slot, Kind::of_datatype(field.datatype));
        }
    }

    fn time(&mut self) -> Option<(usize, ZoneAt)> {
        let time = self.transform.time.as_ref()?;
        let mut mistakes = Mistakes::at(Place::Time, &mut self.found);
        let slot = mistakes.column("field", &self.scope, &time.field, &[Kind::Text, Kind::Number]);
        let zone = self.zone(Place::Time, "zone", time.zone.as_ref());
        Some((slot?.0, zone?))
    }

    fn id(&mut self) -> Option<usize> {
        let id = self.transform.id.as_ref()?;
        let mut mistakes = Mistakes::at(Place::Id, &mut self.found);
        mistakes.column("", &self.scope, id, &ANY).map(|(slot, _)| slot)
    }

    fn zone(&mut self, place: Place, key: &'static str, zone: Option<&Zone>) -> Option<ZoneAt> {
        let mut mistakes = Mistakes::at(place, &mut self.found);
        match zone {
            None => Some(ZoneAt::Absent),
            Some(Zone::Named(name)) => mistakes.note(key, self.zones.declare(name)).map(ZoneAt::Fixed),
            Some(Zone::Column(name)) => {
                let (slot, _) = mistakes.column(key, &self.scope, name, &[Kind::Text])?;
                // A look-up that gives zones is checked now, so that no record meets an unknown zone later.
                let step = slot.checked_sub(self.transform.record.len()).and_then(|i| self.transform.steps.get(i));
                if let Some(Step { operation: Operation::Lookup { table, .. }, .. }) = step {
                    for value in table.values() {
                        if let Constant::Text(zone) = value {
                            mistakes.note(key, self.zones.declare(zone));
                        }
                    }
                }
                Some(ZoneAt::Slot(slot))
            }
        }
    }

    fn step(&mut self, index: usize) -> Option<CompiledStep> {
        let transform = self.transform;
        let step = transform.steps.get(index)?;
        if index == STEPS_MAX {
            self.at(Place::Whole).add("steps", format!("there are more than {STEPS_MAX} steps"));
        }
        let place = Place::Step(index);
        let resolved = self.operation(place, &step.operation);
        let on_missing = resolved.as_ref().and_then(|(_, _, kind)| self.on_missing(place, &step.on_missing, *kind));
        // A column whose step is wrong is still in scope, so that one mistake is told once.
        let kind = resolved.as_ref().map_or(Kind::Number, |(_, _, kind)| *kind);
        if step.column.is_empty() {
            self.at(place).add("as", "a step needs the name of the column that it gives");
        }
        let reads = step.operation.reads();
        if self.scope.contains(&step.column) && !reads.contains(&step.column.as_str()) {
            let message = format!("column `{}` is there already and this step does not read it: choose another name", step.column);
            self.at(place).add("as", message);
        }
        if let Operation::Rename { of } = &step.operation {
            self.scope.remove(of);
        }
        self.scope.insert(&step.column, transform.record.len() + index, kind);
        let (op, reads, _) = resolved?;
        Some(CompiledStep { column: step.column.clone(), reads, op, on_missing: on_missing? })
    }

    fn on_missing(&mut self, place: Place, on_missing: &OnMissing, kind: Kind) -> Option<Missing> {
        Some(match on_missing {
            OnMissing::Refuse => Missing::Refuse,
            OnMissing::Keep => Missing::Keep,
            OnMissing::Value(value) => self.at(place).constant("on_missing", value, kind).then(|| Missing::Value(value.clone()))?,
        })
    }

    /// The resolved operation, the slots it reads, the kind of its result.
    fn operation(&mut self, place: Place, operation: &Operation) -> Option<(Op, Vec<usize>, Kind)> {
        let mut m = Mistakes::at(place, &mut self.found);
        match operation {
            Operation::Rename { of } => {
                let (slot, kind) = m.column("rename", &self.scope, of, &ANY)?;
                Some((Op::Copy(slot), vec![slot], kind))
            }
            Operation::Default { of, value } => {
                let (slot, kind) = m.column("of", &self.scope, of, &ANY)?;
                m.constant("value", value, kind).then(|| (Op::Default(slot, value.clone()), vec![slot], kind))
            }
            Operation::Arithmetic { expression } => arithmetic(&mut m, &self.scope, expression),
            Operation::TimeDifference { from, from_zone, to, to_zone, unit } => {
                let from = self.timed(place, ["from", "from_zone"], from, from_zone.as_ref());
                let to = self.timed(place, ["to", "to_zone"], to, to_zone.as_ref());
                let (from, to) = (from?, to?);
                let reads = reads_of(&[&from, &to]);
                Some((Op::TimeDifference { from, to, unit: *unit }, reads, Kind::Number))
            }
            Operation::TimePart { of, zone, part } => {
                let of = self.timed(place, ["of", "zone"], of, zone.as_ref())?;
                let reads = reads_of(&[&of]);
                Some((Op::TimePart { of, part: *part }, reads, Kind::Number))
            }
            Operation::Category { of, values, unknown } => category(&mut m, &self.scope, of, values, unknown),
            Operation::Lookup { of, table, unknown } => lookup(&mut m, &self.scope, of, table, unknown),
            Operation::Length { of } => {
                let (slot, _) = m.column("of", &self.scope, of, &[Kind::Text])?;
                Some((Op::Length(slot), vec![slot], Kind::Number))
            }
            Operation::Bucket { of, edges } => bucket(&mut m, &self.scope, of, edges),
            Operation::Clamp { of, min, max } => {
                let (slot, _) = m.column("of", &self.scope, of, &NUMERIC)?;
                let (min, max) = (min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY));
                if min.is_nan() || max.is_nan() || min > max {
                    m.add("min", format!("min {min} is above max {max}"));
                    return None;
                }
                Some((Op::Clamp { of: slot, min, max }, vec![slot], Kind::Number))
            }
        }
    }

    fn timed(&mut self, place: Place, keys: [&'static str; 2], of: &str, zone: Option<&Zone>) -> Option<(usize, ZoneAt)> {
        let mut m = Mistakes::at(place, &mut self.found);
        let slot = m.column(keys[0], &self.scope, of, &[Kind::Text, Kind::Number]);
        let zone = self.zone(place, keys[1], zone);
        Some((slot?.0, zone?))
    }

    fn input(&mut self, index: usize) -> Option<CompiledInput> {
        let transform = self.transform;
        let input = transform.inputs.get(index)?;
        let mut m = Mistakes::at(Place::Input(index), &mut self.found);
        if transform.inputs.iter().take(index).any(|other| other.tensor == input.tensor) {
            m.add("tensor", format!("input `{}` is declared twice", input.tensor));
        }
        if input.columns.is_empty() || input.columns.len() > INPUT_COLUMNS_MAX {
            m.add("columns", format!("an input has 1 to {INPUT_COLUMNS_MAX} columns, got {}", input.columns.len()));
        }
        if input.nan == Nan::Allow && !matches!(input.datatype, Datatype::Fp32 | Datatype::Fp64) {
            m.add("nan", format!("{} has no value for a missing one: only FP32 and FP64 have", input.datatype));
        }
        let kinds: &[Kind] = match input.datatype {
            Datatype::Bytes => &[Kind::Text],
            Datatype::Bool => &[Kind::Bool],
            halved @ (Datatype::Fp16 | Datatype::Bf16) => {
                m.add("datatype", format!("a transform fills no {halved} inputs: export the model with FP32 inputs"));
                return None;
            }
            _ => &NUMERIC,
        };
        let columns: Vec<_> = input
            .columns
            .iter()
            .enumerate()
            .map(|(index, name)| {
                m.item = Some(index);
                m.column("columns", &self.scope, name, kinds).map(|(slot, _)| (slot, name.clone()))
            })
            .collect();
        Some(CompiledInput {
            tensor: input.tensor.clone(),
            datatype: input.datatype,
            nan: input.nan,
            columns: columns.into_iter().collect::<Option<_>>()?,
        })
    }

    fn score(&mut self) {
        if self.transform.inputs.is_empty() {
            self.at(Place::Whole).add("inputs", "there is no input: name the model's input tensors and their columns");
        }
        if self.transform.score.as_ref().is_some_and(|score| score.output.is_empty()) {
            self.at(Place::Score).add("output", "the score needs the name of an output tensor");
        }
    }
}

impl Operation {
    /// Names of the columns that it reads.
    fn reads(&self) -> Vec<&str> {
        match self {
            Operation::Rename { of }
            | Operation::Default { of, .. }
            | Operation::TimePart { of, .. }
            | Operation::Category { of, .. }
            | Operation::Lookup { of, .. }
            | Operation::Length { of }
            | Operation::Bucket { of, .. }
            | Operation::Clamp { of, .. } => vec![of],
            Operation::Arithmetic { expression } => expression.columns(),
            Operation::TimeDifference { from, to, .. } => vec![from, to],
        }
    }
}

fn reads_of(timed: &[&(usize, ZoneAt)]) -> Vec<usize> {
    let mut reads = Vec::new();
    for (slot, zone) in timed {
        reads.push(*slot);
        if let ZoneAt::Slot(slot) = zone {
            reads.push(*slot);
        }
    }
    reads
}

fn arithmetic(m: &mut Mistakes<'_>, scope: &Scope, expression: &Expression) -> Option<(Op, Vec<usize>, Kind)> {
    let columns = expression.columns();
    let found: Vec<_> = columns.iter().map(|name| m.column("arithmetic", scope, name, &NUMERIC)).collect();
    let slots: Vec<usize> = found.into_iter().map(|f| f.map(|(slot, _)| slot)).collect::<Option<_>>()?;
    let tree = expression.tree().map(&|name: &String| {
        let position = columns.iter().position(|c| c == name)?;
        slots.get(position).copied()
    })?;
    Some((Op::Arithmetic(tree), slots, Kind::Number))
}

fn unknown(m: &mut Mistakes<'_>, unknown: &Unknown, kind: Kind) -> Option<Missing> {
    Some(match unknown {
        Unknown::Refuse => Missing::Refuse,
        Unknown::Missing => Missing::Keep,
        Unknown::Value(value) => m.constant("unknown", value, kind).then(|| Missing::Value(value.clone()))?,
    })
}

fn category(m: &mut Mistakes<'_>, scope: &Scope, of: &str, values: &[Constant], other: &Unknown) -> Option<(Op, Vec<usize>, Kind)> {
    let (slot, kind) = m.column("of", scope, of, &[Kind::Text, Kind::Number])?;
    if values.is_empty() || values.len() > TABLE_ENTRIES_MAX {
        m.add("values", format!("a category has 1 to {TABLE_ENTRIES_MAX} values, got {}", values.len()));
    }
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for (index, value) in values.iter().enumerate() {
        m.item = Some(index);
        if !m.constant("values", value, kind) {
            return None;
        }
        if !seen.insert(format!("{value:?}")) {
            m.add("values", format!("the value at index {index} is listed twice"));
        }
        m.item = None;
        #[expect(clippy::cast_precision_loss, reason = "at most TABLE_ENTRIES_MAX")]
        entries.push((value.clone(), Constant::Number(index as f64)));
    }
    let unknown = unknown(m, other, Kind::Number)?;
    Some((Op::Table { of: slot, table: table(entries), unknown }, vec![slot], Kind::Number))
}

fn lookup(
    m: &mut Mistakes<'_>,
    scope: &Scope,
    of: &str,
    entries: &indexmap::IndexMap<String, Constant>,
    other: &Unknown,
) -> Option<(Op, Vec<usize>, Kind)> {
    let (slot, kind) = m.column("of", scope, of, &[Kind::Text, Kind::Number])?;
    let Some(first) = entries.values().next().filter(|_| entries.len() <= TABLE_ENTRIES_MAX) else {
        m.add("table", format!("a table has 1 to {TABLE_ENTRIES_MAX} entries, got {}", entries.len()));
        return None;
    };
    let gives = Kind::of_constant(first);
    let mut resolved = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if !m.constant("table", value, gives) {
            return None;
        }
        let key = match kind {
            Kind::Number => {
                let number = key.parse::<f64>().map_err(|_| format!("key `{key}` is no number, column `{of}` holds numbers"));
                Constant::Number(m.note("table", number)?)
            }
            _ => Constant::Text(key.clone()),
        };
        resolved.push((key, value.clone()));
    }
    let unknown = unknown(m, other, gives)?;
    Some((Op::Table { of: slot, table: table(resolved), unknown }, vec![slot], gives))
}

fn table(entries: Vec<(Constant, Constant)>) -> Table {
    match entries.first() {
        Some((Constant::Text(_), _)) => {
            Table::Texts(entries.into_iter().filter_map(|(k, v)| if let Constant::Text(k) = k { Some((k, v)) } else { None }).collect())
        }
        _ => Table::Numbers(
            entries.into_iter().filter_map(|(k, v)| if let Constant::Number(k) = k { Some((number_key(k), v)) } else { None }).collect(),
        ),
    }
}

fn bucket(m: &mut Mistakes<'_>, scope: &Scope, of: &str, edges: &[f64]) -> Option<(Op, Vec<usize>, Kind)> {
    let (slot, _) = m.column("of", scope, of, &NUMERIC)?;
    if edges.is_empty() || edges.len() > TABLE_ENTRIES_MAX {
        m.add("edges", format!("a bucket has 1 to {TABLE_ENTRIES_MAX} edges, got {}", edges.len()));
        return None;
    }
    let rising = edges.iter().zip(edges.iter().skip(1)).all(|(a, b)| a < b);
    if !rising || edges.iter().any(|e| e.is_nan()) {
        m.add("edges", "edges must rise strictly");
        return None;
    }
    Some((Op::Bucket { of: slot, edges: edges.to_vec() }, vec![slot], Kind::Number))
}
