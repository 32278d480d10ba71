//! `frontdesk chat`: a chat in the terminal with a live server, as a website visitor: no account, and every word as it comes.
//! Must not touch a database or read the server's settings.

mod client;

use std::{
    io::{BufRead, IsTerminal, Write},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::sleep,
};
use uuid::Uuid;

use client::{Trouble, Visitor};

/// Tries to take a broken reply up again.
const TRIES: u32 = 6;

/// With whom.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The server's address.
    #[arg(long, default_value = "http://localhost:8080")]
    url: String,
    /// The tenant's subdomain.
    #[arg(long, default_value = "brightwaves")]
    tenant: String,
    /// The website to come from; a server in production wants one that the tenant allows.
    #[arg(long)]
    origin: Option<String>,
}

pub(super) async fn run(options: Options) -> anyhow::Result<()> {
    let visitor = Visitor::start(&options.url, &options.tenant, options.origin).await?;
    let is_terminal = std::io::stdin().is_terminal();
    super::say(&format!("Chatting with {} at {}. Ctrl-C stops a reply; Ctrl-D leaves.", options.tenant, options.url))?;
    let mut lines = typed();
    // Listened to from here on: one that is pressed while a word is shown is not lost.
    let mut interrupts = signal(SignalKind::interrupt())?;
    loop {
        show("\n> ")?;
        let line = tokio::select! {
            line = lines.recv() => line,
            _ = interrupts.recv() => None,
        };
        let Some(line) = line else { return show("\n") };
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        if !is_terminal {
            // Nobody's keyboard has shown it.
            super::say(line)?;
        }
        Reply::default().follow(&visitor, line, &mut interrupts).await?;
    }
}

/// What is typed, line by line, to the end of input. In a thread of its own: reading a terminal can't be given up.
fn typed() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// A reply as far as it is on the screen.
#[derive(Default)]
struct Reply {
    id: Option<String>,
    shown: String,
    is_stopped: bool,
}

impl Reply {
    /// Sends a message and shows its reply to the end, also over a line that breaks.
    async fn follow(mut self, visitor: &Visitor, content: &str, interrupts: &mut Signal) -> anyhow::Result<()> {
        let id = Uuid::new_v4().to_string();
        for attempt in 0..TRIES {
            match self.once(visitor, content, &id, interrupts).await? {
                Ok(()) => return Ok(()),
                Err(Trouble::Broken(what)) if attempt + 1 == TRIES => {
                    return super::say(&format!("\n[the server can't be reached: {what}]"));
                }
                Err(Trouble::Broken(_)) => sleep(Duration::from_millis(250 << attempt)).await,
                Err(Trouble::Refused(why, None)) => return super::say(&format!("[{why}]")),
                Err(Trouble::Refused(why, Some(seconds))) if seconds > 60 => return super::say(&format!("[{why}]")),
                Err(Trouble::Refused(why, Some(seconds))) => {
                    super::say(&format!("[{why}]"))?;
                    sleep(Duration::from_secs(seconds)).await;
                }
            }
        }
        Ok(())
    }

    /// Follows the reply until it ends or the line breaks. The same message, sent again, is told again from where it is.
    async fn once(
        &mut self,
        visitor: &Visitor,
        content: &str,
        id: &str,
        interrupts: &mut Signal,
    ) -> anyhow::Result<Result<(), Trouble>> {
        let mut events = match visitor.chat(content, id).await {
            Ok(events) => events,
            Err(trouble) => return Ok(Err(trouble)),
        };
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = interrupts.recv() => {
                    self.is_stopped = true;
                    if let Err(trouble) = self.stop(visitor).await {
                        return Ok(Err(trouble));
                    }
                    continue;
                }
            };
            let was_nameless = self.id.is_none();
            match event {
                Ok(Some(event)) => self.show(&event)?,
                Ok(None) if self.id.is_none() => return super::say("[a person will answer]").map(Ok),
                Ok(None) => return show("\n").map(Ok),
                Err(trouble) => return Ok(Err(trouble)),
            }
            // Stopped before it had begun: only now is there something to stop.
            if was_nameless
                && self.is_stopped
                && let Err(trouble) = self.stop(visitor).await
            {
                return Ok(Err(trouble));
            }
        }
    }

    async fn stop(&self, visitor: &Visitor) -> Result<(), Trouble> {
        match &self.id {
            Some(reply) => visitor.stop(reply).await,
            None => Ok(()),
        }
    }

    fn show(&mut self, event: &Value) -> anyhow::Result<()> {
        let text = |place: &str| event.pointer(place).and_then(Value::as_str).unwrap_or_default();
        for place in ["/message/id", "/messageId"] {
            if !text(place).is_empty() {
                self.id = Some(text(place).to_owned());
            }
        }
        match text("/__typename") {
            "ReplyDelta" => {
                self.shown.push_str(text("/text"));
                show(text("/text"))
            }
            // The whole text so far, of which some may be on the screen.
            "ReplySnapshot" => {
                let whole = text("/text");
                let more = whole.strip_prefix(self.shown.as_str()).map_or_else(|| format!("\n{whole}"), str::to_owned);
                whole.clone_into(&mut self.shown);
                show(&more)
            }
            "ReplyCompleted" if self.is_stopped => show(" [stopped]"),
            "ReplyFailed" => {
                self.id.get_or_insert_default();
                show(&format!(" [{}]", text("/reason")))
            }
            _ => Ok(()),
        }
    }
}

/// Shows something at once, without a line's end.
fn show(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}
