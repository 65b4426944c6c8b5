//! What carries a model of ONNX out: the CPU, or an accelerator for which the loaded library was built.
//!
//! What is not named is not used: without `cpu` in the list a model that an accelerator cannot carry out whole is refused, and nothing
//! falls back in silence.

use crate::RuntimeError;
use crate::library::loaded;
use ort::ep::{self, ExecutionProvider, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZero;
use std::path::Path;

/// Threads of one call of a model, at most.
pub const THREADS_MAX: usize = 256;

/// Who carries out operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "each is the library's provider of its name")]
pub enum Provider {
    Cpu,
    Cuda,
    Tensorrt,
    Openvino,
    Coreml,
    Directml,
    Rocm,
    Migraphx,
    Qnn,
    Xnnpack,
}

impl Provider {
    /// Every one.
    pub const ALL: [Provider; 10] = [
        Provider::Cpu,
        Provider::Cuda,
        Provider::Tensorrt,
        Provider::Openvino,
        Provider::Coreml,
        Provider::Directml,
        Provider::Rocm,
        Provider::Migraphx,
        Provider::Qnn,
        Provider::Xnnpack,
    ];

    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::Tensorrt => "tensorrt",
            Provider::Openvino => "openvino",
            Provider::Coreml => "coreml",
            Provider::Directml => "directml",
            Provider::Rocm => "rocm",
            Provider::Migraphx => "migraphx",
            Provider::Qnn => "qnn",
            Provider::Xnnpack => "xnnpack",
        }
    }

    /// Reads what [`Provider::as_str`] writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Provider> {
        Provider::ALL.into_iter().find(|provider| provider.as_str() == text)
    }

    /// Whether the loaded library was built for it. Whether the machine has it shows when a model is loaded.
    fn is_there(self) -> bool {
        let said = match self {
            Provider::Cpu => Ok(true),
            Provider::Cuda => ep::CUDA::is_available(),
            Provider::Tensorrt => ep::TensorRT::is_available(),
            Provider::Openvino => ep::OpenVINO::is_available(),
            Provider::Coreml => ep::CoreML::is_available(),
            Provider::Directml => ep::DirectML::is_available(),
            Provider::Rocm => ep::ROCm::is_available(),
            Provider::Migraphx => ep::MIGraphX::is_available(),
            Provider::Qnn => ep::QNN::is_available(),
            Provider::Xnnpack => ep::XNNPACK::is_available(),
        };
        said.unwrap_or(false)
    }

    fn dispatch(self) -> ExecutionProviderDispatch {
        match self {
            Provider::Cpu => ep::CPU::default().build(),
            Provider::Cuda => ep::CUDA::default().build(),
            Provider::Tensorrt => ep::TensorRT::default().build(),
            Provider::Openvino => ep::OpenVINO::default().build(),
            Provider::Coreml => ep::CoreML::default().build(),
            Provider::Directml => ep::DirectML::default().build(),
            Provider::Rocm => ep::ROCm::default().build(),
            Provider::Migraphx => ep::MIGraphX::default().build(),
            Provider::Qnn => ep::QNN::default().build(),
            Provider::Xnnpack => ep::XNNPACK::default().build(),
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How models are carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Execution {
    /// Who may, in the order in which they are asked for each operator.
    pub providers: Vec<Provider>,
    /// Threads of one call.
    pub threads: NonZero<usize>,
}

impl Default for Execution {
    fn default() -> Execution {
        Execution { providers: vec![Provider::Cpu], threads: NonZero::<usize>::MIN }
    }
}

impl Execution {
    /// Whether the CPU may carry out what nobody else does.
    fn falls_back(&self) -> bool {
        self.providers.contains(&Provider::Cpu)
    }

    /// The providers that the loaded library has of those that are named.
    ///
    /// # Errors
    /// When it lacks one and the CPU may not stand in for it, or nobody is named.
    pub fn providers_there(&self, model: &Path) -> Result<Vec<Provider>, RuntimeError> {
        let (info, _) = loaded().ok_or_else(|| RuntimeError::NotInitialised { path: model.to_owned() })?;
        let (there, lacking): (Vec<Provider>, Vec<Provider>) = self.providers.iter().copied().partition(|provider| provider.is_there());
        match lacking.first() {
            Some(lacking) if !self.falls_back() => Err(RuntimeError::ProviderMissing {
                provider: *lacking,
                library: info.path.clone(),
                version: info.version.clone(),
                there: Provider::ALL.into_iter().filter(|provider| provider.is_there()).collect(),
            }),
            _ if there.is_empty() => Err(RuntimeError::ModelUnsupported {
                path: model.to_owned(),
                why: "no provider is named that may carry it out: name `cpu`".to_owned(),
            }),
            _ => Ok(there),
        }
    }

    /// That trees, which are run here and by no library, may be.
    pub(crate) fn check_trees(&self, model: &Path) -> Result<Vec<Provider>, RuntimeError> {
        if self.falls_back() {
            return Ok(vec![Provider::Cpu]);
        }
        let why = format!("models of trees are carried out by the CPU, and the providers are {}: add `cpu`", words(&self.providers));
        Err(RuntimeError::ModelUnsupported { path: model.to_owned(), why })
    }

    /// Sets a session up with `providers`; gives those that took part. One that the machine turns out to lack is passed over only where the
    /// CPU may stand in.
    pub(crate) fn apply(&self, mut builder: SessionBuilder, providers: &[Provider]) -> ort::Result<(SessionBuilder, Vec<Provider>)> {
        builder = builder.with_intra_threads(self.threads.get().min(THREADS_MAX))?.with_inter_threads(1)?;
        if !self.falls_back() {
            builder = builder.with_config_entry("session.disable_cpu_ep_fallback", "1")?;
        }
        let mut taking_part = Vec::with_capacity(providers.len());
        // The CPU is always last, whether it is named or not.
        for provider in providers.iter().copied().filter(|provider| *provider != Provider::Cpu) {
            match provider.dispatch().register(&mut builder) {
                Ok(()) => taking_part.push(provider),
                Err(_) if self.falls_back() => {}
                Err(error) => return Err(error),
            }
        }
        taking_part.extend(self.falls_back().then_some(Provider::Cpu));
        Ok((builder, taking_part))
    }
}

/// `cuda, cpu`.
pub(crate) fn words(providers: &[Provider]) -> String {
    providers.iter().map(|provider| provider.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_read_as_they_are_written() {
        for provider in Provider::ALL {
            assert_eq!(Provider::parse(provider.as_str()), Some(provider));
            assert_eq!(serde_json::to_string(&provider).unwrap(), format!("\"{provider}\""));
        }
        assert_eq!(Provider::parse("CUDA"), None);
        assert_eq!(Execution::default().providers, [Provider::Cpu]);
    }

    #[test]
    fn trees_are_of_the_cpu_alone() {
        let path = Path::new("m.json");
        assert_eq!(Execution::default().check_trees(path).unwrap(), [Provider::Cpu]);
        let cuda = Execution { providers: vec![Provider::Cuda], ..Execution::default() };
        assert!(cuda.check_trees(path).unwrap_err().to_string().contains("the providers are cuda: add `cpu`"));
    }
}
