REVOKE UPDATE (created_at) ON opt_outs FROM frontdesk_tenant;
DROP TABLE opt_ins;
