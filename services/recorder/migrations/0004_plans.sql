-- Statements are planned for each tenant (plan_cache_mode of the session, libs/db/conn.c). What a trigger does is for one
-- row or one statement, by a key: its plans are kept.
ALTER FUNCTION rec.count_added() SET plan_cache_mode = auto;
ALTER FUNCTION rec.count_changed() SET plan_cache_mode = auto;
ALTER FUNCTION rec.count_gone() SET plan_cache_mode = auto;
ALTER FUNCTION rec.lock_purge(text, boolean) SET plan_cache_mode = auto;
ALTER FUNCTION rec.refuse_purged() SET plan_cache_mode = auto;
