// Stores the values of its environment like an owner's client, and prints the keys that it used.
const crypto = require("crypto");
const Etebase = require("etebase");
const { getMainCryptoManager } = require("etebase/dist/lib-cjs/EncryptedModels");

const { NAME, PASSWORD, CONTENT, TITLE, WORDS, CONSENT, URL: server } = process.env;
const encode = (bytes) => Buffer.from(bytes).toString("hex");
const base64 = (bytes) => Buffer.from(bytes).toString("base64");

// An Ed25519 seed in PKCS #8 begins like this.
const SEED = Buffer.from("302e020100300506032b657004220420", "hex");

function derive(entropy, info) {
  return Buffer.from(crypto.hkdfSync("sha256", entropy, "", info, 32));
}

function seal(key, plain) {
  const nonce = crypto.randomBytes(12);
  const cipher = crypto.createCipheriv("aes-256-gcm", key, nonce);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

async function ask(method, path, body, headers = {}) {
  const sent = { "Content-Type": "application/json", ...headers };
  const answer = await fetch(`${server}account/1/${path}`, { method, headers: sent, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
}

async function sign(action, signer, more = {}) {
  const { challenge } = await ask("POST", "recovery/challenge", { username: NAME });
  const says = { username: NAME, challenge, host: new URL(server).host, action, ...more };
  const response = Buffer.from(JSON.stringify(says));
  return { response: base64(response), signature: base64(signer(response)) };
}

// Stores recovery words, opens the account with them, and returns the keys derived from them.
async function recover(headers, login, account) {
  const entropy = crypto.createHash("sha256").update(WORDS).digest().subarray(0, 16);
  const wrap = derive(entropy, "hening recovery wrap 1");
  const seed = derive(entropy, "hening recovery proof 1");
  const proof = crypto.createPrivateKey({ key: Buffer.concat([SEED, seed]), format: "der", type: "pkcs8" });
  const key = Buffer.from(proof.export({ format: "jwk" }).x, "base64url");
  const recovery = { key: base64(key), wrap: base64(seal(wrap, account)), words: base64(seal(account, WORDS)) };
  const signed = await sign("setRecovery", (bytes) => login.signDetached(bytes), { recovery });
  await ask("PUT", "recovery", signed, headers);
  const opened = await ask("POST", "recovery/open", await sign("openRecovery", (bytes) => crypto.sign(null, bytes, proof)));
  if (opened.wrap !== recovery.wrap) throw new Error("the words open something else");
  return { "words' entropy": entropy, "words' wrap key": wrap, "words' proof seed": seed };
}

async function main() {
  await Etebase.ready;
  const user = { username: NAME, email: `${NAME}@localhost` };
  const account = await Etebase.Account.signup(user, PASSWORD, server);
  const headers = { Authorization: `Token ${account.authToken}` };
  const agreed = await fetch(`${server}account/1/consents`, { method: "POST", headers, body: CONSENT });
  if (agreed.status !== 201) throw new Error(await agreed.text());
  const collections = account.getCollectionManager();
  const collection = await collections.create("etebase.md.note", { name: TITLE }, CONTENT);
  await collections.upload(collection);
  const items = collections.getItemManager(collection);
  const long = Buffer.from(`${CONTENT} `.repeat(5000));
  const made = [
    await items.create({ name: TITLE }, CONTENT),
    await items.create({ name: TITLE }, long),
  ];
  await items.batch(made);
  const again = await Etebase.Account.login(NAME, PASSWORD, server);
  const main = getMainCryptoManager(again.mainKey, again.version);
  const opened = main.decrypt(again.user.encryptedContent);
  const key = opened.subarray(0, 32);
  const ofWords = await recover(headers, main.getLoginCryptoManager(), key);
  const read = await again.getCollectionManager().list("etebase.md.note");
  const text = await read.data[0].getContent(Etebase.OutputFormat.String);
  if (text !== CONTENT) throw new Error("what was stored is not what was read");
  const keys = {
    "main key": again.mainKey,
    "account key": key,
    "identity key": opened.subarray(32),
    ...ofWords,
  };
  const named = Object.entries(keys).map(([name, value]) => [name, encode(value)]);
  console.log(JSON.stringify(Object.fromEntries(named)));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
