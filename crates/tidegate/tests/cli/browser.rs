//! The console in a real browser: readable with and without its script, live with it, in light and dark, by keyboard, on a
//! narrow screen, and without a request to any other host.

use crate::chromium::{Page, browser};
use crate::up::{infer, owner, tensors, up};
use crate::world::{Started, World, has_runtime, wait_for};
use serde_json::json;

/// A model that adds and subtracts, released twice: live, and then in shadow for as long as the test looks.
const CONFIG: &str = "version: 1\nworkspace: shown\npipeline: dvc.yaml\n\
    data:\n  numbers: { path: numbers.csv, contract: numbers.yaml }\n\
    models:\n  m: { artifact: model.onnx, golden: golden.json, gates: { speed: { latency_p99_ms: 60000 } } }\n\
    services:\n  s: { model: m }\n\
    releases:\n  default:\n    steps:\n      - shadow: { percent: 100, until: 1h }\n      - canary: { weights: [5], min_time: 1m }\n      \
    - promote: { watch: 1s }\n    judge: { tick: 1s, warm_up: 0s, guardrails: { latency_p50: none, latency_p95: none, latency_p99: none } }\n";
const PIPELINE: &str = "stages:\n  train: {cmd: cat in.onnx > model.onnx, deps: [in.onnx], outs: [model.onnx]}\n";
/// Every kind of page.
const PAGES: [&str; 8] = ["/", "/risk", "/journal", "/runs/workspace-1", "/data/numbers", "/models/m/1", "/releases/s/1", "/releases/s/2"];
/// Least contrast of text against its ground: WCAG 2.2, 1.4.3, level AA.
const CONTRAST_MIN: f64 = 4.5;

/// Texts whose contrast is too low, with their ratio; luminance as WCAG 2.2 defines it.
const LOW_CONTRAST: &str = r"(() => {
  const parse = (c) => { const m = c.match(/[\d.]+/g).map(Number); return { rgb: m.slice(0, 3), a: m.length > 3 ? m[3] : 1 }; };
  const light = ([r, g, b]) => { const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.a === 1) return c.rgb; } return [255, 255, 255]; };
  const low = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim() !== '');
    if (!own || e.closest('script') || e.getClientRects().length === 0) continue;
    const style = getComputedStyle(e), svg = e instanceof SVGElement;
    const [a, b] = [light(parse(svg ? style.fill : style.color).rgb), light(ground(e))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < MIN) low.push(`${e.tagName} ${e.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
  }
  return low;
})()";

fn fixture() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/tests/fixtures/simple.onnx")).unwrap()
}

/// A workspace in which one version is live and another in shadow, with requests that have been judged.
fn shown() -> (World, Started) {
    let world = World::with(&[
        ("tidegate.yaml", CONFIG),
        ("dvc.yaml", PIPELINE),
        ("numbers.csv", "a,b\n1,2\n3,4\n"),
        ("numbers.yaml", "dataset: numbers\ncolumns:\n  a: { not_null: true }\n"),
        ("golden.json", &json!({ "requests": [{ "id": "one", "inputs": tensors() }] }).to_string()),
    ]);
    std::fs::write(world.path("in.onnx"), fixture()).unwrap();
    let process = up(&world);
    world.run(&["gate"]).well();
    world.run(&["release", "start", "s", "1"]).well();
    phase(&world, "s/1", "done");
    // Another artefact of the same meaning: a doc string is added to the model (field 6 of ModelProto).
    let other = [fixture(), vec![0x32, 5], b"again".to_vec()].concat();
    std::fs::write(world.path("in.onnx"), other).unwrap();
    world.run(&["gate"]).well();
    world.run(&["release", "start", "s", "2"]).well();
    phase(&world, "s/2", "shadow");
    wait_for("a judged tick", || {
        infer(&world, "");
        let status = world.run(&["release", "status", "s/2", "--json"]).well().json();
        status["points"].as_array().filter(|points| points.len() >= 2).map(drop)
    });
    (world, process)
}

fn phase(world: &World, release: &str, wanted: &str) {
    wait_for(wanted, || {
        let status = world.run(&["release", "status", release, "--json"]).well().json();
        status["row"]["phase"].as_str().is_some_and(|phase| phase.contains(wanted)).then_some(())
    });
}

/// The link that `up` printed, which signs in.
pub fn link(process: &Started) -> String {
    let said = process.so_far().1;
    let at = said.find("http://").unwrap();
    said[at..].split_whitespace().next().unwrap().to_owned()
}

#[test]
fn every_page_is_readable_live_and_alone() {
    let Some(browser) = browser() else { return };
    if !has_runtime() {
        return;
    }
    let (world, process) = shown();
    let host = format!("http://{}", owner(&world)["console"].as_str().unwrap());
    let mut page = Page::open(&browser);
    page.go(&link(&process));
    assert!(page.text().contains("s"), "the link signs in and leads to the overview");
    let _ = page.asked_and_failed();
    for path in PAGES {
        page.go(&format!("{host}{path}"));
        looks(&mut page, path);
        by_keyboard(&mut page, path);
        let (asked, failed) = page.asked_and_failed();
        assert!(asked.iter().all(|url| url.starts_with(&host)), "{path} asks elsewhere: {asked:?}");
        assert!(asked.iter().any(|url| url.ends_with("/assets/live.js")), "{path}: {asked:?}");
        assert_eq!(failed, Vec::<String>::new(), "{path}");
    }
    pictures(&mut page, &format!("{host}/releases/s/2"));
    without_script(&mut page, &host);
    live(&mut page, &world, &format!("{host}/releases/s/2"));
}

/// Light and dark have enough contrast and differ; a narrow screen is not wider than itself.
pub fn looks(page: &mut Page, path: &str) {
    let mut grounds = vec![];
    for scheme in ["light", "dark"] {
        page.call("Emulation.setEmulatedMedia", &json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }));
        grounds.push(page.eval("getComputedStyle(document.body).backgroundColor"));
        let low = page.eval(&LOW_CONTRAST.replace("MIN", &CONTRAST_MIN.to_string()));
        assert_eq!(low, json!([]), "{path} in {scheme}");
    }
    assert_ne!(grounds[0], grounds[1], "{path}: light and dark look the same");
    page.call("Emulation.setDeviceMetricsOverride", &json!({ "width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": false }));
    assert_eq!(page.eval("document.scrollingElement.scrollWidth <= innerWidth"), json!(true), "{path} is wider than a narrow screen");
    page.call("Emulation.clearDeviceMetricsOverride", &json!({}));
}

/// Tab reaches the way past the navigation first, and then everything that can be followed, each visibly.
pub fn by_keyboard(page: &mut Page, path: &str) {
    const REACHABLE: &str = "[...document.querySelectorAll('a[href], button, input, summary, [tabindex=\"0\"]')].filter((e) => e.checkVisibility({ contentVisibilityAuto: true }) && !e.closest('details:not([open]) > :not(summary)'))";
    let wanted = page.eval(&format!("{REACHABLE}.length")).as_u64().unwrap();
    assert!(wanted >= 4, "{path}: {wanted}");
    page.eval("document.activeElement.blur(); window.reached = new Set()");
    for number in 0..wanted {
        page.press("Tab", 9);
        let seen = page.eval(
            "(() => { const e = document.activeElement, s = getComputedStyle(e); window.reached.add(e); return [e.className, s.outlineStyle, parseFloat(s.outlineWidth), e.outerHTML.slice(0, 80)]; })()",
        );
        if number == 0 {
            assert_eq!(seen[0], json!("skip"), "{path}: the first stop leads past the navigation");
        }
        assert!(seen[1] != json!("none") && seen[2].as_f64().unwrap() >= 2.0, "{path}: the focus cannot be seen: {seen}");
    }
    assert_eq!(
        page.eval(&format!("{REACHABLE}.filter((e) => !window.reached.has(e)).map((e) => e.outerHTML.slice(0, 80))")),
        json!([]),
        "{path}"
    );
}

/// The verdict over time is drawn: bars, ratio and split, each with its words.
fn pictures(page: &mut Page, address: &str) {
    page.go(address);
    let drawn = page.eval(
        "[...document.querySelectorAll('figure')].map((f) => { const b = f.querySelector('svg').getBoundingClientRect(); return [b.width > 200 && b.height > 50, f.querySelector('svg').getAttribute('aria-label') !== null || f.querySelector('svg title') !== null, f.innerText.length > 0]; })",
    );
    // Without a failure there is no ratio, and the page says so in words.
    assert_eq!(drawn, json!([[true, true, true], [true, true, true]]));
    assert!(page.text().contains("Neither arm has failed enough for a ratio"));
}

/// The same words are there for who runs no script.
fn without_script(page: &mut Page, host: &str) {
    // Pages that stand still: the others may change between two looks.
    for path in ["/runs/workspace-1", "/data/numbers", "/models/m/1", "/releases/s/1"] {
        page.go(&format!("{host}{path}"));
        let with = page.text();
        page.call("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
        page.go(&format!("{host}{path}"));
        // The debugger may look where the page's own scripts may not run.
        let without = page.text();
        page.call("Emulation.setScriptExecutionDisabled", &json!({ "value": false }));
        assert!(with.len() > 100, "{path}: {with}");
        assert_eq!(with, without, "{path}");
    }
    let _ = page.asked_and_failed();
}

/// What happens is seen without loading the page again.
fn live(page: &mut Page, world: &World, address: &str) {
    page.go(address);
    page.eval("window.same = true");
    assert!(!page.text().contains("lunch"));
    world.run(&["release", "pause", "s/2", "--reason", "lunch"]).well();
    wait_for("the page to show the pause", || page.text().contains("lunch").then_some(()));
    assert_eq!(page.eval("window.same"), json!(true), "the page was loaded again");
    assert_eq!(page.eval("document.getElementById('live').innerText"), json!("live"));
    let (asked, failed) = page.asked_and_failed();
    assert!(asked.iter().all(|url| address.starts_with(&url.split('/').take(3).collect::<Vec<_>>().join("/"))), "{asked:?}");
    assert_eq!(failed, Vec::<String>::new());
}

/// The report of a run is one file: it is read from wherever it was put, without asking for anything else.
#[test]
fn a_report_is_readable_by_itself() {
    let Some(browser) = browser() else { return };
    let world = World::with(&[
        (
            "dvc.yaml",
            "stages:\n  train:\n    cmd: 'true'\n    params: [lr]\n    metrics: [{m.json: {cache: false}}]\n    plots: [{loss.csv: {cache: false, x: step, y: loss}}]\n",
        ),
        ("params.yaml", "lr: 0.1\n"),
        ("m.json", "{\"auc\": 0.9}"),
        ("loss.csv", "step,loss\n0,3\n1,2\n2,1.5\n"),
        ("tidegate.yaml", "version: 1\nworkspace: told\npipeline: dvc.yaml\ndata:\n  d: { path: d.csv, contract: c.yaml }\n"),
        ("d.csv", "id,note\na,x\n,y\n"),
        ("c.yaml", "dataset: d\ncolumns:\n  id: { not_null: true }\n  note: { in_set: [x, y] }\n"),
    ]);
    world.run(&["report"]).well();
    let address = format!("file://{}", world.path("tidegate-report/report.html").display());
    let mut page = Page::open(&browser);
    page.go(&address);
    looks(&mut page, "report");
    let text = page.text();
    for part in ["told", "auc", "0.9", "lr", "d", "expect_column_values_to_not_be_null"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let drawn = page.eval(
        "(() => { const b = document.querySelector('svg polyline').getBoundingClientRect(); return b.width > 100 && b.height > 20; })()",
    );
    assert_eq!(drawn, json!(true));
    let (asked, failed) = page.asked_and_failed();
    assert_eq!((asked, failed), (vec![address], vec![]));
}
