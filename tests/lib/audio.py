"""Audio for tests and the demo: make tones and speech, find tones again. WAV, 8 kHz, mono, 16 bit. Standard library only."""
import array
import math
import struct
import subprocess
import wave

RATE = 8000


def write_wav(path, samples):
    with wave.open(path, "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(RATE)
        w.writeframes(struct.pack("<%dh" % len(samples), *samples))
    return path


def tone(path, hz, seconds=10.0, level=0.25):
    n = int(RATE * seconds)
    return write_wav(path, [int(32767 * level * math.sin(2 * math.pi * hz * i / RATE)) for i in range(n)])


def speech(path, text, voice="en"):
    """espeak-ng at its own rate, brought to 8 kHz by sox."""
    raw = path + ".22k.wav"
    subprocess.run(["espeak-ng", "-v", voice, "-s", "150", "-w", raw, text], check=True)
    subprocess.run(["sox", "-G", raw, "-r", str(RATE), "-c", "1", "-b", "16", path], check=True)
    subprocess.run(["rm", "-f", raw], check=True)
    return path


def read_wav(path):
    """Channels as lists of samples, and the rate."""
    with wave.open(path, "rb") as w:
        n, rate = w.getnchannels(), w.getframerate()
        data = array.array("h", w.readframes(w.getnframes()))
    return [data[c::n] for c in range(n)], rate


def read_any(path):
    """Any format sox reads (MP3 too) as 8 kHz samples per channel."""
    out = subprocess.run(["sox", path, "-t", "wav", "-r", str(RATE), "-b", "16", "-e", "signed", "-"], check=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    import io
    with wave.open(io.BytesIO(out), "rb") as w:
        n = w.getnchannels()
        data = array.array("h", w.readframes(w.getnframes()))
    if len(data) % n:
        data = data[:len(data) - len(data) % n]
    return [data[c::n] for c in range(n)], RATE


def strength(samples, hz, rate=RATE):
    """Share of the energy that is at this frequency, 0 … 1 (Goertzel)."""
    n = len(samples)
    if not n:
        return 0.0
    w = 2 * math.pi * hz / rate
    c = 2 * math.cos(w)
    s1 = s2 = 0.0
    energy = 0.0
    for x in samples:
        s1, s2 = x + c * s1 - s2, s1
        energy += x * x
    power = s1 * s1 + s2 * s2 - c * s1 * s2
    return min(1.0, 2 * power / (n * energy)) if energy > n else 0.0


def seconds_of(samples, hz, rate=RATE, window=0.1, least=0.5):
    """How many seconds of the audio carry this tone, in windows."""
    step = int(rate * window)
    return sum(window for i in range(0, len(samples) - step + 1, step) if strength(samples[i:i + step], hz, rate) >= least)
