-- Whose number a message was sent to is told before anybody is known: by the role that tells who somebody is. It sees what
-- routes, and the public key; no secret.
CREATE POLICY identity_reads ON sms_settings FOR SELECT TO frontdesk_identity USING (true);
GRANT SELECT (tenant_id, telnyx_phone_number, telnyx_public_key, twilio_phone_number, twilio_account_sid)
    ON sms_settings TO frontdesk_identity;
