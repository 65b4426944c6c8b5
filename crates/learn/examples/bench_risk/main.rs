//! How good models of risk are on sets that others published, beside the baselines and the published figures: `bench_risk [FOLDER] [PART..]`,
//! parts `issta21`, `apachejit`, `travis`, `windows`, `imbalance`, `speed`, `federate`. All rows are in the order of time, and judged by models of earlier rows alone.

#![expect(clippy::unwrap_used, reason = "a benchmark stops where its data is not as it says")]

mod builds;
mod data;
mod federate;
mod imbalance;
mod published;
mod speed;
mod table;

use std::path::PathBuf;

const PARTS: [&str; 7] = ["issta21", "apachejit", "travis", "windows", "imbalance", "speed", "federate"];

fn main() {
    let mut given: Vec<String> = std::env::args().skip(1).collect();
    let folder = if given.is_empty() { "../shared/data".to_owned() } else { given.remove(0) };
    let folder = PathBuf::from(folder);
    let parts: Vec<&str> = if given.is_empty() { PARTS.to_vec() } else { given.iter().map(String::as_str).collect() };
    for part in parts {
        match part {
            "issta21" => table::issta21(&folder),
            "apachejit" => table::apachejit(&folder),
            "travis" => table::travis(&folder),
            "windows" => table::windows(&folder),
            "imbalance" => imbalance::run(&folder),
            "speed" => speed::run(&folder),
            "federate" => federate::run(&folder),
            other => println!("there is no part `{other}`: choose from {}", PARTS.join(", ")),
        }
    }
}
