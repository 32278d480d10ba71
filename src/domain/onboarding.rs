//! The provisioning checklist, worked out from what is really there. Must not be kept anywhere.

use crate::{
    db::tables::{
        provisioning::Provisioned,
        settings::{EmailRow, SmsRow, VoiceRow},
        tenants::TenantRow,
    },
    domain::settings::{TELNYX_API_KEY, TWILIO_AUTH_TOKEN},
};

/// One step of the checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What programs know it by.
    pub key: &'static str,
    /// What people know it by.
    pub title: &'static str,
    /// Whether it is done.
    pub is_done: bool,
    /// What to do next, while it is not.
    pub hint: Option<&'static str>,
}

/// The steps, in the order in which they are best taken.
#[must_use]
pub fn steps(tenant: &TenantRow, is: &Provisioned) -> Vec<Step> {
    let settings = &is.settings;
    vec![
        step(
            "tenant",
            "The tenant is active",
            if tenant.is_active {
                None
            } else {
                Some("An administrator of the platform switches it on: updateTenant with isActive: true.")
            },
        ),
        step(
            "admin_user",
            "It has an administrator of its own",
            if is.has_administrator {
                None
            } else {
                Some("Make one: createUser with role TENANT_ADMIN, naming the tenant in X-Tenant-Id.")
            },
        ),
        step(
            "prompt",
            "The assistant knows the business",
            if is.has_prompt || tenant.system_prompt.is_some() {
                None
            } else {
                Some("Say what the business is: setupPrompt. Until then the global base answers alone.")
            },
        ),
        step("profile", "Customers can be told how to reach a person", profile(tenant)),
        step("sms", "Text messages are answered", sms(&settings.sms, is)),
        step("voice", "Phone calls are answered", voice(&settings.voice)),
        step("email", "E-mail is answered", email(&settings.email)),
    ]
}

fn step(key: &'static str, title: &'static str, hint: Option<&'static str>) -> Step {
    Step { key, title, is_done: hint.is_none(), hint }
}

fn profile(tenant: &TenantRow) -> Option<&'static str> {
    if tenant.business_name.is_none() {
        Some("Say the name that customers know: updateTenantProfile with businessName.")
    } else if tenant.phone_number.is_none() && tenant.contact_email.is_none() {
        Some("Say where a person is reached: updateTenantProfile with phoneNumber or email.")
    } else {
        None
    }
}

fn sms(sms: &SmsRow, is: &Provisioned) -> Option<&'static str> {
    let telnyx = sms.telnyx_phone_number.is_some() && is.secret(TELNYX_API_KEY).is_some();
    let twilio =
        sms.twilio_phone_number.is_some() && sms.twilio_account_sid.is_some() && is.secret(TWILIO_AUTH_TOKEN).is_some();
    if sms.telnyx_phone_number.is_none() && sms.twilio_phone_number.is_none() {
        Some("Connect a number: updateSmsSettings with telnyxPhoneNumber or twilioPhoneNumber.")
    } else if !telnyx && !twilio {
        Some(
            "The number needs its provider's key: updateSmsSettings with telnyxApiKey, or twilioAccountSid and twilioAuthToken.",
        )
    } else if !sms.is_enabled {
        Some(
            "Point the provider's webhook at tenant { sms { webhookUrls } }, then switch it on: updateSmsSettings with isEnabled: true.",
        )
    } else {
        None
    }
}

fn voice(voice: &VoiceRow) -> Option<&'static str> {
    if voice.assistant_id.is_none() {
        Some(
            "Make an assistant at Telnyx with the addresses in tenant { voice { webhookUrls } }, and name it: updateVoiceSettings with assistantId.",
        )
    } else if voice.phone_number.is_none() {
        Some("Say which number customers call: updateVoiceSettings with phoneNumber.")
    } else if !voice.is_enabled {
        Some("Switch it on: updateVoiceSettings with isEnabled: true.")
    } else {
        None
    }
}

fn email(email: &EmailRow) -> Option<&'static str> {
    if email.connected_address.is_none() {
        Some("Connect a mailbox: startEmailConnection, then give the consent at the authorizationUrl that it answers.")
    } else if email.revoked_reason.is_some() {
        Some("Google no longer accepts the consent: connect the mailbox again with startEmailConnection.")
    } else if !email.is_enabled {
        Some("Switch it on: updateEmailSettings with isEnabled: true.")
    } else {
        None
    }
}
