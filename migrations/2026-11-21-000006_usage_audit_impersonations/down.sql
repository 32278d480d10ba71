DROP TABLE audit_entries;
DROP TABLE impersonations;
DROP TABLE usage_entries;
