//! A real browser, steered over the DevTools protocol: headless, with a profile of its own, ended with its test.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;
use tempfile::TempDir;

/// How long one answer of the browser may take before the test gives up.
const ANSWER: Duration = Duration::from_secs(60);
/// Messages that wait to be heard.
const HEARD_MAX: usize = 10_000;
/// Where distributions put it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];
/// It listens on descriptor 3 and answers on 4; the shell alone can give it those.
const WITH_PIPES: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

/// A page in a browser.
pub struct Page {
    child: Child,
    say: ChildStdin,
    heard: Receiver<Value>,
    session: Option<String>,
    next: u64,
    /// What the browser told meanwhile.
    told: VecDeque<Value>,
    _profile: TempDir,
}

/// The browser, from `TIDEGATE_TEST_BROWSER` or the path; says so where there is none.
pub fn browser() -> Option<PathBuf> {
    let given = std::env::var_os("TIDEGATE_TEST_BROWSER").map(PathBuf::from);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        let places: Vec<PathBuf> = std::env::split_paths(&path).collect();
        NAMES.iter().flat_map(|name| places.iter().map(move |place| place.join(name))).find(|file| file.is_file())
    };
    let found = given.or_else(on_path);
    if found.is_none() {
        eprintln!("skipped: no browser: install chromium or set TIDEGATE_TEST_BROWSER");
    }
    found
}

impl Page {
    /// Starts a browser with one empty page.
    pub fn open(browser: &PathBuf) -> Page {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", WITH_PIPES, "sh"])
            .arg(browser)
            .args(["--headless=new", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run", "--disable-extensions"])
            // In a container there is neither a sandbox for it nor much shared memory; it only sees our own pages.
            .args(["--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let say = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap());
        let (tell, heard) = sync_channel(HEARD_MAX);
        std::thread::spawn(move || {
            let mut message = vec![];
            while answers.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                let value = serde_json::from_slice(message.strip_suffix(&[0]).unwrap_or(&message)).unwrap();
                message.clear();
                if tell.send(value).is_err() {
                    break;
                }
            }
        });
        let mut page = Page { child, say, heard, session: None, next: 0, told: VecDeque::new(), _profile: profile };
        let target = page.call("Target.createTarget", &json!({ "url": "about:blank" }))["targetId"].clone();
        let attached = page.call("Target.attachToTarget", &json!({ "targetId": target, "flatten": true }));
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Network", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        page
    }

    /// Calls a method of the protocol and gives its result.
    #[track_caller]
    pub fn call(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(id, method, params);
        loop {
            let message = self.hear();
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.told.push_back(message);
        }
    }

    fn send(&mut self, id: u64, method: &str, params: &Value) {
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        write!(self.say, "{message}\0").unwrap();
        self.say.flush().unwrap();
    }

    #[track_caller]
    fn hear(&mut self) -> Value {
        self.heard.recv_timeout(ANSWER).expect("the browser answers")
    }

    /// Goes to an address and waits until the page is loaded.
    #[track_caller]
    pub fn go(&mut self, address: &str) {
        self.told.retain(|m| m["method"] != json!("Page.loadEventFired"));
        let result = self.call("Page.navigate", &json!({ "url": address }));
        assert!(result["errorText"].is_null(), "{address}: {result}");
        while !self.told.iter().any(|m| m["method"] == json!("Page.loadEventFired")) {
            let message = self.hear();
            self.told.push_back(message);
        }
    }

    /// The value of an expression in the page.
    #[track_caller]
    pub fn eval(&mut self, expression: &str) -> Value {
        let result = self.call("Runtime.evaluate", &json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }));
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// The text that a reader sees in the main part.
    #[track_caller]
    pub fn text(&mut self) -> String {
        self.eval("document.querySelector('main').innerText").as_str().unwrap().to_owned()
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            self.call("Input.dispatchKeyEvent", &json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code }));
        }
    }

    /// Addresses that were asked for, and what went wrong in the page, since the last call.
    pub fn asked_and_failed(&mut self) -> (Vec<String>, Vec<String>) {
        let (mut asked, mut failed) = (vec![], vec![]);
        for message in self.told.drain(..) {
            match message["method"].as_str() {
                Some("Network.requestWillBeSent") => asked.push(message["params"]["request"]["url"].as_str().unwrap().to_owned()),
                Some("Runtime.exceptionThrown" | "Log.entryAdded") => failed.push(message["params"].to_string()),
                _ => {}
            }
        }
        (asked, failed)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Asked, so that its own processes end before the profile is removed.
        let _ = write!(self.say, "{{\"id\":0,\"method\":\"Browser.close\"}}\0");
        let _ = self.say.flush();
        for _ in 0..200 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
