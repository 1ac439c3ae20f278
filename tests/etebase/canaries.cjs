// Stores what its environment says as an owner's client does, and prints the keys that it used.
const Etebase = require("etebase");
const { getMainCryptoManager } = require("etebase/dist/lib-cjs/EncryptedModels");

const { NAME, PASSWORD, CONTENT, TITLE, CONSENT, URL: server } = process.env;
const encode = (bytes) => Buffer.from(bytes).toString("hex");

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
  const read = await again.getCollectionManager().list("etebase.md.note");
  const text = await read.data[0].getContent(Etebase.OutputFormat.String);
  if (text !== CONTENT) throw new Error("what was stored is not what was read");
  console.log(
    JSON.stringify({
      "main key": encode(again.mainKey),
      "account key": encode(opened.subarray(0, 32)),
      "identity key": encode(opened.subarray(32)),
    }),
  );
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
