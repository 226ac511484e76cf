"""PostgreSQL made slow: a TCP proxy in front of it, which holds back what a client sends for delay_s. What a client sends at once (a query with its
parameters) is delayed once, so each round trip takes so much longer.

    p = Proxy(22520, 22000).start()
    p.delay_s = 0.5
"""
import asyncio
import threading


class Proxy:
    def __init__(self, port, to_port):
        self.port, self.to_port, self.delay_s = port, to_port, 0.0

    def start(self):
        ready = threading.Event()
        self.loop = asyncio.new_event_loop()

        async def serve():
            await asyncio.start_server(self._client, "127.0.0.1", self.port)
            ready.set()

        def run():
            asyncio.set_event_loop(self.loop)
            self.loop.run_until_complete(serve())
            self.loop.run_forever()
        threading.Thread(target=run, daemon=True).start()
        if not ready.wait(5):
            raise RuntimeError("the proxy of PostgreSQL does not start at port %d" % self.port)
        return self

    async def _client(self, reader, writer):
        try:
            there, to = await asyncio.open_connection("127.0.0.1", self.to_port)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._copy(reader, to, True), self._copy(there, writer, False))

    async def _copy(self, reader, writer, slow):
        try:
            while data := await reader.read(1 << 16):
                if slow and self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()


def conninfo_sets(plan, port):
    """--set options that send every client of PostgreSQL through the proxy; the password in them, since a .pgpass names the real port."""
    from clusterlib import backends
    out = []
    for service, role in (("tenant-manager", "tenant_manager"), ("recorder", "recorder"), ("reporting", "reporting")):
        for key, who in (("conninfo", role), ("migrate_conninfo", backends.OWNER)):
            out.append("%s.db.%s=host=127.0.0.1 port=%d dbname=%s user=%s sslmode=disable connect_timeout=5 password=%s" % (
                service, key, port, backends.DATABASE, who, backends.password(plan, who)))
    return out
