ALTER TABLE messages DROP COLUMN reserved_tokens;
ALTER TABLE usage_entries DROP COLUMN is_estimated;
DROP TABLE token_months;
