"""One thread that all test telephones share: sockets, timers and the 20 ms beat of their audio."""
import heapq
import itertools
import os
import selectors
import threading
import time
import traceback

from patience import patient


class Engine:
    _one, _lock = None, threading.Lock()

    @classmethod
    def get(cls):
        with cls._lock:
            if cls._one is None:
                cls._one = cls()
            return cls._one

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.timers, self.count = [], itertools.count()
        self.posted, self.streams = [], set()
        self.wake_r, self.wake_w = os.pipe()
        os.set_blocking(self.wake_r, False)
        self.selector.register(self.wake_r, selectors.EVENT_READ, lambda: os.read(self.wake_r, 4096))
        self.changed = threading.Condition()  # notified after whatever happens to any call
        self.thread = threading.Thread(target=self._run, daemon=True, name="telephones")
        self.next_beat = time.monotonic()
        self.errors = []
        self.thread.start()

    def post(self, fn, *args):
        """Runs fn on the engine's thread."""
        self.posted.append((fn, args))
        os.write(self.wake_w, b"x")

    def call(self, fn, *args, timeout=10):
        """Runs fn on the engine's thread and returns its result."""
        if threading.current_thread() is self.thread:
            return fn(*args)
        done, box = threading.Event(), []

        def run():
            try:
                box.append((fn(*args), None))
            except Exception as e:  # handed to the caller
                box.append((None, e))
            done.set()
        self.post(run)
        if not done.wait(patient(timeout)):
            raise TimeoutError("the telephones' thread does not answer")
        value, error = box[0]
        if error:
            raise error
        return value

    def later(self, seconds, fn, *args):
        entry = [time.monotonic() + seconds, next(self.count), fn, args]
        heapq.heappush(self.timers, entry)
        return entry

    @staticmethod
    def cancel(entry):
        if entry:
            entry[2] = None

    def watch(self, sock, fn):
        self.selector.register(sock, selectors.EVENT_READ, fn)

    def unwatch(self, sock):
        try:
            self.selector.unregister(sock)
        except (KeyError, ValueError):
            pass

    def wait(self, condition, timeout):
        """True as soon as condition() holds; called from tests."""
        deadline = time.monotonic() + patient(timeout)
        with self.changed:
            while not condition():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self.changed.wait(min(left, 0.1))
        return True

    def _guard(self, fn, *args):
        try:
            fn(*args)
        except Exception:  # one telephone's mistake must not silence the others
            self.errors.append(traceback.format_exc())
            traceback.print_exc()

    def _run(self):
        while True:
            now = time.monotonic()
            until = min(self.timers[0][0] if self.timers else now + 1, self.next_beat if self.streams else now + 1)
            ready = self.selector.select(max(0, until - now))
            for key, _ in ready:
                self._guard(key.data)
            while self.posted:
                fn, args = self.posted.pop(0)
                self._guard(fn, *args)
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                _, _, fn, args = heapq.heappop(self.timers)
                if fn:
                    self._guard(fn, *args)
            self._beat(now)
            with self.changed:
                self.changed.notify_all()

    def _beat(self, now):
        if now < self.next_beat:
            return
        if now - self.next_beat > 0.2:
            self.next_beat = now
        while self.next_beat <= now:
            for s in list(self.streams):
                self._guard(s.beat)
            self.next_beat += 0.02
