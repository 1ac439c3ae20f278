// Preloaded (`node -r ./native.cjs`): the same Argon2id, by the libsodium that $PYTHON has.
// WebAssembly takes 4 s for a derivation, and this 0.6 s.
const { execFileSync } = require("child_process");
const sodium = require("libsodium-wrappers");

const CODE = `
import sys
from nacl.pwhash.argon2id import kdf
size, password, salt, passes, memory = sys.argv[1:]
key = kdf(int(size), bytes.fromhex(password), bytes.fromhex(salt), int(passes), int(memory))
print(key.hex(), end="")
`;
const encode = (bytes) => Buffer.from(bytes).toString("hex");

sodium.ready.then(() => {
  sodium.crypto_pwhash = (size, password, salt, passes, memory) => {
    const words = ["-c", CODE, size, encode(password), encode(salt), passes, memory];
    return new Uint8Array(Buffer.from(execFileSync(process.env.PYTHON, words.map(String)).toString(), "hex"));
  };
});
