DROP INDEX leads_by_address;
ALTER TABLE leads DROP CONSTRAINT leads_email_in_lower_case;
