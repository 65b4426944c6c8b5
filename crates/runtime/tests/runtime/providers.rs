//! Who carries a model out: providers that the library has, lacks, and has while the CPU may not stand in.

use crate::support::{fixture, runtime};
use std::num::NonZero;
use std::process::Command;
use tidegate_runtime::{Execution, Model, Provider, RuntimeError, Tensor, TensorData, init};

fn on(providers: &[Provider]) -> Execution {
    Execution { providers: providers.to_vec(), threads: NonZero::new(2).unwrap() }
}

fn loaded(providers: &[Provider]) -> Result<Model, RuntimeError> {
    Model::load_on(&fixture("simple.onnx"), NonZero::<usize>::MIN, &on(providers))
}

fn sum(model: &Model) -> TensorData {
    let row = |of: i32| TensorData::Int32((0..16).map(|n| of * n).collect());
    let inputs = [Tensor::new("INPUT0", vec![1, 16], row(1)), Tensor::new("INPUT1", vec![1, 16], row(100))];
    model.run(&inputs).unwrap().remove(0).data
}

#[test]
fn one_that_the_library_lacks_is_refused_by_name_unless_the_cpu_is_named_too() {
    if !runtime() {
        return;
    }
    assert_eq!(loaded(&[Provider::Cpu]).unwrap().providers(), [Provider::Cpu]);
    let why = loaded(&[Provider::Cuda]).unwrap_err().to_string();
    assert!(why.starts_with("cuda is not in ONNX Runtime 1."), "{why}");
    assert!(why.contains("which has cpu: install a build that has it, or add `cpu` to `serving.providers`"), "{why}");
    let model = loaded(&[Provider::Tensorrt, Provider::Cuda, Provider::Cpu]).unwrap();
    assert_eq!(model.providers(), [Provider::Cpu], "what stands in is told");
    assert_eq!(sum(&model), TensorData::Int32((0..16).map(|n| 101 * n).collect()));
    assert!(loaded(&[]).unwrap_err().to_string().contains("name `cpu`"));
}

/// The same test binary in a process of its own, for one process holds one library.
#[test]
fn openvino_carries_a_model_out_alone() {
    let Some(library) = std::env::var_os("TIDEGATE_TEST_OPENVINO") else {
        eprintln!("skipped: no ONNX Runtime with OpenVINO: set TIDEGATE_TEST_OPENVINO to its library");
        return;
    };
    if std::env::var_os("TIDEGATE_TEST_ALONE").is_none() {
        let own = "providers::openvino_carries_a_model_out_alone";
        let alone = Command::new(std::env::current_exe().unwrap()).args(["--exact", own]).env("TIDEGATE_TEST_ALONE", "1").output().unwrap();
        assert!(alone.status.success(), "{}", String::from_utf8_lossy(&alone.stdout));
        return;
    }
    init(library.as_ref()).unwrap();
    let model = loaded(&[Provider::Openvino]).unwrap();
    assert_eq!(model.providers(), [Provider::Openvino]);
    assert_eq!(sum(&model), TensorData::Int32((0..16).map(|n| 101 * n).collect()));
    assert_eq!(loaded(&[Provider::Openvino, Provider::Cpu]).unwrap().providers(), [Provider::Openvino, Provider::Cpu]);
    // Trees as ONNX are beyond it, and nothing stands in.
    let boosted = |execution: &Execution| Model::load_on(&fixture("boosted.onnx"), NonZero::<usize>::MIN, execution);
    let why = boosted(&on(&[Provider::Openvino])).unwrap_err().to_string();
    assert!(why.contains("fallback to CPU EP has been explicitly disabled"), "{why}");
    assert_eq!(boosted(&on(&[Provider::Openvino, Provider::Cpu])).unwrap().providers(), [Provider::Openvino, Provider::Cpu]);
}
