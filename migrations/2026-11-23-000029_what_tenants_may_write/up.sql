-- Row-level security says which row of tenants is a tenant's own, and nothing of columns: its subdomain, whether it is active, its
-- quota and its websites are the platform's to decide. Its own transactions write its profile.
REVOKE UPDATE ON tenants FROM frontdesk_tenant;
GRANT UPDATE (business_name, website_url, phone_number, contact_email, time_zone, updated_at) ON tenants TO frontdesk_tenant;

-- Who ends somebody's sessions has to find them. What a refresh token is known by is for the role alone that finds out who somebody is.
REVOKE SELECT ON sessions FROM frontdesk_tenant, frontdesk_admin;
GRANT SELECT (user_id, tenant_id, revoked_at) ON sessions TO frontdesk_tenant, frontdesk_admin;
