// The Etebase client as another device: reads commands, one line of JSON each, and answers each.
const Etebase = require("etebase");
const readline = require("readline");

const [url, name, password] = process.argv.slice(2);
const text = Etebase.OutputFormat.String;

async function find(account, type) {
  const collections = account.getCollectionManager();
  const { data } = await collections.list(type);
  return data.map((collection) => [collection, collections.getItemManager(collection)]);
}

async function listItems(account, type) {
  const found = [];
  for (const [, items] of await find(account, type)) {
    for (let stoken, done = false; !done; ) {
      const page = await items.list({ stoken });
      for (const item of page.data) found.push([item, items]);
      ({ stoken, done } = page);
    }
  }
  return found;
}

const commands = {
  async list(account, type) {
    const items = await listItems(account, type);
    return Promise.all(
      items
        .filter(([item]) => !item.isDeleted)
        .map(async ([item]) => ({
          uid: item.uid,
          name: item.getMeta().name ?? "",
          content: await item.getContent(text),
        })),
    );
  },
  async make(account, type) {
    const collections = account.getCollectionManager();
    const collection = await collections.create(type, { name: "Mine" }, "");
    await collections.upload(collection);
    return collection.uid;
  },
  async add(account, type, title, content) {
    const [[, items]] = await find(account, type);
    const item = await items.create({ name: title, mtime: Date.now(), colour: "blue" }, content);
    await items.transaction([item]);
    return item.uid;
  },
  async change(account, type, uid, content) {
    const [item, items] = (await listItems(account, type)).find(([each]) => each.uid === uid);
    item.setMeta({ ...item.getMeta(), mtime: Date.now() });
    await item.setContent(content);
    await items.transaction([item]);
    return item.etag;
  },
  async remove(account, type, uid) {
    const [item, items] = (await listItems(account, type)).find(([each]) => each.uid === uid);
    item.delete();
    await items.transaction([item]);
    return true;
  },
  async meta(account, type, uid) {
    const [item] = (await listItems(account, type)).find(([each]) => each.uid === uid);
    return item.getMeta();
  },
};

async function main() {
  await Etebase.ready;
  const account = await Etebase.Account.login(name, password, url);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, ...values] = JSON.parse(line);
    const answer = await commands[command](account, ...values);
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
