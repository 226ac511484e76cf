-- The rows of a running interval and of a running call are updated again and again. With room left on their pages the new version
-- stays on the page and no index changes (HOT); what is full already fills up as it did.
ALTER TABLE rep.queue_interval SET (fillfactor = 50);
ALTER TABLE rep.agent_interval SET (fillfactor = 50);
ALTER TABLE rep.tenant_interval SET (fillfactor = 50);
ALTER TABLE rep.agent_seen SET (fillfactor = 50);
ALTER TABLE rep.call SET (fillfactor = 60);
