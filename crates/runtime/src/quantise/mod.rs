//! A smaller ONNX model: weights of matrix products become whole numbers of eight bits, and so do their inputs while it runs.
//!
//! Dynamic quantisation as ONNX has it (operators `DynamicQuantizeLinear` and `MatMulInteger`, opset 11): each column of a weight has a scale
//! of its own and zero stays zero; the other side is scaled by what it holds at that time. `MatMul` and `Gemm` with a constant weight are
//! taken, everything else stays as it is. Pure: bytes in, bytes out. Not here: whether the answers are still good enough.

mod message;

use message::{Field, Value, numbers, read, write};
use std::collections::{BTreeMap, BTreeSet};

/// The operator that scales a tensor by what all of its rows hold.
pub(crate) const SCALES: &[u8] = b"DynamicQuantizeLinear";
/// Weights with fewer values stay as they are: they cost nothing.
pub const WEIGHT_VALUES_MIN: usize = 64;
/// The opset that has the operators.
const OPSET_MIN: u64 = 11;

/// Fields of ONNX's messages (onnx.proto).
mod field {
    pub const MODEL_GRAPH: u32 = 7;
    pub const MODEL_OPSETS: u32 = 8;
    pub const OPSET_DOMAIN: u32 = 1;
    pub const OPSET_VERSION: u32 = 2;
    pub const GRAPH_NODES: u32 = 1;
    pub const GRAPH_WEIGHTS: u32 = 5;
    pub const GRAPH_INPUTS: u32 = 11;
    pub const GRAPH_OUTPUTS: u32 = 12;
    pub const INFO_NAME: u32 = 1;
    pub const NODE_INPUTS: u32 = 1;
    pub const NODE_OUTPUTS: u32 = 2;
    pub const NODE_NAME: u32 = 3;
    pub const NODE_KIND: u32 = 4;
    pub const NODE_ATTRIBUTES: u32 = 5;
    pub const NODE_DOMAIN: u32 = 7;
    pub const ATTRIBUTE_NAME: u32 = 1;
    pub const ATTRIBUTE_FLOAT: u32 = 2;
    pub const ATTRIBUTE_INT: u32 = 3;
    pub const ATTRIBUTE_GRAPH: u32 = 6;
    pub const ATTRIBUTE_TYPE: u32 = 20;
    pub const TENSOR_SHAPE: u32 = 1;
    pub const TENSOR_TYPE: u32 = 2;
    pub const TENSOR_FLOATS: u32 = 4;
    pub const TENSOR_NAME: u32 = 8;
    pub const TENSOR_RAW: u32 = 9;
    pub const TENSOR_ELSEWHERE: u32 = 13;
}

/// Parts of a graph that are looked at.
const READ: [u32; 4] = [field::GRAPH_NODES, field::GRAPH_WEIGHTS, field::GRAPH_INPUTS, field::GRAPH_OUTPUTS];

/// Types of values in ONNX.
const FLOAT: u64 = 1;
const INT8: u64 = 3;
/// The type of an attribute that is a whole number.
const ATTRIBUTE_IS_INT: u64 = 2;

/// A smaller model.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantised {
    /// Its bytes.
    pub model: Vec<u8>,
    /// Matrix products that were taken.
    pub taken: usize,
    /// Those that were left, because their weight is no constant, too small, or scaled in a way that is not known here.
    pub left: usize,
}

/// Makes a model smaller.
///
/// # Errors
/// A sentence, when it is no ONNX model, keeps weights in other files, is of an old opset, or has nothing to be made smaller.
pub fn quantise(model: &[u8]) -> Result<Quantised, String> {
    let mut fields = read(model).ok_or("it is no ONNX model")?;
    let opset = fields.iter().filter(|f| f.number == field::MODEL_OPSETS).filter_map(|f| read(f.as_bytes()?)).find_map(|opset| {
        let domain = text(&opset, field::OPSET_DOMAIN).unwrap_or_default();
        matches!(domain.as_str(), "" | "ai.onnx").then(|| whole(&opset, field::OPSET_VERSION).unwrap_or(0))
    });
    match opset {
        None => return Err("it names no opset".to_owned()),
        Some(opset) if opset < OPSET_MIN => {
            return Err(format!(
                "it is of opset {opset}, which has no operators of whole numbers: export it with opset {OPSET_MIN} or later"
            ));
        }
        Some(_) => {}
    }
    let graph = fields.iter_mut().find(|f| f.number == field::MODEL_GRAPH).ok_or("it has no graph")?;
    let parts = graph.as_bytes().and_then(read).ok_or("its graph cannot be read")?;
    let (parts, taken, left) = Graph::of(parts)?.quantised();
    if taken == 0 {
        return Err(format!(
            "none of its {left} matrix products has a constant weight of {WEIGHT_VALUES_MIN} values or more: there is nothing to be made smaller"
        ));
    }
    graph.value = Value::Bytes(write(&parts));
    Ok(Quantised { model: write(&fields), taken, left })
}

fn text(fields: &[Field], number: u32) -> Option<String> {
    fields.iter().rev().find(|f| f.number == number)?.as_text().map(str::to_owned)
}

fn whole(fields: &[Field], number: u32) -> Option<u64> {
    match fields.iter().rev().find(|f| f.number == number)?.value {
        Value::Varint(value) => Some(value),
        _ => None,
    }
}

fn texts(fields: &[Field], number: u32) -> Vec<String> {
    fields.iter().filter(|f| f.number == number).filter_map(|f| f.as_text().map(str::to_owned)).collect()
}

/// A constant matrix.
struct Weight {
    rows: usize,
    columns: usize,
    values: Vec<f32>,
}

struct Graph {
    parts: Vec<Field>,
    /// Constant matrices by name.
    weights: BTreeMap<String, Weight>,
    /// How often each name is an input, subgraphs included.
    uses: BTreeMap<String, usize>,
    /// Names that are taken.
    names: BTreeSet<String>,
}

/// A matrix product that can be taken.
struct Product {
    input: String,
    weight: String,
    transposed: bool,
    bias: Option<String>,
    output: String,
}

impl Graph {
    fn of(parts: Vec<Field>) -> Result<Graph, String> {
        let mut graph = Graph { parts, weights: BTreeMap::new(), uses: BTreeMap::new(), names: BTreeSet::new() };
        let parts = graph.parts.clone();
        // A weight that callers may replace is no constant.
        let mut replaceable = Vec::new();
        for part in &parts {
            let Some(message) = part.as_bytes().filter(|_| READ.contains(&part.number)) else { continue };
            let fields = read(message).ok_or("a part of its graph cannot be read")?;
            match part.number {
                field::GRAPH_NODES => graph.node(&fields),
                field::GRAPH_WEIGHTS => graph.weight(&fields)?,
                _ => graph.names.extend(text(&fields, field::INFO_NAME)),
            }
            if part.number == field::GRAPH_OUTPUTS {
                // What the model gives out is used, whoever else uses it.
                *graph.uses.entry(text(&fields, field::INFO_NAME).unwrap_or_default()).or_default() += 1;
            }
            if part.number == field::GRAPH_INPUTS {
                replaceable.extend(text(&fields, field::INFO_NAME));
            }
        }
        for name in replaceable {
            graph.weights.remove(&name);
        }
        Ok(graph)
    }

    fn node(&mut self, node: &[Field]) {
        for name in texts(node, field::NODE_INPUTS) {
            self.names.insert(name.clone());
            *self.uses.entry(name).or_default() += 1;
        }
        self.names.extend(texts(node, field::NODE_OUTPUTS));
        // Subgraphs see the names around them.
        for attribute in node.iter().filter(|f| f.number == field::NODE_ATTRIBUTES).filter_map(|f| read(f.as_bytes()?)) {
            for graph in attribute.iter().filter(|f| f.number == field::ATTRIBUTE_GRAPH).filter_map(|f| read(f.as_bytes()?)) {
                graph.iter().filter(|f| f.number == field::GRAPH_NODES).filter_map(|f| read(f.as_bytes()?)).for_each(|n| self.node(&n));
            }
        }
    }

    fn weight(&mut self, tensor: &[Field]) -> Result<(), String> {
        let Some(name) = text(tensor, field::TENSOR_NAME) else { return Ok(()) };
        self.names.insert(name.clone());
        if tensor.iter().any(|f| f.number == field::TENSOR_ELSEWHERE) {
            return Err(format!("its weight `{name}` lies in another file: save the model as one file"));
        }
        let shape = numbers(tensor, field::TENSOR_SHAPE).unwrap_or_default();
        let ([rows, columns], Some(FLOAT)) = (shape.as_slice(), whole(tensor, field::TENSOR_TYPE)) else { return Ok(()) };
        let (Ok(rows), Ok(columns)) = (usize::try_from(*rows), usize::try_from(*columns)) else { return Ok(()) };
        let mut values = Vec::new();
        for f in tensor {
            match (f.number, &f.value) {
                (field::TENSOR_RAW | field::TENSOR_FLOATS, Value::Bytes(bytes)) => {
                    values.extend(bytes.chunks_exact(4).filter_map(|b| Some(f32::from_le_bytes(b.try_into().ok()?))));
                }
                (field::TENSOR_FLOATS, Value::Fixed32(bytes)) => values.push(f32::from_le_bytes(*bytes)),
                _ => {}
            }
        }
        if rows.checked_mul(columns) == Some(values.len()) && values.len() >= WEIGHT_VALUES_MIN && values.iter().all(|v| v.is_finite()) {
            self.weights.insert(name, Weight { rows, columns, values });
        }
        Ok(())
    }

    /// A name that nobody has.
    fn named(&mut self, like: &str) -> String {
        let mut name = like.to_owned();
        while !self.names.insert(name.clone()) {
            name.push('_');
        }
        name
    }

    /// The parts with products of whole numbers, how many were taken, and how many left.
    fn quantised(mut self) -> (Vec<Field>, usize, usize) {
        let (mut taken, mut left) = (0, 0);
        let (mut nodes, mut added, mut whole_numbers) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut scaled: BTreeMap<String, (String, String, String)> = BTreeMap::new();
        for part in self.parts.clone() {
            if part.number != field::GRAPH_NODES {
                continue;
            }
            let product = part.as_bytes().and_then(read).and_then(|node| self.product(&node));
            match product {
                None => nodes.push(part),
                Some(None) => {
                    left += 1;
                    nodes.push(part);
                }
                Some(Some(product)) => {
                    taken += 1;
                    *self.uses.entry(product.weight.clone()).or_default() -= 1;
                    self.replace(&product, &mut nodes, &mut added, &mut whole_numbers, &mut scaled);
                }
            }
        }
        let is_used = |part: &Field| {
            let name = part.as_bytes().and_then(read).and_then(|tensor| text(&tensor, field::TENSOR_NAME)).unwrap_or_default();
            !self.weights.contains_key(&name) || self.uses.get(&name).is_some_and(|uses| *uses > 0)
        };
        let others = self.parts.iter().filter(|part| part.number != field::GRAPH_NODES);
        let others = others.filter(|part| part.number != field::GRAPH_WEIGHTS || is_used(part)).cloned();
        (nodes.into_iter().chain(added).chain(others).collect(), taken, left)
    }

    /// Whether a node is a matrix product, and which, where it can be taken.
    fn product(&self, node: &[Field]) -> Option<Option<Product>> {
        let kind = text(node, field::NODE_KIND)?;
        let is_product = matches!(kind.as_str(), "MatMul" | "Gemm") && text(node, field::NODE_DOMAIN).unwrap_or_default().is_empty();
        if !is_product {
            return None;
        }
        let (inputs, outputs) = (texts(node, field::NODE_INPUTS), texts(node, field::NODE_OUTPUTS));
        let (Some(input), Some(weight), Some(output)) = (inputs.first(), inputs.get(1), outputs.first()) else { return Some(None) };
        let attributes = node.iter().filter(|f| f.number == field::NODE_ATTRIBUTES).filter_map(|f| read(f.as_bytes()?));
        let mut transposed = false;
        for attribute in attributes {
            let int = whole(&attribute, field::ATTRIBUTE_INT);
            let float = attribute.iter().find(|f| f.number == field::ATTRIBUTE_FLOAT).map(|f| f.value.clone());
            let plain = match text(&attribute, field::ATTRIBUTE_NAME).as_deref() {
                Some("transA") => int.unwrap_or(0) == 0,
                Some("transB") => {
                    transposed = int.unwrap_or(0) != 0;
                    true
                }
                Some("alpha" | "beta") => float == Some(Value::Fixed32(1.0_f32.to_le_bytes())),
                _ => false,
            };
            if !plain {
                return Some(None);
            }
        }
        if !self.weights.contains_key(weight) {
            return Some(None);
        }
        let bias = inputs.get(2).filter(|bias| !bias.is_empty()).cloned();
        Some(Some(Product { input: input.clone(), weight: weight.clone(), transposed, bias, output: output.clone() }))
    }

    fn replace(
        &mut self,
        product: &Product,
        nodes: &mut Vec<Field>,
        added: &mut Vec<Field>,
        whole_numbers: &mut BTreeMap<(String, bool), (String, String)>,
        scaled: &mut BTreeMap<String, (String, String, String)>,
    ) {
        let Product { input, weight, transposed, bias, output } = product;
        let key = (weight.clone(), *transposed);
        if !whole_numbers.contains_key(&key)
            && let Some(found) = self.weights.get(weight)
        {
            let ((rows, columns), values, scales) = found.whole(*transposed);
            let names = (self.named(&format!("{weight}_int8")), self.named(&format!("{weight}_scale")));
            added.push(tensor(&names.0, &[rows, columns], INT8, values));
            added.push(tensor(&names.1, &[columns], FLOAT, scales.iter().flat_map(|s| s.to_le_bytes()).collect()));
            whole_numbers.insert(key.clone(), names);
        }
        let Some((weight_name, weight_scale)) = whole_numbers.get(&key).cloned() else { return };
        // The other side is scaled once, whoever is multiplied with it.
        let (quantised, scale, zero) = match scaled.get(input) {
            Some(names) => names.clone(),
            None => {
                let names =
                    (self.named(&format!("{input}_uint8")), self.named(&format!("{input}_scale")), self.named(&format!("{input}_zero")));
                nodes.push(node("DynamicQuantizeLinear", &[input], &[&names.0, &names.1, &names.2], &names.0, vec![]));
                scaled.insert(input.clone(), names.clone());
                names
            }
        };
        let mut name = |what: &str| self.named(&format!("{output}_{what}"));
        let (product, float, both) = (name("int32"), name("float"), name("scale"));
        let result = if bias.is_some() { name("product") } else { output.clone() };
        nodes.push(node("MatMulInteger", &[&quantised, &weight_name, &zero], &[&product], &product, vec![]));
        nodes.push(node("Cast", &[&product], &[&float], &float, vec![int_attribute("to", FLOAT)]));
        nodes.push(node("Mul", &[&scale, &weight_scale], &[&both], &both, vec![]));
        nodes.push(node("Mul", &[&float, &both], &[&result], &result, vec![]));
        if let Some(bias) = bias {
            nodes.push(node("Add", &[&result, bias], &[output], output, vec![]));
        }
    }
}

impl Weight {
    /// Shape, whole numbers and scales of the matrix, or of the one that it is when it is turned.
    fn whole(&self, transposed: bool) -> ((usize, usize), Vec<u8>, Vec<f32>) {
        let (rows, columns) = if transposed { (self.columns, self.rows) } else { (self.rows, self.columns) };
        let at = |row: usize, column: usize| {
            let place = if transposed { column * self.columns + row } else { row * self.columns + column };
            self.values.get(place).copied().unwrap_or_default()
        };
        let largest = |column: usize| (0..rows).map(|row| at(row, column).abs()).fold(0.0_f32, f32::max);
        // A column of zeroes has any scale.
        let scales: Vec<f32> = (0..columns).map(|column| Some(largest(column) / 127.0).filter(|s| *s > 0.0).unwrap_or(1.0)).collect();
        let whole =
            |row: usize| scales.iter().enumerate().map(move |(column, scale)| ((at(row, column) / scale).round() as i8).cast_unsigned());
        ((rows, columns), (0..rows).flat_map(whole).collect(), scales)
    }
}

fn tensor(name: &str, shape: &[usize], kind: u64, raw: Vec<u8>) -> Field {
    let mut fields: Vec<Field> = shape.iter().map(|n| Field::varint(field::TENSOR_SHAPE, *n as u64)).collect();
    fields.push(Field::varint(field::TENSOR_TYPE, kind));
    fields.push(Field::bytes(field::TENSOR_NAME, name));
    fields.push(Field::bytes(field::TENSOR_RAW, raw));
    Field::bytes(field::GRAPH_WEIGHTS, write(&fields))
}

fn node(kind: &str, inputs: &[&str], outputs: &[&str], name: &str, attributes: Vec<Field>) -> Field {
    let mut fields: Vec<Field> = inputs.iter().map(|name| Field::bytes(field::NODE_INPUTS, *name)).collect();
    fields.extend(outputs.iter().map(|name| Field::bytes(field::NODE_OUTPUTS, *name)));
    fields.push(Field::bytes(field::NODE_NAME, format!("{name}_{kind}")));
    fields.push(Field::bytes(field::NODE_KIND, kind));
    fields.extend(attributes);
    Field::bytes(field::GRAPH_NODES, write(&fields))
}

fn int_attribute(name: &str, value: u64) -> Field {
    let fields = [
        Field::bytes(field::ATTRIBUTE_NAME, name),
        Field::varint(field::ATTRIBUTE_INT, value),
        Field::varint(field::ATTRIBUTE_TYPE, ATTRIBUTE_IS_INT),
    ];
    Field::bytes(field::NODE_ATTRIBUTES, write(&fields))
}
