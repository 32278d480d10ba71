//! Gmail (<https://developers.google.com/workspace/gmail/api/reference/rest>): what happened in a mailbox, single messages, and
//! sending. One mailbox, that of the token. Must not decide what is answered.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use reqwest::{Method, RequestBuilder, header};
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use url::Url;

use crate::channels::google::{
    GoogleSettings, Message, Trouble,
    compose::MARKER,
    push::decode,
    wire::{Wire, bearer},
};

/// Entries of history asked for at once, the most that Gmail gives.
const PAGE: &str = "500";
/// Pages that are walked at the most: what is behind them is left for the next time.
const PAGES_MAX: usize = 20;
/// What is looked through where the history does not reach back far enough.
const CATCH_UP: &str = "in:inbox newer_than:2d";
/// What is young enough to be waited for, wherever it lies.
const YOUNG: &str = "newer_than:2d";

/// A mailbox, for one piece of work.
pub struct Mailbox {
    wire: Wire,
    settings: Arc<GoogleSettings>,
    token: SecretString,
}

/// Whose mailbox it is.
#[derive(Debug, Clone, Deserialize)]
pub struct Profile {
    /// Its address, as Google writes it.
    #[serde(rename = "emailAddress")]
    pub address: String,
    /// How far its history has come.
    #[serde(rename = "historyId")]
    pub history_id: String,
}

/// That Gmail tells of what happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// What came in since a place in the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Ids of messages, each once, oldest first as far as Gmail says.
    pub added: Vec<String>,
    /// The place to go on from.
    pub history_id: String,
}

#[derive(Deserialize)]
struct Watched {
    expiration: String,
}

#[derive(Deserialize)]
struct HistoryPage {
    #[serde(default)]
    history: Vec<Entry>,
    #[serde(rename = "historyId")]
    history_id: String,
    #[serde(rename = "nextPageToken")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    id: Option<String>,
    #[serde(rename = "messagesAdded", default)]
    added: Vec<Added>,
}

#[derive(Deserialize)]
struct Added {
    message: Named,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct ListPage {
    #[serde(default)]
    messages: Vec<Named>,
    #[serde(rename = "nextPageToken")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Attached {
    data: String,
}

#[derive(Deserialize)]
struct Thread {
    #[serde(default)]
    messages: Vec<Message>,
}

impl Mailbox {
    pub(super) fn new(wire: Wire, settings: Arc<GoogleSettings>, token: SecretString) -> Self {
        Self { wire, settings, token }
    }

    /// Whose it is.
    ///
    /// # Errors
    /// As Google says.
    pub async fn profile(&self) -> Result<Profile, Trouble> {
        self.ask(self.request(Method::GET, &["profile"], &[])?).await
    }

    /// Asks Gmail to tell of new mail, for about seven days. Asking again begins them anew. `None` where no topic is set.
    ///
    /// # Errors
    /// As Google says.
    pub async fn watch(&self) -> Result<Option<Watch>, Trouble> {
        let Some(topic) = &self.settings.topic else { return Ok(None) };
        let body = json!({ "topicName": topic, "labelIds": ["INBOX"], "labelFilterBehavior": "include" });
        let watched: Watched = self.ask(with(self.request(Method::POST, &["watch"], &[])?, &body)).await?;
        let expires_at = watched.expiration.parse().ok().and_then(DateTime::from_timestamp_millis);
        let unreadable = || Trouble::Lasting("a watch without an end".into());
        Ok(Some(Watch { expires_at: expires_at.ok_or_else(unreadable)? }))
    }

    /// Asks Gmail to tell no more.
    ///
    /// # Errors
    /// As Google says.
    pub async fn stop(&self) -> Result<(), Trouble> {
        self.ask::<Value>(with(self.request(Method::POST, &["stop"], &[])?, &json!({}))).await.map(drop)
    }

    /// What came into the inbox since a place in its history.
    ///
    /// # Errors
    /// `Missing` where the history does not reach back that far: see [`Mailbox::recent`].
    pub async fn since(&self, history_id: &str) -> Result<Changes, Trouble> {
        let mut changes = Changes { added: Vec::new(), history_id: history_id.to_owned() };
        let mut page = None;
        for _ in 0..PAGES_MAX {
            let mut query = vec![
                ("startHistoryId", history_id),
                ("historyTypes", "messageAdded"),
                ("labelId", "INBOX"),
                ("maxResults", PAGE),
            ];
            query.extend(page.as_deref().map(|page| ("pageToken", page)));
            let found: HistoryPage = self.ask(self.request(Method::GET, &["history"], &query)?).await?;
            let last = found.history.last().and_then(|entry| entry.id.clone());
            for added in found.history.into_iter().flat_map(|entry| entry.added) {
                if !changes.added.contains(&added.message.id) {
                    changes.added.push(added.message.id);
                }
            }
            match found.next {
                None => {
                    changes.history_id = found.history_id;
                    return Ok(changes);
                }
                // Should there be more than is walked at once, the next time goes on from here.
                Some(next) => {
                    changes.history_id = last.unwrap_or(changes.history_id);
                    page = Some(next);
                }
            }
        }
        Ok(changes)
    }

    /// What lies in the inbox from the last two days, and where its history stood before it was looked at.
    ///
    /// # Errors
    /// As Google says.
    pub async fn recent(&self) -> Result<Changes, Trouble> {
        let history_id = self.profile().await?.history_id;
        let mut added = self.found(CATCH_UP).await?;
        // Gmail lists the newest first.
        added.reverse();
        Ok(Changes { added, history_id })
    }

    /// Ids of what came in the last two days, and was not thrown away.
    ///
    /// # Errors
    /// As Google says.
    pub async fn young(&self) -> Result<Vec<String>, Trouble> {
        self.found(YOUNG).await
    }

    async fn found(&self, search: &str) -> Result<Vec<String>, Trouble> {
        let (mut ids, mut page) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let mut query = vec![("q", search), ("maxResults", PAGE)];
            query.extend(page.as_deref().map(|page| ("pageToken", page)));
            let found: ListPage = self.ask(self.request(Method::GET, &["messages"], &query)?).await?;
            ids.extend(found.messages.into_iter().map(|message| message.id));
            page = found.next;
            if page.is_none() {
                break;
            }
        }
        Ok(ids)
    }

    /// One message, with its text parts.
    ///
    /// # Errors
    /// `Missing` when it was deleted meanwhile.
    pub async fn message(&self, id: &str) -> Result<Message, Trouble> {
        self.ask(self.request(Method::GET, &["messages", id], &[("format", "full")])?).await
    }

    /// A part that was too large to come with its message.
    ///
    /// # Errors
    /// As Google says.
    pub async fn part(&self, message: &str, part: &str) -> Result<Vec<u8>, Trouble> {
        let request = self.request(Method::GET, &["messages", message, "attachments", part], &[])?;
        let attached: Attached = self.ask(request).await?;
        decode(&attached.data).ok_or_else(|| Trouble::Lasting("a part that can't be read".into()))
    }

    /// The message of a thread that we sent under this marker, if there is one: Gmail can't be told to send only once.
    ///
    /// # Errors
    /// As Google says; `Missing` where the thread is not there, so that nothing can be told.
    pub async fn sent(&self, thread: &str, marker: &str) -> Result<Option<String>, Trouble> {
        let sent = self.sent_in(thread).await?;
        Ok(sent.into_iter().find(|message| message.header(MARKER) == Some(marker)).map(|message| message.id))
    }

    /// Whether a person wrote into a thread from this mailbox after `since`.
    ///
    /// # Errors
    /// As Google says.
    pub async fn is_answered_by_hand(&self, thread: &str, since: DateTime<Utc>) -> Result<bool, Trouble> {
        let by_hand = |message: &Message| {
            message.header(MARKER).is_none() && message.arrived_at().is_some_and(|sent_at| sent_at > since)
        };
        match self.sent_in(thread).await {
            // Nobody answers in a thread that is not there.
            Err(Trouble::Missing) => Ok(false),
            sent => Ok(sent?.iter().any(by_hand)),
        }
    }

    /// What was sent from this mailbox in a thread; of its headers, the marker alone.
    async fn sent_in(&self, thread: &str) -> Result<Vec<Message>, Trouble> {
        let query = [("format", "metadata"), ("metadataHeaders", MARKER)];
        let thread: Thread = self.ask(self.request(Method::GET, &["threads", thread], &query)?).await?;
        let is_sent = |message: &Message| message.labels.iter().any(|label| label == "SENT");
        Ok(thread.messages.into_iter().filter(is_sent).collect())
    }

    /// Sends what [`crate::channels::google::Reply::raw`] wrote, into its thread; without one, Gmail begins another. Gives Gmail's
    /// id of it.
    ///
    /// # Errors
    /// As Google says; `Missing` where the thread is not there, and nothing was sent. After `Passing`, unlike after `Undone`, it
    /// may have been sent all the same: see [`Mailbox::sent`].
    pub async fn send(&self, raw: &str, thread: Option<&str>) -> Result<String, Trouble> {
        let request = self.request(Method::POST, &["messages", "send"], &[])?;
        let body = match thread {
            Some(thread) => json!({ "raw": raw, "threadId": thread }),
            None => json!({ "raw": raw }),
        };
        let sent: Named = self.ask(with(request, &body)).await?;
        Ok(sent.id)
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, Trouble> {
        self.wire.ask(request.header(header::AUTHORIZATION, bearer(&self.token)?)).await
    }

    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> Result<RequestBuilder, Trouble> {
        let nowhere = || Trouble::Lasting("no address to ask Gmail at".into());
        let mut url = Url::parse(&format!("{}/gmail/v1/users/me", self.settings.gmail_url)).map_err(|_| nowhere())?;
        // Ids come from outside: each stays one part of the path.
        url.path_segments_mut().map_err(|()| nowhere())?.extend(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(self.wire.client().request(method, url))
    }
}

fn with(request: RequestBuilder, body: &Value) -> RequestBuilder {
    request.json(body)
}
