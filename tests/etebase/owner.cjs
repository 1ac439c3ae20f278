// An owner's Etebase client: `write` uploads batches and retries failures, `read` reports all items.
const Etebase = require("etebase");

const [mode, url, name, password, batches] = process.argv.slice(2);
const tell = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);

async function again(act) {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      tell({ failed: String(error) });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

async function write() {
  const account = await again(() => Etebase.Account.signup({ username: name, email: "" }, password, url));
  tell({ token: account.authToken });
  const collections = account.getCollectionManager();
  const collection = await collections.create("etebase.md.note", { name: "canary-collection" }, "");
  await again(() => collections.upload(collection));
  const items = collections.getItemManager(collection);
  for (let batch = 0; batch < Number(batches); batch += 1) {
    const texts = Array.from({ length: 10 }, (_, number) => `canary-note ${batch} ${number} ${"x".repeat(number * 4000)}`);
    const made = await Promise.all(texts.map((text) => items.create({ name: "canary-title" }, text)));
    await again(() => items.batch(made));
    tell({ stored: Object.fromEntries(made.map((item, number) => [item.uid, texts[number].length])) });
  }
  tell({ done: true });
}

async function read() {
  const account = await again(() => Etebase.Account.login(name, password, url));
  const collections = account.getCollectionManager();
  const { data } = await again(() => collections.list("etebase.md.note"));
  for (const collection of data) {
    const items = collections.getItemManager(collection);
    for (let stoken, done = false; !done; ) {
      const page = await again(() => items.list({ stoken }));
      for (const item of page.data) {
        const text = await item.getContent(Etebase.OutputFormat.String);
        if (!text.startsWith("canary-note ")) throw new Error("another text");
        tell({ found: item.uid, length: text.length });
      }
      ({ stoken, done } = page);
    }
  }
  tell({ done: true });
}

({ write, read })[mode]().catch((error) => {
  tell({ error: String(error) });
  process.exitCode = 1;
});
