//! Microseconds a row of tree models, on one thread, for the models and rows that `tests/trees/speed.py FOLDER` made:
//! `cargo run --release -p tidegate-runtime --example trees -- FOLDER`

use std::path::{Path, PathBuf};
use std::time::Instant;
use tidegate_core::model::Datatype;
use tidegate_runtime::{Model, Tensor, TensorData};

/// Rows of one call, and how many calls are timed.
const CALLS: [(usize, usize); 2] = [(1, 20_000), (1000, 100)];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args_os().nth(1).ok_or("give the folder that speed.py made")?);
    let bytes = std::fs::read(folder.join("rows.f4"))?;
    let rows: Vec<f32> = bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    let mut models: Vec<PathBuf> = std::fs::read_dir(&folder)?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    models.retain(|path| path.extension().is_some_and(|extension| extension == "ubj" || extension == "txt"));
    models.sort();
    for path in models {
        time(&path, &rows)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a program that measures needs the clock itself")]
fn time(path: &Path, rows: &[f32]) -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let model = Model::load(path)?;
    let loaded = start.elapsed().as_secs_f64() * 1e3;
    let input = model.signature().inputs.first().ok_or("there is an input")?;
    let width = input.shape.get(1).copied().unwrap_or(1);
    let features = usize::try_from(width)?;
    for (count, times) in CALLS {
        let parts: Vec<Tensor> = rows
            .chunks_exact(count * features)
            .take(200)
            .map(|part| {
                let data = match input.datatype {
                    Datatype::Fp32 => TensorData::Fp32(part.to_vec()),
                    _ => TensorData::Fp64(part.iter().copied().map(f64::from).collect()),
                };
                Tensor::new(input.name.clone(), vec![i64::try_from(count).unwrap_or(1), width], data)
            })
            .collect();
        let mut each = Vec::new();
        for (turn, part) in parts.iter().cycle().take(times + times / 10).enumerate() {
            let start = Instant::now();
            let answer = model.run(std::slice::from_ref(part))?;
            let took = start.elapsed().as_secs_f64() * 1e6;
            assert!(!answer.is_empty(), "it answers");
            if turn >= times / 10 {
                each.push(took);
            }
        }
        each.sort_by(f64::total_cmp);
        let median = each.get(each.len() / 2).copied().unwrap_or_default();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let least = each.first().copied().unwrap_or_default();
        let a_row = least / count as f64;
        println!(
            "{name:<32} {count:>5} rows  least {least:10.1} us, {a_row:8.2} us a row; median {median:10.1} us; loaded in {loaded:.1} ms"
        );
    }
    Ok(())
}
