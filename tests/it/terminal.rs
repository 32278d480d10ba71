//! `frontdesk chat`: a chat in the terminal, against a live server.

use std::{process::Stdio, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout},
    sync::watch,
    time::timeout,
};

use crate::{
    chat::with_faq,
    support::{
        Gateway, Plan,
        fake_model::{FakeModel, Script},
        process::frontdesk,
    },
};

const PATIENCE: Duration = Duration::from_mins(1);

/// The program, and what is on its screen.
struct Terminal {
    child: Child,
    stdout: ChildStdout,
    screen: String,
}

impl Terminal {
    fn open(url: &str) -> Self {
        let mut command = frontdesk(&["chat", "--url", url, "--tenant", "acme"], &[]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("started");
        let stdout = child.stdout.take().expect("a pipe");
        Self { child, stdout, screen: String::new() }
    }

    async fn types(&mut self, line: &str) {
        let keyboard = self.child.stdin.as_mut().expect("a pipe");
        keyboard.write_all(format!("{line}\n").as_bytes()).await.expect("typed");
        keyboard.flush().await.expect("typed");
    }

    /// Waits until the screen ends like this.
    async fn shows(&mut self, text: &str) {
        let mut bytes = [0; 1024];
        let shown = timeout(PATIENCE, async {
            while !self.screen.ends_with(text) {
                let read = self.stdout.read(&mut bytes).await.expect("text");
                assert!(read > 0, "it ended: {}", self.screen);
                self.screen.push_str(std::str::from_utf8(&bytes[..read]).expect("text"));
            }
        });
        assert!(shown.await.is_ok(), "never shown: {text:?}\n{}", self.screen);
    }

    fn presses_ctrl_c(&self) {
        let pid = i32::try_from(self.child.id().expect("alive")).expect("a pid");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT).expect("pressed");
    }

    /// Ends the input, and waits for the program's own end.
    async fn leaves(mut self) -> String {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).await.expect("text");
        assert!(timeout(PATIENCE, self.child.wait()).await.expect("in time").expect("ended").success());
        self.screen + &rest
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_word_by_word_without_an_account() {
    let gateway = Gateway::start().await;
    let admin = with_faq(&gateway).await;
    let mut terminal = Terminal::open(&gateway.url(""));
    terminal.shows("\n> ").await;
    terminal.types("Is an anvil heavy?").await;
    terminal.shows("looks.\n\n> ").await;
    terminal.types("").await;
    terminal.types("Do you ship to the moon?").await;
    terminal.shows("back to you.\n\n> ").await;
    admin.data(r#"mutation { updateConversation(id: "conversation_1", input: { status: HUMAN }) { id } }"#).await;
    terminal.types("Is somebody there?").await;
    terminal.shows("answer]\n\n> ").await;
    admin.data(r#"mutation { updateConversation(id: "conversation_1", input: { status: CLOSED }) { id } }"#).await;
    terminal.types("Hello?").await;
    let screen = terminal.leaves().await.replace(&gateway.url(""), "http://server");
    insta::assert_snapshot!(screen, @"
    Chatting with acme at http://server. Ctrl-C stops a reply; Ctrl-D leaves.

    > Is an anvil heavy?
    About as heavy as it looks.

    > 
    > Do you ship to the moon?
    I don't have an answer to that. A person from acme Inc. will read your message here and get back to you.

    > Is somebody there?
    [a person will answer]

    > Hello?
    [This conversation is closed. Start a new one with startVisitorSession. (CONFLICT)]

    >
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_is_stopped_by_ctrl_c_and_a_broken_line_is_taken_up_again() {
    let model = FakeModel::start(Script::ByHand).await;
    let gateway = Gateway::with_model(model.base_url.clone()).await;
    gateway.tenant("acme").await;
    let (url, cut) = line_that_breaks(&gateway).await;
    let mut terminal = Terminal::open(&url);
    terminal.shows("\n> ").await;
    terminal.types("Tell me everything").await;
    let call = model.call().await;
    call.text("It all began ").await;
    terminal.shows("It all began ").await;
    cut.send_replace(());
    // Written while nobody listened, and shown where the screen left off, once.
    call.text("long ago").await;
    terminal.shows("It all began long ago").await;
    call.text(", they say").await;
    terminal.shows("It all began long ago, they say").await;
    terminal.presses_ctrl_c();
    call.left().await;
    terminal.shows("long ago, they say [stopped]\n\n> ").await;
    // Where nothing is being written, it means goodbye.
    terminal.presses_ctrl_c();
    assert!(timeout(PATIENCE, terminal.child.wait()).await.expect("in time").expect("ended").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_way_is_said_in_one_line() {
    let gateway = Gateway::planned(Plan { is_production: true, ..Plan::default() }).await;
    gateway.tenant("acme").await;
    let mut said = Vec::new();
    for arguments in [
        vec!["chat", "--url", "http://127.0.0.1:1"],
        vec!["chat", "--url", &gateway.url(""), "--origin", "https://www.acme.example"],
        vec!["chat", "--url", &gateway.url(""), "--tenant", "acme"],
    ] {
        let output = frontdesk(&arguments, &[]).output().await.expect("ran");
        assert!(!output.status.success());
        said.push(String::from_utf8(output.stderr).expect("text"));
    }
    insta::assert_snapshot!(said.concat(), @"
    frontdesk: http://127.0.0.1:1 can't be reached (Connection refused (os error 111)); is the server up?
    frontdesk: No such tenant. (NOT_FOUND)
    frontdesk: A visitor comes from a website: the request must carry its `Origin`, one of the tenant's `allowedOrigins`. (FORBIDDEN)
    ");
}

/// A way to the server whose connections break when they are told to.
async fn line_that_breaks(gateway: &Gateway) -> (String, watch::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let (cut, told) = watch::channel(());
    let address = gateway.address;
    #[expect(clippy::disallowed_methods, reason = "a test's helper has no log context to keep")]
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut told = told.clone();
            told.mark_unchanged();
            #[expect(clippy::disallowed_methods, reason = "as above")]
            tokio::spawn(async move {
                let mut far = TcpStream::connect(address).await.expect("the server");
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = told.changed() => {}
                }
            });
        }
    });
    (url, cut)
}
