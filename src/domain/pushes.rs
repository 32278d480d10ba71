//! Takes in what Cloud Pub/Sub pushes of mailboxes: who pushed is checked, whose mailbox it is looked up, and the notice kept once.
//! Must not look into the mailbox: whoever pushes is answered at once.

use uuid::Uuid;

use crate::{
    channels::google::{Notice, Unproven},
    db::tables::mailboxes,
    domain::inbox::Inbox,
    kernel::failure::Outcome,
};

/// What became of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is kept, or was before.
    Kept,
    /// It is of no use, and would be of none if it came again.
    Useless,
    /// Nobody shows that it is from our subscription.
    Unproven(Unproven),
}

impl Inbox<'_> {
    /// Takes in a push, with the `Authorization` that came with it.
    ///
    /// # Errors
    /// When the database is away: it will come again.
    pub async fn gmail(&self, body: &[u8], authorization: Option<&str>) -> Outcome<Pushed> {
        if let Err(unproven) = self.services.google.believes(authorization).await {
            return Ok(Pushed::Unproven(unproven));
        }
        let Some(notice) = Notice::read(body) else {
            tracing::warn!("a push that says nothing of a mailbox");
            return Ok(Pushed::Useless);
        };
        self.notice(notice, body).await
    }

    /// As [`Inbox::gmail`], for what is inside of a push, from anybody: for development.
    ///
    /// # Errors
    /// As [`Inbox::gmail`].
    pub async fn gmail_unproven(&self, body: &[u8]) -> Outcome<Pushed> {
        match Notice::told(body, format!("test-{}", Uuid::new_v4())) {
            Some(notice) => self.notice(notice, body).await,
            None => Ok(Pushed::Useless),
        }
    }

    async fn notice(&self, notice: Notice, body: &[u8]) -> Outcome<Pushed> {
        let owner = self.services.db.identify(async |tx| mailboxes::by_address(tx, &notice.address).await).await?;
        let Some(owner) = owner else {
            tracing::warn!(event = notice.id, "a push for a mailbox that is not connected");
            return Ok(Pushed::Useless);
        };
        self.keep(Some(owner), &notice.into_delivery(body), None).await?;
        Ok(Pushed::Kept)
    }
}
