REVOKE SELECT (user_id, tenant_id, revoked_at) ON sessions FROM frontdesk_tenant, frontdesk_admin;
GRANT SELECT ON sessions TO frontdesk_tenant, frontdesk_admin;
REVOKE UPDATE (business_name, website_url, phone_number, contact_email, time_zone, updated_at) ON tenants FROM frontdesk_tenant;
GRANT UPDATE ON tenants TO frontdesk_tenant;
