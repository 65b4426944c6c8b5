//! quick
use std::io::Read;
use tidegate_learn::*;
use tidegate_stats::scoring;
fn read(path: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut s = String::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_string(&mut s).unwrap();
    let mut l = s.lines();
    let head = l.next().unwrap().split(',').map(str::to_owned).collect();
    (head, l.map(|l| l.split(',').map(str::to_owned).collect()).collect())
}
fn num(s: &str) -> f64 { match s { "True" => 1.0, "False" => 0.0, _ => s.parse().unwrap_or(f64::NAN) } }
fn main() {
    let f = ["ns","nd","nf","entrophy","la","ld","lt","fix","ndev","age","nuc","exp","rexp","sexp"];
    let names = ["ns","nd","nf","entropy","la","ld","lt","fix","ndev","age","nuc","exp","rexp","sexp"];
    for p in ["qt","openstack","jdt","gerrit"] {
        let (h, rows) = read(&format!("/work/shared/data/jit_issta21/{p}_k_feature.csv.gz"));
        let c = |n: &str| h.iter().position(|x| x == n).unwrap();
        let mut t = Table::new(names).unwrap();
        for r in &rows {
            let v: Vec<f64> = f.iter().map(|n| num(&r[c(n)])).collect();
            t.push(&Row { at: num(&r[c("date")]) as i64, values: &v, label: num(&r[c("bug")]) > 0.0, effort: v[4] + v[5] }).unwrap();
        }
        let t = derive::table(&t, &derive::of_changes(&t)).unwrap();
        let k = t.len() * 4 / 5;
        let (a, b) = (t.slice(0..k), t.slice(k..t.len()));
        let auc = |f: &dyn Fn(&[f64]) -> f64| scoring::auc(&b.rows().map(f).collect::<Vec<_>>(), b.labels()).unwrap();
        let m = fitted::fit(&a, &fitted::Settings::default()).unwrap();
        let blend = &m.blend;
        let raw = boost::train(&a, &vec![1.0; a.len()], &boost::Boosting::default()).unwrap();
        println!("{p} la {:.4} lr {:.4} gbt0 {:.4} trees {:.4} blend {:.4}", auc(&|r| r[4]), auc(&|r| blend.logistic.margin(r)), auc(&|r| raw.margin(r) as f64), auc(&|r| blend.trees.margin(r) as f64), auc(&|r| blend.margin(r)));
        let pr: Vec<f64> = b.rows().map(|r| m.probability(r)).collect();
        let r = evaluate::report(&b, &pr, true);
        println!("   ap {:.3} brier {:.4} ece {:.4} base {:.3} mean p {:.3} {:?} on {}", r.average_precision.unwrap(), r.brier.unwrap(), r.calibration_error.unwrap(), r.base_rate, pr.iter().sum::<f64>()/pr.len() as f64, match m.curve { tidegate_stats::calibration::Calibrator::Beta(_) => "beta", _ => "iso" }, m.calibrated_on);
        for c in evaluate::blocks(&b, &pr, &m.thresholds, 2000) { println!("   block {} cov {:.3}", c.rows, c.share); }
        for days in [0, 30, 90] { let said = follow::replay(&m, &b, 0.1, days * 86400); let p: Vec<f64> = said.iter().map(|s| s.probability).collect(); let r = evaluate::report(&b, &p, true); println!("   follow {days}: auc {:.4} ece {:.4} brier {:.4} cov {:.3}", r.auc.unwrap().estimate, r.calibration_error.unwrap(), r.brier.unwrap(), said.iter().zip(b.labels()).filter(|(s, l)| s.labels.holds(**l)).count() as f64 / p.len() as f64); }

    }
}
