//! One model file, loaded, with its signature.

use crate::onnx::Onnx;
use crate::risk::{self, RiskModel};
use crate::trees::Trees;
use crate::{Execution, Format, InputFault, Provider, RuntimeError, Tensor, TensorData};
use std::io::Read;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use tidegate_core::model::{Signature, TensorSpec};

/// Longest model file that is read.
pub const MODEL_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// As much of a file as tells its kind.
const START_BYTES: u64 = 4096;
/// Copies of a model that one process may keep for threads that run it at the same time.
pub const SESSIONS_MAX: usize = 64;

/// A model that can run.
#[derive(Debug)]
pub struct Model {
    path: PathBuf,
    format: Format,
    signature: Signature,
    backend: Backend,
    scales_batches: bool,
}

/// What runs it.
#[derive(Debug)]
enum Backend {
    Onnx(Onnx),
    Trees(Trees),
    Risk(Box<RiskModel>),
}

impl Model {
    /// Loads a model file with one session.
    ///
    /// # Errors
    /// When the file is no model of a kind that is served, has inputs or outputs that are not, or is an ONNX model and the
    /// library is not loaded.
    pub fn load(path: &Path) -> Result<Model, RuntimeError> {
        Model::load_with(path, NonZero::<usize>::MIN)
    }

    /// Loads a model file so that `sessions` threads can run it at once. Trees have no sessions: any number of threads can.
    ///
    /// # Errors
    /// As [`Model::load`].
    pub fn load_with(path: &Path, sessions: NonZero<usize>) -> Result<Model, RuntimeError> {
        Model::load_on(path, sessions, &Execution::default())
    }

    /// As [`Model::load_with`], to be carried out as `execution` says.
    ///
    /// # Errors
    /// As [`Model::load`], and when a provider that is asked for is not there.
    pub fn load_on(path: &Path, sessions: NonZero<usize>, execution: &Execution) -> Result<Model, RuntimeError> {
        let bytes = read(path)?;
        let unfit = |why: String| RuntimeError::ModelUnsupported { path: path.to_owned(), why };
        let format = Format::of(&bytes).map_err(unfit)?;
        let (backend, signature) = match format {
            Format::Onnx => {
                let (onnx, signature) = Onnx::load(path, &bytes, sessions, execution)?;
                (Backend::Onnx(onnx), signature)
            }
            Format::XgboostJson | Format::XgboostUbjson | Format::LightgbmText => {
                execution.check_trees(path)?;
                let trees = Trees::read(format, &bytes).map_err(unfit)?;
                let signature = trees.signature();
                (Backend::Trees(trees), signature)
            }
            Format::Risk => {
                execution.check_trees(path)?;
                let model = RiskModel::read(&bytes).map_err(|why| unfit(why.to_string()))?;
                let signature = risk::signature(&model);
                (Backend::Risk(Box::new(model)), signature)
            }
        };
        // An operator's name in the file: one that is only called so costs no more than batches.
        let scales_batches = format == Format::Onnx && memchr::memmem::find(&bytes, crate::quantise::SCALES).is_some();
        Ok(Model { path: path.to_owned(), format, signature, backend, scales_batches })
    }

    /// Inputs and outputs: names, datatypes, shapes with -1 for a dimension of any length.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Whether it scales numbers by all that is asked together, so that the rows of one request change the answer to another's.
    #[must_use]
    pub fn scales_batches(&self) -> bool {
        self.scales_batches
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Who carries it out, in the order in which they are asked for each operator.
    #[must_use]
    pub fn providers(&self) -> &[Provider] {
        match &self.backend {
            Backend::Onnx(onnx) => onnx.providers(),
            Backend::Trees(_) | Backend::Risk(_) => &[Provider::Cpu],
        }
    }

    /// What kind of file it is.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Runs the model; several threads may do so.
    ///
    /// # Errors
    /// When an input has a wrong name, datatype or shape, or the model fails.
    pub fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, RuntimeError> {
        self.check(inputs)?;
        match (&self.backend, inputs) {
            (Backend::Trees(trees), [input]) => Ok(trees.run(input)?),
            (Backend::Risk(model), [input]) => Ok(risk::run(model, input)?),
            (Backend::Trees(_) | Backend::Risk(_), _) => {
                Err(RuntimeError::Run { path: self.path.clone(), why: "it takes one input".to_owned() })
            }
            (Backend::Onnx(onnx), _) => onnx.run(&self.signature, inputs),
        }
    }

    /// What each feature adds to a row's prediction before the link of the objective, exactly: `features + 1` values for each output, the
    /// last one what is expected of no row in particular. They sum to what the link is given.
    ///
    /// # Errors
    /// When the model is none of trees, or one that is not explained, or the row has another length.
    pub fn contributions(&self, row: &[f64]) -> Result<Vec<f64>, RuntimeError> {
        let failed = |why: String| RuntimeError::Run { path: self.path.clone(), why: format!("explain a row: {why}") };
        match &self.backend {
            Backend::Trees(trees) => trees.contributions(row).map_err(failed),
            Backend::Risk(model) => risk::contributions(model, row).map_err(|why| failed(why.to_string())),
            Backend::Onnx(_) => Err(failed("models of ONNX are not explained".to_owned())),
        }
    }

    fn check(&self, inputs: &[Tensor]) -> Result<(), InputFault> {
        for (index, tensor) in inputs.iter().enumerate() {
            let spec = self
                .signature
                .inputs
                .iter()
                .find(|spec| spec.name == tensor.name)
                .ok_or_else(|| InputFault::Unknown { name: tensor.name.clone(), expected: names(&self.signature.inputs) })?;
            if inputs.iter().take(index).any(|other| other.name == tensor.name) {
                return Err(InputFault::Repeated { name: tensor.name.clone() });
            }
            fits(tensor, spec)?;
            // Trees know what to do where a value is missing; ONNX has no way to say it.
            if let Backend::Onnx(_) = self.backend {
                whole(tensor)?;
            }
        }
        match self.signature.inputs.iter().find(|spec| !inputs.iter().any(|tensor| tensor.name == spec.name)) {
            None => Ok(()),
            Some(spec) => Err(InputFault::Missing {
                name: spec.name.clone(),
                datatype: spec.datatype,
                got: inputs.iter().map(|tensor| tensor.name.clone()).collect(),
            }),
        }
    }
}

/// Names of some tensors.
pub(crate) fn names(specs: &[TensorSpec]) -> Vec<String> {
    specs.iter().map(|spec| spec.name.clone()).collect()
}

fn fits(tensor: &Tensor, spec: &TensorSpec) -> Result<(), InputFault> {
    let name = || tensor.name.clone();
    if tensor.datatype() != spec.datatype {
        return Err(InputFault::Datatype { name: name(), expected: spec.datatype, got: tensor.datatype() });
    }
    let alike = |(wanted, got): (&i64, &i64)| *wanted < 0 || wanted == got;
    let same_rank = tensor.shape.len() == spec.shape.len();
    // A dimension of zero is allowed where the model takes any: what it makes of no values it says itself.
    let wrong = !same_rank || tensor.shape.iter().any(|d| *d < 0) || !spec.shape.iter().zip(&tensor.shape).all(alike);
    if wrong {
        return Err(InputFault::Shape { name: name(), expected: spec.shape.clone(), got: tensor.shape.clone() });
    }
    tensor.check()
}

/// That nothing is missing.
fn whole(tensor: &Tensor) -> Result<(), InputFault> {
    let name = || tensor.name.clone();
    if let Some(index) = tensor.missing.iter().position(|missing| *missing) {
        return Err(InputFault::Null { name: name(), index });
    }
    if let TensorData::Bytes(texts) = &tensor.data
        && let Some(index) = texts.iter().position(|text| text.contains('\0'))
    {
        return Err(InputFault::ZeroByte { name: name(), index });
    }
    Ok(())
}

/// What kind of model a file is, by its first bytes.
pub(crate) fn format(path: &Path) -> Result<Format, RuntimeError> {
    let failed = |source| RuntimeError::Read { path: path.to_owned(), source };
    let mut start = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(START_BYTES).read_to_end(&mut start).map_err(failed)?;
    Format::of(&start).map_err(|why| RuntimeError::ModelUnsupported { path: path.to_owned(), why })
}

/// Reads the file first, so that a directory or a huge file gets a sentence of its own.
fn read(path: &Path) -> Result<Vec<u8>, RuntimeError> {
    let failed = |source| RuntimeError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(MODEL_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MODEL_BYTES_MAX {
        let why = format!("the file is longer than {MODEL_BYTES_MAX} bytes");
        return Err(RuntimeError::ModelUnsupported { path: path.to_owned(), why });
    }
    Ok(bytes)
}
