"""What is heard in the demo: prompts, the voices of agents and callers (espeak-ng), and two pieces of music. Made once."""
import math
import os

import audio

EN, ZH = "en", "cmn-latn-pinyin"
PROMPTS = {
    "acme-welcome": (EN, "Welcome to Acme."),
    "acme-menu": (EN, "For sales, press one. For support, press two."),
    "acme-connected": (EN, "You are being connected."),
    "huaxia-welcome": (ZH, "欢迎致电华夏客服。"),
    "huaxia-menu": (ZH, "销售请按一，技术支持请按二。"),
    "huaxia-connected": (ZH, "正在为您接通。"),
    "agent-1001": ("en+f3", "Hello, this is Alice of Acme, how can I help you? Yes, I see. Let me look that up for you."),
    "agent-1002": ("en+m3", "Acme support, Bob speaking. Please switch it off and on again. Did that help?"),
    "agent-1003": ("en+f4", "Good morning, my name is Carol. What can I do for you today?"),
    "agent-8001": (ZH + "+f3", "您好，我是王芳，请问有什么可以帮您？"),
    "agent-8002": (ZH + "+m3", "您好，我是李伟。请您先重新启动一下设备。"),
    "agent-8003": (ZH + "+f4", "华夏客服，我是赵敏，很高兴为您服务。"),
    "caller-en": ("en+m5", "Hello, I am calling about my order, number four seven one one. When will it arrive?"),
    "caller-zh": (ZH + "+m5", "您好，我想问一下我的订单，什么时候可以到？"),
}
TUNES = {  # semitones above A3, a note each quarter of a second
    "music-acme": [0, 4, 7, 12, 7, 4, 0, 4, 5, 9, 12, 17, 12, 9, 5, 9, 7, 11, 14, 19, 14, 11, 7, 11, 0, 4, 7, 12, 16, 12, 7, 4],
    "music-huaxia": [0, 3, 5, 7, 10, 7, 5, 3, 12, 10, 7, 5, 7, 5, 3, 0, 3, 5, 7, 10, 12, 15, 12, 10, 7, 10, 7, 5, 3, 5, 3, 0],
}


def tune(path, notes, length=0.25):
    out, n = [], int(audio.RATE * length)
    for note in notes:
        hz = 220 * 2 ** (note / 12)
        for i in range(n):
            t = i / audio.RATE
            out.append(int(5000 * math.exp(-4 * t) * (math.sin(2 * math.pi * hz * t) + 0.4 * math.sin(4 * math.pi * hz * t))))
    return audio.write_wav(path, out)


def prepare(directory):
    """Every file that is not there yet; a file appears whole or not at all."""
    os.makedirs(directory, exist_ok=True)
    made = 0
    for name, what in [*PROMPTS.items(), *TUNES.items()]:
        path = os.path.join(directory, name + ".wav")
        if os.path.exists(path):
            continue
        tmp = os.path.join(directory, "." + name + ".wav")
        if name in TUNES:
            tune(tmp, what)
        else:
            audio.speech(tmp, what[1], what[0])
        os.replace(tmp, path)
        made += 1
    return made
