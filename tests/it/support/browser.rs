//! A real Chromium without a window, driven over its DevTools protocol; it reaches nothing but this machine. Must not know
//! the page.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpStream,
    process::{Child, Command},
    time::timeout,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

/// How long a test waits for what must come; reached only when it fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where Chromium is looked for, behind what `CHROMIUM` names.
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
const ON_MACOS: &str = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/// Quiet, alone, and without a way to any other host.
const ARGUMENTS: &[&str] = &[
    "--headless",
    // Tests may run as root, in a container.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1400,900",
    "--remote-debugging-port=0",
    "about:blank",
];

/// A browser with one page open.
pub struct Browser {
    child: Child,
    profile: PathBuf,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    calls: u64,
    session: Value,
    loads: u64,
    /// Errors and warnings of the page and its workers: exceptions, the console, the network, the content security policy.
    pub complaints: Vec<String>,
    /// Every address that was asked for.
    pub requests: Vec<String>,
}

impl Browser {
    /// Opens `url` in a browser of its own.
    pub async fn open(url: &str) -> Self {
        let profile = std::env::temp_dir().join(format!("fd-browser-{}", uuid::Uuid::new_v4().simple()));
        let mut child = Command::new(chromium())
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .process_group(0)
            .spawn()
            .expect("Chromium starts");
        let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let address = timeout(PATIENCE, async {
            let mut said = Vec::new();
            while let Some(line) = lines.next_line().await.expect("text") {
                if let Some(address) = line.strip_prefix("DevTools listening on ") {
                    return address.to_owned();
                }
                said.push(line);
            }
            panic!("Chromium ended before it was ready:\n{}", said.join("\n"));
        });
        let address = address.await.expect("Chromium is ready in time");
        // What it says later is read, so that it is never held up.
        #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (socket, _) = connect_async(address).await.expect("Chromium's socket");
        let (complaints, requests) = (Vec::new(), Vec::new());
        let mut browser =
            Self { child, profile, socket, calls: 0, session: Value::Null, loads: 0, complaints, requests };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", attach).await["sessionId"].clone();
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        let workers_too = json!({ "autoAttach": true, "waitForDebuggerOnStart": false, "flatten": true });
        browser.call("Target.setAutoAttach", workers_too).await;
        browser.load("Page.navigate", json!({ "url": url })).await;
        browser
    }

    /// Waits until the expression is true of the page; gives what it is.
    pub async fn until(&mut self, expression: &str) -> Value {
        let wait = format!(
            "new Promise((done) => {{
               const look = () => {{
                 let seen = null;
                 try {{ seen = {expression}; }} catch {{}}
                 if (seen) done(seen); else requestAnimationFrame(look);
               }};
               look();
             }})"
        );
        if let Ok(value) = timeout(PATIENCE, self.evaluate(&wait)).await {
            return value;
        }
        let text = self.evaluate("document.body.innerText").await;
        let (text, complaints) = (text.as_str().unwrap_or_default(), self.complaints.join("\n"));
        panic!("this never came true: {expression}\n{complaints}\n{text}");
    }

    /// Waits until the first element that matches shows this text.
    pub async fn sees(&mut self, selector: &str, text: &str) {
        // Monaco writes spaces that do not break, and breaks long lines.
        self.until(&format!(
            "document.querySelector({selector:?})?.innerText.replace(/\\s+/g, ' ').includes({text:?})"
        ))
        .await;
    }

    /// Clicks with the mouse in the middle of the first element that matches, when it is there and at rest.
    pub async fn click(&mut self, selector: &str) {
        let place = self
            .until(&format!(
                "(() => {{
                   const element = document.querySelector({selector:?});
                   const {{ x, y, width, height }} = element.getBoundingClientRect();
                   const [left, top] = [x + width / 2, y + height / 2];
                   const before = element.place;
                   element.place = `${{left}} ${{top}}`;
                   return element.place === before && element.contains(document.elementFromPoint(left, top)) && {{ left, top }};
                 }})()"
            ))
            .await;
        for kind in ["mousePressed", "mouseReleased"] {
            let click =
                json!({ "type": kind, "x": place["left"], "y": place["top"], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", click).await;
        }
    }

    /// Types where the cursor is.
    pub async fn types(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key: `Tab`, `Enter`, `Escape`, `ArrowDown`.
    pub async fn press(&mut self, key: &str) {
        let code = match key {
            "Tab" => 9,
            "Enter" => 13,
            "Escape" => 27,
            "ArrowDown" => 40,
            other => panic!("no such key here: {other}"),
        };
        let mut event = json!({ "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code });
        if key == "Enter" {
            event["text"] = json!("\r");
        }
        self.call("Input.dispatchKeyEvent", event.clone()).await;
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", event).await;
    }

    /// Waits for a complaint that says this.
    pub async fn complains(&mut self, about: &str) {
        while !self.complaints.iter().any(|complaint| complaint.contains(about)) {
            self.read().await;
        }
    }

    /// Loads the page anew.
    pub async fn reload(&mut self) {
        self.load("Page.reload", json!({})).await;
    }

    async fn load(&mut self, method: &str, params: Value) {
        let before = self.loads;
        self.call(method, params).await;
        while self.loads == before {
            self.read().await;
        }
    }

    /// What an expression is in the page, once it is settled.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", ask).await;
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Calls a method, and notes what is told meanwhile.
    async fn call(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params, self.session.clone()).await;
        loop {
            let message = self.read().await;
            if message["id"] == id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// The next message, noted if it is an event.
    async fn read(&mut self) -> Value {
        loop {
            let frame = timeout(PATIENCE * 2, self.socket.next()).await.expect("Chromium answers").expect("open");
            if let Message::Text(text) = frame.expect("a frame") {
                let message = serde_json::from_str(&text).expect("JSON");
                self.note(&message).await;
                return message;
            }
        }
    }

    async fn send(&mut self, method: &str, params: Value, session: Value) -> u64 {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        if session.is_string() {
            message["sessionId"] = session;
        }
        self.socket.send(Message::text(message.to_string())).await.expect("sent");
        self.calls
    }

    async fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Target.attachedToTarget" => {
                for domain in ["Runtime", "Network", "Log"] {
                    self.send(&format!("{domain}.enable"), json!({}), params["sessionId"].clone()).await;
                }
            }
            "Page.loadEventFired" => self.loads += 1,
            "Network.requestWillBeSent" => self.requests.push(text(&params["request"]["url"])),
            "Network.webSocketCreated" => self.requests.push(text(&params["url"])),
            "Runtime.exceptionThrown" => self.complaints.push(params["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" if ["error", "warning", "assert"].contains(&text(&params["type"]).as_str()) => {
                self.complaints.push(params["args"].to_string());
            }
            "Log.entryAdded" if ["error", "warning"].contains(&text(&params["entry"]["level"]).as_str()) => {
                self.complaints.push(params["entry"].to_string());
            }
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With its helpers, which would write into the profile while it is being removed.
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = nix::sys::signal::killpg(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL);
        }
        while let Ok(None) = self.child.try_wait() {
            std::thread::yield_now();
        }
        // The last of them may be on its way out still.
        for _ in 0..1000 {
            if std::fs::remove_dir_all(&self.profile).is_ok() || !self.profile.exists() {
                return;
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn chromium() -> PathBuf {
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let found = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    named.into_iter().chain(found).chain([PathBuf::from(ON_MACOS)]).find(|path| Path::is_file(path)).expect(
        "This test needs Chromium: `scripts/setup test` installs it on Debian; elsewhere install it, or name it in CHROMIUM.",
    )
}
