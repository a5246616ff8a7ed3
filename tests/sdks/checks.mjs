// Published JavaScript clients against our simulators, and our signatures against theirs.
//
// A simulator that accepts what a marketplace's published client signs, checks as the marketplace does; our own
// adapters are held to the simulators by the contract tests.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";

const shops = JSON.parse(readFileSync(process.argv[2], "utf8"));
const shop = (slug) => shops.find((shop) => shop.marketplace === slug);
const now = Math.floor(Date.now() / 1000);

let failed = 0;
async function check(name, body) {
  try {
    await body();
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED  ${name}: ${error.stack ?? error}`);
  }
}

/** The request that `marketsink webhook send` makes: its headers and its raw body. */
async function sent(marketplace, secret, body, more = []) {
  writeFileSync("body.json", body);
  const server = createServer();
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  const received = new Promise((resolve) => {
    server.on("request", (request, response) => {
      const chunks = [];
      request.on("data", (chunk) => chunks.push(chunk));
      request.on("end", () => {
        response.writeHead(200).end();
        resolve({ headers: request.headers, body: Buffer.concat(chunks).toString("utf8") });
      });
    });
  });
  const to = `http://127.0.0.1:${server.address().port}/hook`;
  const args = ["webhook", "send", "--marketplace", marketplace, "--secret", secret, "--to", to, "--body", "body.json"];
  const child = spawn(process.env.MARKETSINK, [...args, ...more], { stdio: ["ignore", "ignore", "inherit"] });
  const request = await received;
  await new Promise((ended) => child.on("exit", ended));
  server.close();
  return { ...request, to };
}

/** Whether `marketsink webhook verify` believes a request. */
function believed(marketplace, secret, headers, body, more = []) {
  writeFileSync("body.json", body);
  const given = Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]);
  const args = ["webhook", "verify", "--marketplace", marketplace, "--secret", secret, "--body", "body.json"];
  try {
    execFileSync(process.env.MARKETSINK, [...args, ...given, ...more], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

await check("TikTok Shop: its client's requests are accepted, tampered ones are not", async () => {
  const { TikTokShopSDK } = await import("tiktok-shop-sdk");
  const { url, credentials } = shop("tiktok_shop");
  const client = (secret) => {
    const made = new TikTokShopSDK({ appKey: credentials.app_key, appSecret: secret });
    made.setAccessToken(credentials.access_token);
    return made;
  };
  // Its address is fixed; what it sends there goes to the simulator.
  const { fetch } = globalThis;
  globalThis.fetch = (to, options) => fetch(String(to).replace("https://open-api.tiktokglobalshop.com", url), options);
  const right = client(credentials.app_secret);
  const found = await right.shop.getAuthorizedShops();
  right.setShopCipher((found.data ?? found).shops[0].cipher);
  const orders = await right.order.getOrderList({ query: { page_size: 10 }, body: { update_time_ge: now - 86_400 } });
  assert.ok("total_count" in (orders.data ?? orders), JSON.stringify(orders));
  await assert.rejects(client("another").shop.getAuthorizedShops());
  globalThis.fetch = fetch;
});

await check("WooCommerce: its client's requests are accepted, tampered ones are not", async () => {
  const { default: module } = await import("@woocommerce/woocommerce-rest-api");
  const Client = module.default ?? module;
  const { url, credentials } = shop("woocommerce");
  const client = (secret) =>
    new Client({ url, consumerKey: credentials.consumer_key, consumerSecret: secret, version: "wc/v3" });
  const products = await client(credentials.consumer_secret).get("products", { per_page: 5 });
  assert.equal(products.status, 200);
  assert.equal(products.data.length, 5);
  await assert.rejects(client("cs_another").get("products", { per_page: 5 }));
});

if (shop("shopee")) {
  await check("Shopee: its client's requests are accepted, tampered ones are not", async () => {
    const { ShopeeSDK } = await import("@congminh1254/shopee-sdk");
    const { url, credentials } = shop("shopee");
    const token = {
      access_token: credentials.access_token,
      refresh_token: credentials.refresh_token,
      shop_id: Number(credentials.shop_id),
      expire_in: 14_400,
      expired_at: Date.now() + 14_400_000,
    };
    const storage = { store: async () => {}, get: async () => token, clear: async () => {} };
    const client = (key) =>
      new ShopeeSDK(
        {
          partner_id: Number(credentials.partner_id),
          partner_key: key,
          shop_id: token.shop_id,
          base_url: `${url}/api/v2`,
        },
        storage,
      );
    const question = { time_range_field: "update_time", time_from: now - 86_400, time_to: now + 60, page_size: 10 };
    const orders = await client(credentials.partner_key).order.getOrderList(question);
    assert.ok(Array.isArray(orders.response.order_list), JSON.stringify(orders));
    const items = await client(credentials.partner_key).product.getItemList({
      offset: 0,
      page_size: 10,
      item_status: ["NORMAL"],
    });
    assert.ok(items.response.item.length > 0, JSON.stringify(items));
    await assert.rejects(client("another").order.getOrderList(question));
  });

  await check("Shopee: its signing function agrees on a webhook of ours", async () => {
    const signature = await import("@congminh1254/shopee-sdk/lib/utils/signature.js").catch(
      () => import("./node_modules/@congminh1254/shopee-sdk/lib/utils/signature.js"),
    );
    const key = "5a7a6d4b4d6f6b51";
    const body = '{"code":3,"shop_id":727720655,"data":{"ordersn":"2611230K7VQX4M \\u2013 \\/"}}';
    const request = await sent("shopee", key, body);
    assert.equal(request.headers.authorization, signature.generateSignature(key, [request.to, "|", request.body]));
  });
}

if (shop("shopify")) {
  await check("Shopify: its library believes a webhook of ours, and not a tampered one", async () => {
    await import("@shopify/shopify-api/adapters/node");
    const { shopifyApi, ApiVersion } = await import("@shopify/shopify-api");
    const secret = "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";
    const shopify = shopifyApi({
      apiKey: "key",
      apiSecretKey: secret,
      hostName: "hooks.example.com",
      apiVersion: Object.values(ApiVersion).at(-2),
      isEmbeddedApp: false,
      scopes: ["read_orders"],
      logger: { level: 0 },
    });
    const headers = [
      "X-Shopify-Topic: orders/create",
      "X-Shopify-API-Version: 2026-10",
      "X-Shopify-Shop-Domain: kopi.myshopify.com",
      "X-Shopify-Webhook-Id: b54557e4-bdd9-4b37-8a5f-bf7d70bcd043",
    ].flatMap((header) => ["--header", header]);
    const body = '{"id":5623011049531,"name":"#1042","note":"Kopi \\u0026 Gula – 250g"}';
    const { headers: got, body: raw } = await sent("shopify", secret, body, headers);
    const judge = (rawBody) => shopify.webhooks.validate({ rawBody, rawRequest: { headers: got } });
    assert.equal((await judge(raw)).valid, true);
    assert.equal((await judge(`${raw} `)).valid, false);
  });
}

if (shop("standard_webhooks")) {
  await check("Custom store: the library believes ours, and we believe the library's", async () => {
    const { Webhook } = await import("standardwebhooks");
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=";
    const library = new Webhook(secret);
    const body = '{"type":"order.updated","timestamp":"2026-11-23T02:20:00Z","data":{"id":"1"}}';
    const request = await sent("standard_webhooks", secret, body);
    library.verify(request.body, request.headers);
    assert.throws(() => library.verify(`${request.body} `, request.headers));

    const at = new Date();
    const headers = {
      "webhook-id": "msg_library",
      "webhook-timestamp": String(Math.floor(at.getTime() / 1000)),
      "webhook-signature": library.sign("msg_library", at, body),
    };
    assert.equal(believed("standard_webhooks", secret, headers, body), true);
    assert.equal(believed("standard_webhooks", secret, headers, `${body} `), false);
  });
}

process.exit(failed === 0 ? 0 : 1);
