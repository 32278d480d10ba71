//! How the tenant is reached, where its assistant looks for passages, and who writes its replies.

use async_graphql::{Context, Object, Result};

use crate::{
    domain::{mailbox, models, settings},
    graph::{
        auth::{Access, auth},
        context,
        types::{
            given,
            mailbox::{EmailConnection, EmailSettings, EmailSettingsInput, StartEmailConnectionInput},
            settings::{
                ModelSettings, ModelSettingsInput, RetrievalSettings, RetrievalSettingsInput, SmsSettings,
                SmsSettingsInput, VoiceSettings, VoiceSettingsInput,
            },
        },
    },
};

#[derive(Default)]
pub struct SettingsMutation;

#[Object]
impl SettingsMutation {
    /// Changes how the tenant is reached by text message.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_sms_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: SmsSettingsInput,
    ) -> Result<SmsSettings> {
        let cx = context::administered(ctx)?;
        let is = settings::update_sms(cx, input.try_into()?).await?;
        Ok(SmsSettings::new(&is, cx.services()))
    }

    /// Changes how the tenant is reached by phone.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_voice_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: VoiceSettingsInput,
    ) -> Result<VoiceSettings> {
        let cx = context::administered(ctx)?;
        let is = settings::update_voice(cx, input.try_into()?).await?;
        Ok(VoiceSettings::new(cx.scope().tenant(), &is, cx.services()))
    }

    /// Changes how the tenant is reached by mail.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_email_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: EmailSettingsInput,
    ) -> Result<EmailSettings> {
        let is = settings::update_email(context::administered(ctx)?, given("isEnabled", input.is_enabled)?).await?;
        Ok(EmailSettings::new(&is))
    }

    /// Begins to connect a mailbox of Google's: an administrator goes to `authorizationUrl`, and comes back to `returnTo`.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn start_email_connection(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How to come back.")] input: Option<StartEmailConnectionInput>,
    ) -> Result<EmailConnection> {
        let return_to = input.and_then(|input| input.return_to);
        Ok(mailbox::start(context::administered(ctx)?, return_to.as_deref()).await?.into())
    }

    /// Disconnects the tenant's mailbox. Its tokens are forgotten and given back to Google; conversations stay.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn disconnect_email(&self, ctx: &Context<'_>) -> Result<EmailSettings> {
        Ok(EmailSettings::new(&mailbox::disconnect(context::administered(ctx)?).await?))
    }

    /// Changes where the tenant's assistant looks for passages to answer from.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_retrieval_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: RetrievalSettingsInput,
    ) -> Result<RetrievalSettings> {
        let is = settings::update_retrieval(context::administered(ctx)?, input.try_into()?).await?;
        Ok(RetrievalSettings::new(&is))
    }

    /// Changes who writes the tenant's replies.
    #[graphql(directive = auth::apply(Access::TenantAdmin))]
    async fn update_model_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: ModelSettingsInput,
    ) -> Result<ModelSettings> {
        let is = models::update(context::administered(ctx)?, input.try_into()?).await?;
        Ok(ModelSettings::new(&is))
    }
}
