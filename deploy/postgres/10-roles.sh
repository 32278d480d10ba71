#!/bin/sh
# Makes the roles and the database, once, when the volume is empty. Runs as PostgreSQL's superuser, whom nobody else signs in as.
#
#   frontdesk_owner   owns the database and its tables, and makes the no-login roles; for `frontdesk migrate` alone
#   frontdesk_app     what the gateways sign in as: owns nothing, inherits nothing; `frontdesk migrate` grants it the rest
set -eu
: "${OWNER_DB_PASSWORD:?}" "${APP_DB_PASSWORD:?}"

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
    --set owner="$OWNER_DB_PASSWORD" --set app="$APP_DB_PASSWORD" <<'SQL'
CREATE ROLE frontdesk_owner LOGIN CREATEROLE PASSWORD :'owner';
-- Made by the owner, who may then change its password and grant to it, in PostgreSQL 16 and newer too.
SET ROLE frontdesk_owner;
CREATE ROLE frontdesk_app LOGIN NOINHERIT PASSWORD :'app';
RESET ROLE;
CREATE DATABASE frontdesk OWNER frontdesk_owner;
REVOKE CONNECT, TEMPORARY ON DATABASE frontdesk FROM PUBLIC;
GRANT CONNECT ON DATABASE frontdesk TO frontdesk_app;
\connect frontdesk
ALTER SCHEMA public OWNER TO frontdesk_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SQL
