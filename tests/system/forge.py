"""Signed units as an attacker sees them: taken apart, altered, and signed by whatever key he has. Made with OpenSSL and
hashlib, not with the library that the daemon uses."""

import base64
import hashlib
import json
import os
import subprocess

HEAD = 4 + 8 + 64  # "DRV1", the key's id, the signature
PURPOSE = b"drover unit 1"
# RFC 8410: an Ed25519 key in PKCS #8, and a public one, up to the key's own bytes.
PRIVATE_DER = bytes.fromhex("302e020100300506032b657004220420")


class Key:
    """A private key as `drover key generate` writes it."""

    def __init__(self, file, folder):
        with open(file, encoding="ascii") as f:
            label, _, text = f.read().strip().partition(":")
        assert label == "drover-signing-private1", label
        self.der = os.path.join(folder, f"{os.path.basename(file)}.der")
        with open(os.open(self.der, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as f:
            f.write(PRIVATE_DER + base64.b64decode(text))
        public = subprocess.run(["openssl", "pkey", "-inform", "DER", "-in", self.der, "-pubout", "-outform", "DER"],
                                check=True, capture_output=True).stdout[-32:]
        self.id = hashlib.blake2b(public, digest_size=32).digest()[:8]

    def sign(self, text, key_id=None):
        """The whole message of a text (bytes), or of a dictionary."""
        text = text if isinstance(text, bytes) else json.dumps(text, separators=(",", ":")).encode()
        key_id = key_id or self.id
        file = f"{self.der}.text"
        with open(file, "wb") as f:
            f.write(PURPOSE + key_id + text)
        signature = subprocess.run(["openssl", "pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey", self.der,
                                    "-in", file], check=True, capture_output=True).stdout
        return b"DRV1" + key_id + signature + text


def text_of(message):
    return message[HEAD:]


def read(message):
    return json.loads(text_of(message))


def flipped(message):
    """It with each of its bits flipped, one by one."""
    for bit in range(len(message) * 8):
        other = bytearray(message)
        other[bit // 8] ^= 1 << bit % 8
        yield bytes(other)
