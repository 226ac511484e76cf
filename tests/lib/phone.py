"""A SIP phone that nobody here wrote (baresip), driven by a test or the demo.

    with Phone(directory, "1001", registrar="127.0.0.1:20060", domain="acme.example",
               password="secret", speaks="hello.wav", answers=True) as phone:
        phone.wait_registered()
        phone.wait("CALL_ESTABLISHED", timeout=20)

Its microphone plays a WAV file (8 kHz, mono, 16 bit) over and over; what it hears is written to heard(). Commands and events
go over baresip's ctrl_tcp (netstrings with JSON). One process a phone, ended with the object.
"""
import contextlib
import ctypes
import glob
import json
import os
import queue
import random
import signal
import socket
import subprocess
import threading
import time
import wave

from patience import patient


class PhoneError(Exception):
    pass


def _die_with_parent():
    ctypes.CDLL("libc.so.6").prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def phone_ports():
    """A first port of three: SIP (UDP and TCP), SIP over TLS right after it, commands. Below the range from which the kernel
    takes ports of outgoing connections: one of those could have it by the time baresip binds it."""
    for _ in range(100):
        first = random.randrange(10240, 16000, 4)
        try:
            with contextlib.ExitStack() as held:
                for port, kind in ((first, socket.SOCK_DGRAM), *((first + i, socket.SOCK_STREAM) for i in range(3))):
                    held.enter_context(socket.socket(socket.AF_INET, kind)).bind(("127.0.0.1", port))
            return first
        except OSError:
            continue
    raise PhoneError("no three free ports in a row between 10240 and 16000")


CONFIG = """poll_method epoll
sip_listen {host}:{port}
net_interface {host}
call_local_timeout 120
call_max_calls 4
audio_path /usr/share/baresip
audio_player aubridge,nil
audio_source aufile,{speaks}
audio_alert aubridge,nil
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_level no
rtp_tos 184
rtp_ports {rtp}-{rtp_last}
rtcp_mux no
jitter_buffer_delay 2-5
rtp_stats no
module_path /usr/lib/baresip/modules
module g711.so
module srtp.so
module aufile.so
module aubridge.so
module sndfile.so
module uuid.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{ctrl}
snd_path {heard}
"""


class Phone:
    def __init__(self, directory, user, port=0, registrar=None, domain="127.0.0.1", password="", speaks=None, answers=False,
                 outbound=None, rtp=None, transport="udp", host="127.0.0.1", name="", srtp=False):
        first = phone_ports()
        port = port or first
        self.user, self.port = user, port
        self.dir = os.path.join(directory, "phone-%s-%d" % (user, port))
        self.ctrl = first + 2
        self.events = queue.Queue()
        self.on_event = None  # called with each event, on the reader's thread
        self.seen = []
        self.log_path = os.path.join(self.dir, "log")
        heard = os.path.join(self.dir, "heard")
        os.makedirs(heard, exist_ok=True)
        speaks = self._endless(speaks)
        rtp = rtp or free_port(socket.SOCK_DGRAM) // 2 * 2
        with open(os.path.join(self.dir, "config"), "w") as f:
            f.write(CONFIG.format(host=host, port=port, speaks=speaks, ctrl=self.ctrl, heard=heard, rtp=rtp, rtp_last=rtp + 100))
        account = '%s<sip:%s@%s;transport=%s>;audio_codecs=pcma,pcmu' % ('"%s" ' % name if name else "", user, domain, transport)
        if password:
            account += ";auth_user=%s;auth_pass=%s" % (user, password)
        account += ";regint=%d" % (60 if registrar else 0)
        if registrar or outbound:
            account += ';outbound="sip:%s;transport=%s"' % (registrar or outbound, transport)
        if srtp:  # by a=crypto, and plain RTP will not do
            account += ";mediaenc=srtp-mand"
        account += ";answermode=%s;ptime=20;dtmfmode=rtp" % ("auto" if answers else "manual")
        with open(os.path.join(self.dir, "accounts"), "w") as f:
            f.write(account + "\n")
        open(os.path.join(self.dir, "contacts"), "w").close()
        self.log = open(self.log_path, "wb")
        self.proc = subprocess.Popen(["baresip", "-4", "-f", self.dir], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                     preexec_fn=_die_with_parent, start_new_session=True)
        self.sock = self._connect()
        threading.Thread(target=self._read, daemon=True).start()

    def _endless(self, speaks, seconds=600):
        """baresip hangs up at the end of its audio file: the same over and over, longer than any call here."""
        path = os.path.join(self.dir, "speaks.wav")
        frames, rate = b"\0\0" * 8000, 8000
        if speaks:
            with wave.open(speaks, "rb") as w:
                rate = w.getframerate()
                frames = w.readframes(w.getnframes())
        with wave.open(path, "wb") as w:
            w.setnchannels(1)
            w.setsampwidth(2)
            w.setframerate(rate)
            for _ in range(max(1, seconds * rate * 2 // len(frames))):
                w.writeframesraw(frames)
        return path

    def _connect(self):
        deadline = time.monotonic() + patient(10)
        while time.monotonic() < deadline:
            if self.proc.poll() is not None:
                raise PhoneError("phone %s ended at once:\n%s" % (self.user, self.text()))
            try:
                return socket.create_connection(("127.0.0.1", self.ctrl), timeout=1)
            except OSError:
                time.sleep(0.05)
        raise PhoneError("phone %s does not listen to commands:\n%s" % (self.user, self.text()))

    def _read(self):
        data = b""
        self.sock.settimeout(None)
        try:
            while True:
                more = self.sock.recv(65536)
                if not more:
                    return
                data += more
                while b":" in data:
                    head, rest = data.split(b":", 1)
                    if len(rest) < int(head) + 1:
                        break
                    self._event(json.loads(rest[:int(head)]))
                    data = rest[int(head) + 1:]
        except (OSError, ValueError):
            return

    def _event(self, message):
        if message.get("event"):
            message["at"] = time.time()
            self.events.put(message)
            if self.on_event:
                self.on_event(message)

    def command(self, command, params=""):
        text = json.dumps({"command": command, "params": params}).encode()
        self.sock.sendall(b"%d:%s," % (len(text), text))

    def wait(self, *types, timeout=15):
        """The next event of one of these types (older ones not yet waited for count); raises PhoneError after timeout."""
        deadline = time.monotonic() + patient(timeout)
        for i, e in enumerate(self.seen):
            if e["type"] in types:
                return self.seen.pop(i)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise PhoneError("phone %s: none of %s within %s s; seen: %s\n%s" % (
                    self.user, types, timeout, [e["type"] for e in self.seen], self.text()[-1500:]))
            try:
                e = self.events.get(timeout=left)
            except queue.Empty:
                continue
            if e["type"] in types:
                return e
            self.seen.append(e)

    def wait_registered(self, timeout=10):
        """The registration may be answered before we listen to events: the phone's own words count."""
        deadline = time.monotonic() + patient(timeout)
        while " 200 OK" not in self.text():
            if time.monotonic() > deadline or self.proc.poll() is not None:
                raise PhoneError("phone %s did not register within %s s:\n%s" % (self.user, timeout, self.text()[-1500:]))
            time.sleep(0.05)
        return self

    def registered(self, timeout=10):
        """The registrar has answered 200 (it may have before anybody could listen to events)."""
        deadline = time.monotonic() + patient(timeout)
        while time.monotonic() < deadline:
            if " 200 OK " in self.text():
                return True
            time.sleep(0.05)
        raise PhoneError("phone %s did not register within %s s:\n%s" % (self.user, timeout, self.text()[-1500:]))

    def dial(self, uri):
        self.command("dial", uri)

    def answer(self):
        self.command("accept")

    def hang_up(self):
        self.command("hangup")

    def hold(self):
        self.command("hold")

    def resume(self):
        self.command("resume")

    def press(self, keys):
        for key in keys:
            self.command("sndcode", key)
            time.sleep(0.15)

    def heard(self):
        """WAV files of what the phone heard, oldest first."""
        return sorted(glob.glob(os.path.join(self.dir, "heard", "*-dec.wav")))

    def text(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return "".join(line for line in f if line.strip() and "(bit/s)" not in line)
        except OSError:
            return ""

    def kill(self):
        """Vanishes: no BYE, no unregister."""
        self.proc.kill()
        self.proc.wait()

    def close(self):
        if self.proc.poll() is None:
            self.proc.terminate()
            try:
                self.proc.wait(5)
            except subprocess.TimeoutExpired:
                self.proc.kill()
                self.proc.wait()
        self.sock.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
