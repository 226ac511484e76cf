"""The audio of one test call: sends a tone or a file every 20 ms, keys as RFC 4733, and keeps what it hears."""
import array
import math
import random
import socket
import struct
import time
import warnings

import audio

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # gone with Python 3.13; Debian 12 has 3.11
    import audioop

SAMPLES = 160
EVENTS = {k: i for i, k in enumerate("0123456789*#ABCD")}
SILENCE = array.array("h", [0] * SAMPLES).tobytes()


def frames_of_tone(hz, level=0.25):
    """A second of the tone in 20 ms frames; only whole numbers of Hz join seamlessly."""
    s = array.array("h", (int(32767 * level * math.sin(2 * math.pi * hz * i / audio.RATE)) for i in range(audio.RATE)))
    return [s[i:i + SAMPLES].tobytes() for i in range(0, len(s), SAMPLES)]


def frames_of_file(path):
    channels, _ = audio.read_wav(path)
    s = array.array("h", channels[0])
    return [s[i:i + SAMPLES].tobytes() for i in range(0, len(s) - SAMPLES + 1, SAMPLES)]


class RtpLeg:
    def __init__(self, engine, host, speaks=None):
        self.engine, self.host = engine, host
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))
        self.sock.setblocking(False)
        self.port = self.sock.getsockname()[1]
        self.remote, self.payload, self.event_payload, self.sends, self.muted = None, 8, 101, True, False
        self.frames = {}
        self.say(speaks)
        self.seq, self.stamp, self.ssrc = random.randrange(65536), random.randrange(1 << 31), random.randrange(1 << 32)
        self.at = 0
        self.keys, self.key_frame = [], 0
        self.sent = 0
        self.heard = []  # (time, seq, payload type, payload)
        self.sources = set()
        engine.watch(self.sock, self._receive)

    def say(self, speaks):
        """A number: a tone in Hz; a path: a WAV file, over and over; None: silence."""
        linear = [SILENCE] if speaks is None else frames_of_tone(speaks) if isinstance(speaks, (int, float)) else frames_of_file(speaks)
        self.frames = {8: [audioop.lin2alaw(f, 2) for f in linear], 0: [audioop.lin2ulaw(f, 2) for f in linear]}
        self.at = 0

    def start(self, remote, payloads, event_payload):
        self.remote = remote
        self.payload = next((p for p in payloads if p in (0, 8)), 8)
        self.event_payload = event_payload or 101
        self.engine.streams.add(self)

    def press(self, key):
        self.keys.append(key)

    def _packet(self, payload_type, payload, marker=0, stamp=None):
        head = struct.pack("!BBHII", 0x80, marker << 7 | payload_type, self.seq & 0xFFFF, (self.stamp if stamp is None else stamp) & 0xFFFFFFFF,
                           self.ssrc)
        self.seq += 1
        try:
            self.sock.sendto(head + payload, self.remote)
            self.sent += 1
        except OSError:
            pass

    def beat(self):
        if not self.remote or not self.sends or self.muted:
            return
        if self.keys:
            self._key()
        else:
            frames = self.frames[self.payload]
            self._packet(self.payload, frames[self.at % len(frames)])
            self.at += 1
        self.stamp += SAMPLES

    def _key(self):
        """80 ms of one key: three updates and three ends; then 40 ms of pause."""
        n = self.key_frame
        if n == 0:
            self.key_stamp = self.stamp
        if n < 6:
            end = n >= 4
            body = struct.pack("!BBH", EVENTS[self.keys[0]], (0x80 if end else 0) | 10, min(4, n + 1) * SAMPLES)
            for _ in range(2 if n == 4 else 1):
                self._packet(self.event_payload, body, marker=n == 0, stamp=self.key_stamp)
        self.key_frame += 1
        if self.key_frame == 9:
            self.keys.pop(0)
            self.key_frame = 0

    def _receive(self):
        while True:
            try:
                data, source = self.sock.recvfrom(2048)
            except OSError:
                return
            if len(data) > 12 and data[0] >> 6 == 2:
                self.sources.add(source)
                self.heard.append((time.monotonic(), struct.unpack("!H", data[2:4])[0], data[1] & 0x7F, data[12:]))

    def samples(self, since=0.0, until=float("inf")):
        """What was heard in a span of time.monotonic(), joined as it came; lost packets are simply missing."""
        out = bytearray()
        for at, _, kind, payload in list(self.heard):
            if since <= at <= until:
                if kind == 8:
                    out += audioop.alaw2lin(payload, 2)
                elif kind == 0:
                    out += audioop.ulaw2lin(payload, 2)
        return array.array("h", bytes(out))

    def hears(self, hz, since=0.0, until=float("inf")):
        """Seconds of the tone in what was heard."""
        return audio.seconds_of(self.samples(since, until), hz)

    def loudest_gap(self, since, until):
        """Longest time without a packet in the span."""
        times = [since] + [h[0] for h in list(self.heard) if since <= h[0] <= until] + [until]
        return max(b - a for a, b in zip(times, times[1:]))

    def close(self):
        self.engine.streams.discard(self)
        self.engine.unwatch(self.sock)
        self.sock.close()
