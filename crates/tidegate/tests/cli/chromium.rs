//! A real browser, steered over the DevTools protocol: headless, with a profile of its own, ended with its test.

use crate::world::wait_for;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

/// How long one answer of the browser may take before the test gives up.
const ANSWER: Duration = Duration::from_secs(60);
/// Where distributions put it.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// A page in a browser.
pub struct Page {
    child: Child,
    socket: WebSocket<TcpStream>,
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
        let child = Command::new(browser)
            .args(["--headless=new", "--remote-debugging-port=0", "--disable-gpu", "--no-first-run", "--disable-extensions"])
            // In a container there is neither a sandbox for it nor much shared memory; it only sees our own pages.
            .args(["--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900", "about:blank"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port_file = profile.path().join("DevToolsActivePort");
        let port: u16 = wait_for("the browser", || std::fs::read_to_string(&port_file).ok()?.lines().next()?.parse().ok());
        let socket = wait_for("a page of the browser", || page_socket(port));
        let mut page = Page { child, socket, next: 0, told: VecDeque::new(), _profile: profile };
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
        self.socket.send(Message::text(json!({ "id": id, "method": method, "params": params }).to_string())).unwrap();
        loop {
            let message = self.hear();
            if message["id"] == json!(id) {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.told.push_back(message);
        }
    }

    fn hear(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
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
        let _ = self.socket.send(Message::text(json!({ "id": 0, "method": "Browser.close" }).to_string()));
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

/// The socket of the first page, once there is one.
fn page_socket(port: u16) -> Option<WebSocket<TcpStream>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    write!(stream, "GET /json/list HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n").ok()?;
    // It keeps the connection open whatever the request says: the length tells where the answer ends.
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => length = value.trim().parse().ok()?,
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let targets: Value = serde_json::from_slice(&body).ok()?;
    let page = targets.as_array()?.iter().find(|t| t["type"] == json!("page"))?;
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(ANSWER)).ok()?;
    tungstenite::client(page["webSocketDebuggerUrl"].as_str()?, stream).ok().map(|(socket, _)| socket)
}
