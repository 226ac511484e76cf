-- Statements are planned for each tenant (plan_cache_mode of the session, libs/db/conn.c). What a batch does in a function
-- is the same for all tenants and small: its plans are kept, or PostgreSQL plans a dozen statements anew for each batch.
ALTER FUNCTION rep.seen(text[], text[]) SET plan_cache_mode = auto;
ALTER FUNCTION rep.add_staged() SET plan_cache_mode = auto;
