REVOKE SELECT (tenant_id, telnyx_phone_number, telnyx_public_key, twilio_phone_number, twilio_account_sid)
    ON sms_settings FROM frontdesk_identity;
DROP POLICY identity_reads ON sms_settings;
