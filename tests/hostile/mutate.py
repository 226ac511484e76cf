"""Bytes that nobody should send: valid messages with wounds, and messages of a grammar that overdoes it. From a seed; no I/O."""
import random

ODD = [b"", b"\0", b"\r\n", b"\r", b"\n", b"\r\n\r\n", b" ", b"\t", b"\xff", b"\xc3\x28", b"\xef\xbb\xbf", b"%00", b"%", b"%s%n%x", b"\"", b"\\", b"<", b">",
       b";", b",", b"@", b":", b"::", b"[", b"]", b"[::1]", b"*", b"-1", b"0", b"2147483648", b"4294967296", b"18446744073709551616", b"1e999", b"../../etc/passwd",
       b"' OR 1=1 --", b"${jndi:ldap://x}", b"<script>", b"z9hG4bK", b"SIP/2.0", b"sip:", b"sips:", b"tel:", b"isbn:2", b"A" * 300, b"A" * 5000, b";a" * 200, b"\r\n " * 50]


class Mutator:
    def __init__(self, seed):
        self.rng = random.Random(seed)

    def wound(self, data, most=4):
        """One to `most` wounds."""
        r, out = self.rng, bytearray(data)
        for _ in range(r.randint(1, most)):
            if not out:
                return bytes(out)
            at, kind = r.randrange(len(out)), r.randrange(8)
            n = 1 + min(r.randrange(64), len(out) - at)
            if kind == 0:
                out[at] = r.randrange(256)
            elif kind == 1:
                del out[at:at + n]
            elif kind == 2:
                out[at:at] = out[at:at + n]
            elif kind == 3:
                out[at:at + r.randrange(3)] = r.choice(ODD)
            elif kind == 4 and r.random() < 0.2:
                del out[at:]
            elif kind == 5:
                out[at] ^= 1 << r.randrange(8)
            elif kind == 6:
                other = r.randrange(len(out))
                out[at:at + n] = out[other:other + n]
            else:
                out[at:at + 1] = bytes([b"\r\n<>\"@;:,%\0 =?[]()/\\\t"[r.randrange(21)]])
        return bytes(out[:60000])

    def line(self, data):
        """A header line lost, doubled, moved, emptied or overgrown."""
        r = self.rng
        head, sep, body = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        i, kind = r.randrange(len(lines)), r.randrange(7)
        if kind == 0:
            del lines[i]
        elif kind == 1:
            lines[i:i] = [lines[i]] * r.choice((1, 2, 80))
        elif kind == 2:
            r.shuffle(lines)
        elif kind == 3:
            lines[i] = lines[i].partition(b":")[0] + b":" + r.choice(ODD)
        elif kind == 4:
            lines[i] += b";" + r.choice(ODD) + b"=" + r.choice(ODD)
        elif kind == 5:
            lines[i] = lines[i].partition(b":")[0] + b": " + b", ".join([lines[i].partition(b":")[2]] * r.choice((2, 50)))
        else:
            lines.insert(i, r.choice((b"Require", b"Route", b"Record-Route", b"Via", b"Contact", b"Content-Length", b"Authorization", b"Session-Expires",
                                      b"RAck", b"Max-Forwards", b"Content-Encoding", b"Replaces", b"Path", b"X")) + b": " + r.choice(ODD))
        return (b"\r\n".join(lines) + sep + body)[:60000]

    def any(self, data):
        kind = self.rng.random()
        if kind < 0.45:
            return self.wound(data)
        if kind < 0.85:
            return self.line(data)
        if kind < 0.95:
            return self.wound(self.line(data))
        return self.rng.randbytes(self.rng.randrange(1, 1200))

    def tree(self, value, depth=0):
        """JSON-like data with values of other kinds, sizes and depths in it."""
        r = self.rng
        if isinstance(value, dict) and r.random() < 0.9:
            return {k: self.tree(v, depth + 1) for k, v in value.items() if r.random() < 0.97}
        if isinstance(value, list) and r.random() < 0.9:
            out = [self.tree(v, depth + 1) for v in value]
            return out * r.choice((1, 1, 1, 1, 2, 30)) if depth < 4 else out
        if r.random() < 0.8:
            return value
        odd = r.choice(ODD).decode("latin-1")
        return r.choice((odd, -1, 2 ** 31 - 1, 2 ** 31, True, odd * 3, "", value))
