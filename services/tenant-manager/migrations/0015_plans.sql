-- Statements are planned for each tenant (plan_cache_mode of the session, libs/db/conn.c). What a trigger does is for one
-- row or one statement, by a key: its plans are kept.
ALTER FUNCTION tm.claim_number() SET plan_cache_mode = auto;
ALTER FUNCTION tm.claim_domain() SET plan_cache_mode = auto;
ALTER FUNCTION tm.audit_chain() SET plan_cache_mode = auto;
ALTER FUNCTION tm.count_resources() SET plan_cache_mode = auto;
ALTER FUNCTION tm.count_audio() SET plan_cache_mode = auto;
ALTER FUNCTION tm.count_flow_version() SET plan_cache_mode = auto;
ALTER FUNCTION tm.keep_flow_version() SET plan_cache_mode = auto;
ALTER FUNCTION tm.due(int) SET plan_cache_mode = auto;
